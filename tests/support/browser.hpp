// Headless Chromium by way of tests/browser/look.cjs: what a person with a browser would see.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "tests/support/process.hpp"

namespace vitals::test {

/// The command that runs look.cjs in `mode` on a page of that agent. Its modules come from
/// $NODE_PATH, where ./dev test puts them.
Command browser_command(const std::string& mode, const std::string& url,
                        const std::string& screenshots = {});

/// Opens the page in light and dark, 1280 and 390 px wide: one JSON object each, with the fields
/// that look.cjs names. Throws with what the browser said when it could not. With
/// VITALS_SCREENSHOTS=FOLDER in the environment pictures go to FOLDER/<name>-<scheme>-<width>.png.
nlohmann::json browser_looks(const std::string& url, const std::string& name);

}  // namespace vitals::test
