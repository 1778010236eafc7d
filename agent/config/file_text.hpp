// Whole files, and texts that live in files: `{ file = "/path" }`.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <vitals/result.hpp>
#include <vitals/secrets.hpp>
#include <vitals/settings.hpp>

#include "agent/config/document.hpp"

namespace vitals::config {

/// Content without its one trailing newline, or an error that names path and cause.
using FileReader = std::function<Result<std::string>(const std::string& path)>;

/// A file that people write, as it stands; a pipe is fine: vitals validate --config <(…). At most
/// 4 MiB. The error is "<path>: cannot read it: <cause>".
[[nodiscard]] Result<std::string> read_whole_file(const std::string& path);

/// The real one: a regular file of 1 byte to 64 KiB. Blocking disk I/O, no other waiting: a FIFO or
/// a device is an error.
[[nodiscard]] Result<std::string> read_text_file(const std::string& path);

/// What the file of `{ file = "/path" }` holds now. The error is the end of a sentence that begins
/// with the name of the setting; it names the path only where it can't be the secret itself.
[[nodiscard]] Result<std::string> read_kept(const Value& value, const FileReader& reader);

/// Reads the file each time it is asked, and remembers what it read as a secret.
[[nodiscard]] Text live_file(std::string path, std::shared_ptr<SecretSet> secrets,
                             FileReader reader);

}  // namespace vitals::config
