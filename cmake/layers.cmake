# keysluice_layer(NAME [FOLDER folder] [WITHOUT folder…] [LINKS target…]): the folder's sources, but for those of some of
# its own folders, as the static library keysluice_NAME.
# A folder of headers alone becomes an interface library. Includes are written from the root with quotes
# ("ktls/keys.hpp"): -iquote keeps our netlink/ folder from shadowing libnl's <netlink/…> headers.
function(keysluice_layer name)
  cmake_parse_arguments(LAYER "" "FOLDER" "WITHOUT;LINKS" ${ARGN})
  if(NOT LAYER_FOLDER)
    set(LAYER_FOLDER ${PROJECT_SOURCE_DIR}/${name})
  endif()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${LAYER_FOLDER}/*.cpp)
  foreach(folder IN LISTS LAYER_WITHOUT)
    list(FILTER sources EXCLUDE REGEX "^${LAYER_FOLDER}/${folder}/")
  endforeach()
  if(sources)
    add_library(keysluice_${name} STATIC ${sources})
    target_compile_options(keysluice_${name} PUBLIC -iquote ${PROJECT_SOURCE_DIR})
    target_link_libraries(keysluice_${name} PUBLIC ${LAYER_LINKS})
  else()
    add_library(keysluice_${name} INTERFACE)
    target_compile_options(keysluice_${name} INTERFACE -iquote ${PROJECT_SOURCE_DIR})
    target_link_libraries(keysluice_${name} INTERFACE ${LAYER_LINKS})
  endif()
endfunction()
