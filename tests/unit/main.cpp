// doctest's main() alone: it is slow to compile, so nothing else stands here.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
