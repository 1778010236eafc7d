// Reads configuration files, and small files that hold secrets.
#include "agent/config/file_text.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <vitals/assert.hpp>
#include <vitals/fd.hpp>

#include "agent/config/values.hpp"

namespace vitals::config {
namespace {

constexpr std::size_t file_text_max = 64 * 1024;
constexpr std::size_t whole_file_max = 4 * 1024 * 1024;

Error cannot_read(const std::string& path, const std::string& cause) {
  return Error{"cannot read " + path + ": " + cause};
}

/// One byte more than allowed is enough to know that it is too long.
Result<std::string> read_all(const Fd& fd, const std::string& path) {
  std::string content(file_text_max + 1, '\0');
  std::size_t length = 0;
  while (length < content.size()) {
    const auto got = ::read(fd.get(), content.data() + length, content.size() - length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return cannot_read(path, std::strerror(errno));
    if (got == 0) break;
    length += static_cast<std::size_t>(got);
  }
  if (length > file_text_max) return cannot_read(path, "more than 64 KiB");
  content.resize(length);
  return content;
}

/// Somebody may have put the secret itself where its path belongs.
std::string shown_path(const Value& file) {
  const bool is_path = file.written.starts_with('/') || file.written.starts_with('.') ||
                       file.written.starts_with("${");
  return is_path ? quotable(file) : "***";
}

}  // namespace

Result<std::string> read_whole_file(const std::string& path) {
  const auto failed = [&](const std::string& cause) {
    return Error{path + ": cannot read it: " + cause};
  };
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return failed(std::strerror(errno));
  std::string text;
  char buffer[16 * 1024];
  while (text.size() <= whole_file_max) {
    const auto got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed(std::strerror(errno));
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
  }
  return failed("more than 4 MiB");
}

Result<std::string> read_text_file(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return cannot_read(path, std::strerror(errno));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return cannot_read(path, std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return cannot_read(path, "not a regular file");
  auto content = read_all(fd, path);
  if (!content) return content;
  std::string text = std::move(content).value();
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  if (text.empty()) return cannot_read(path, "it is empty");
  return text;
}

Result<std::string> read_kept(const Value& value, const FileReader& reader) {
  const auto path = file_path(value);
  VITALS_ASSERT(path.has_value());
  auto content = reader(*path);
  if (content) return content;
  std::string message = content.error().message;
  const auto at = message.find(*path);
  if (at != std::string::npos)
    message.replace(at, path->size(), shown_path(value.children.front()));
  return Error{"is kept in a file: " + message};
}

Text live_file(std::string path, std::shared_ptr<SecretSet> secrets, FileReader reader) {
  return Text([path = std::move(path), secrets = std::move(secrets),
               reader = std::move(reader)]() -> Result<std::string> {
    auto content = reader(path);
    if (content) secrets->add(content.value());
    return content;
  });
}

}  // namespace vitals::config
