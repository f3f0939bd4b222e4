# Warnings are errors; the sanitizers and the hardening of a network service are chosen here and nowhere else.
add_compile_options(
  -Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion -Wsign-conversion -Wswitch-enum -Wnon-virtual-dtor
  -Wold-style-cast -Woverloaded-virtual -Wnull-dereference -Wformat=2 -Wcast-align -Wunused
  -fstack-protector-strong -fstack-clash-protection -fPIE)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Both complain about code inside the standard library and fmt at -O2.
  add_compile_options(-Wno-null-dereference -Wduplicated-cond -Wlogical-op)
endif()
add_link_options(-pie -Wl,-z,relro,-z,now,--as-needed)

if(KEYSLUICE_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(KEYSLUICE_SANITIZE_THREAD)
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
if(KEYSLUICE_SANITIZE OR KEYSLUICE_SANITIZE_THREAD OR KEYSLUICE_COVERAGE)
  add_compile_definitions(KEYSLUICE_INSTRUMENTED)
endif()
if(KEYSLUICE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(KEYSLUICE_COVERAGE)
  add_compile_options(--coverage)
  add_link_options(--coverage)
endif()
