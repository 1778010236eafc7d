// doctest itself, apart from main: helpers that check something are linked into the bench, too,
// which has a main of its own.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
