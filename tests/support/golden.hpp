// Golden files: output that people or machines parse, compared byte for byte.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace vitals::test {

/// The folder that holds tests/: VITALS_SOURCE_DIR of the build, of the environment, or the first
/// one upwards from here.
[[nodiscard]] std::filesystem::path source_dir();

/// Throws when it can't be read.
[[nodiscard]] std::string read_file(const std::filesystem::path& file);

/// Compares with tests/golden/<name>; empty when equal, else what differs first, for the message of
/// a CHECK. With VITALS_UPDATE_GOLDEN=1 in the environment the file is rewritten instead, and the
/// diff is for the review: CHECK(golden_difference("metrics.txt", page) == "");
[[nodiscard]] std::string golden_difference(const std::string& name, std::string_view actual);

}  // namespace vitals::test
