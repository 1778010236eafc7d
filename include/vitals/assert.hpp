// The always-on assert: for what can only fail if we are wrong.
#pragma once

#include <cstdio>
#include <cstdlib>

/// Prints the place and the expression on stderr and aborts; also in release builds.
#define VITALS_ASSERT(expression)                                                              \
  (static_cast<bool>(expression)                                                               \
       ? static_cast<void>(0)                                                                  \
       : (std::fprintf(stderr, "vitals: bug at %s:%d: %s\n", __FILE__, __LINE__, #expression), \
          std::abort()))
