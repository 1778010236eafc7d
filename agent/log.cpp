// Log lines: formatting, and a sink that never waits. The only file that knows spdlog.
#include "agent/log.hpp"

#include <vitals/fd.hpp>
#include <vitals/text.hpp>

#define SPDLOG_LEVEL_NAMES \
  { "trace", "debug", "info", "warn", "error", "critical", "off" }
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <mutex>

#include "agent/json_writer.hpp"

namespace vitals {
namespace {

/// A value is cut here; tighter when the whole line would pass log_line_max.
constexpr std::size_t value_max = 1'024;
constexpr std::size_t value_min = 16;
/// What spdlog puts before our text, with room to spare: time and level.
constexpr std::size_t prefix_max = 64;

constexpr const char* logfmt_pattern = "time=%Y-%m-%dT%H:%M:%S.%eZ level=%l %v";
constexpr const char* json_pattern = "{\"time\":\"%Y-%m-%dT%H:%M:%S.%eZ\",\"level\":\"%l\",%v}";

spdlog::level::level_enum library_level(LogLevel level) {
  switch (level) {
    case LogLevel::trace:
      return spdlog::level::trace;
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warn:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  VITALS_ASSERT(false);
  return spdlog::level::err;
}

/// Writes lines whole or not at all, and never waits.
class ImpatientWriter {
 public:
  explicit ImpatientWriter(int descriptor) {
    struct stat status {};
    if (fstat(descriptor, &status) != 0) return;
    socket_ = S_ISSOCK(status.st_mode);
    pipe_ = S_ISFIFO(status.st_mode);
    fd_.reset(fcntl(descriptor, F_DUPFD_CLOEXEC, 3));
  }

  /// False: not a byte of `line` was or will be written.
  bool write(std::string_view line) {
    if (!rest_.empty() && !write_rest()) return false;
    const std::size_t written = write_some(line);
    // A file or socket took a part: the rest goes before anything else, or the line would be torn.
    if (written > 0) rest_ = line.substr(written);
    return written > 0;
  }

 private:
  bool write_rest() {
    rest_.erase(0, write_some(rest_));
    return rest_.empty();
  }

  std::size_t write_some(std::string_view bytes) {
    pollfd room{fd_.get(), POLLOUT, 0};
    if (!fd_ || poll(&room, 1, 0) != 1 || (room.revents & POLLOUT) == 0) return 0;
    const ssize_t written = write_now(bytes);
    return written > 0 ? static_cast<std::size_t>(written) : 0;
  }

  /// O_NONBLOCK belongs to the open file description, which we share with the app and the shell, so
  /// each call says for itself that it won't wait. Where it can't (pipes before Linux 6.4, files,
  /// terminals), poll has just said that there is room for a line.
  [[nodiscard]] ssize_t write_now(std::string_view bytes) const {
    if (socket_) return send(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (pipe_) {
      const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
      const ssize_t written = pwritev2(fd_.get(), &piece, 1, -1, RWF_NOWAIT);
      if (written >= 0 || errno != EOPNOTSUPP) return written;
    }
    return ::write(fd_.get(), bytes.data(), bytes.size());
  }

  Fd fd_;
  bool socket_ = false;
  bool pipe_ = false;
  std::string rest_;
};

/// Hands formatted lines to the writer. Locked by Log.
class Sink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  explicit Sink(int descriptor) : writer_(descriptor) {}

  void configure(LogFormat format) {
    format_ = format;
    set_formatter(std::make_unique<spdlog::pattern_formatter>(
        format == LogFormat::json ? json_pattern : logfmt_pattern, spdlog::pattern_time_type::utc,
        "\n"));
  }
  [[nodiscard]] LogFormat format() const { return format_; }
  /// The line before this call got through.
  [[nodiscard]] bool taken() const { return taken_; }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t text;
    formatter_->format(message, text);
    taken_ = writer_.write({text.data(), text.size()});
  }
  void flush_() override {}

 private:
  ImpatientWriter writer_;
  LogFormat format_ = LogFormat::logfmt;
  bool taken_ = true;
};

/// A logfmt value: bare when no reader could misread it, else in quotes.
void append_logfmt(std::string& out, std::string_view value) {
  const auto special = [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == '"' || c == '=' || c == '\\';
  };
  if (!value.empty() && std::ranges::none_of(value, special)) {
    out.append(value);
    return;
  }
  out += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

void append_field(std::string& out, LogFormat format, const LogField& field, std::size_t limit) {
  const std::string value = clean_text(field.value, limit);
  switch (format) {
    case LogFormat::logfmt:
      if (!out.empty()) out += ' ';
      out.append(field.key).append("=");
      append_logfmt(out, value);
      return;
    case LogFormat::json:
      if (!out.empty()) out += ',';
      append_json_string(out, field.key);
      out += ':';
      if (field.number) {
        out.append(value);
      } else {
        append_json_string(out, value);
      }
      return;
  }
  VITALS_ASSERT(false);
}

std::string body_within(LogFormat format, std::string_view message,
                        std::span<const LogField> fields, std::size_t limit) {
  std::string body;
  append_field(body, format, {"msg", std::string(message)}, limit);
  for (const LogField& field : fields) append_field(body, format, field, limit);
  return body;
}

/// Message and fields; long values are cut until all of it fits one line.
std::string body_of(LogFormat format, std::string_view message, std::span<const LogField> fields) {
  std::string body;
  for (std::size_t limit = value_max; limit >= value_min; limit /= 2) {
    body = body_within(format, message, fields, limit);
    if (body.size() + prefix_max <= log_line_max) return body;
  }
  return body_within(format, message, {}, value_max);  // hundreds of fields: the message at least
}

}  // namespace

struct Log::Impl {
  explicit Impl(int descriptor) : sink(std::make_shared<Sink>(descriptor)), logger("vitals", sink) {
    logger.set_error_handler([](const std::string&) {});  // spdlog's own prints to stderr and waits
  }

  /// False: the line is lost.
  bool put(LogLevel level, std::string_view message, std::span<const LogField> fields) {
    logger.log(library_level(level), body_of(sink->format(), message, fields));
    return sink->taken();
  }

  /// Held while one line is formatted and written, microseconds.
  std::mutex mutex;
  std::shared_ptr<Sink> sink;
  spdlog::logger logger;
  std::uint64_t lost = 0;
  std::uint64_t reported = 0;
};

Log::Log(LogConfig config, int descriptor) : impl_(std::make_unique<Impl>(descriptor)) {
  configure(config);
}
Log::~Log() = default;

void Log::configure(LogConfig config) {
  const std::lock_guard lock(impl_->mutex);
  impl_->logger.set_level(library_level(config.level));
  impl_->sink->configure(config.format);
}

bool Log::enabled(LogLevel level) const { return impl_->logger.should_log(library_level(level)); }

void Log::line(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  write(level, message, std::span(fields.begin(), fields.size()));
}

void Log::write(const LogLine& line) { write(line.level, line.message, line.fields); }

std::uint64_t Log::lost() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->lost;
}

void Log::write(LogLevel level, std::string_view message, std::span<const LogField> fields) {
  if (!enabled(level)) return;
  const std::lock_guard lock(impl_->mutex);
  if (impl_->lost > impl_->reported) {
    const LogField lines{"lines", std::to_string(impl_->lost - impl_->reported), true};
    // At least the level of the line it stands before, so that the threshold lets it through.
    if (impl_->put(std::max(level, LogLevel::warn), "log lines lost", {&lines, 1})) {
      impl_->reported = impl_->lost;
    }
  }
  if (!impl_->put(level, message, fields)) ++impl_->lost;
}

}  // namespace vitals
