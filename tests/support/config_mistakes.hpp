// What is wrong with a configuration, as people would read it.
#pragma once

#include <string>

#include "agent/config/loader.hpp"

namespace vitals::test {

/// One mistake a line; empty: there is none.
[[nodiscard]] std::string mistakes_of(const config::LoadInput& input);

}  // namespace vitals::test
