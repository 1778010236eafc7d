// One connection to a Redis server: pipelined commands out, replies in, all under one deadline.
// hiredis formats and parses; reading and writing is ours, for its own time-outs count per read.
#include "probes/redis_connection.hpp"

#include <poll.h>

#include <array>
#include <string>
#include <utility>

#include <hiredis/hiredis.h>

#include <vitals/assert.hpp>

namespace vitals::redis {
namespace {

constexpr std::size_t read_chunk = 16 * 1024;
constexpr std::size_t opening_max = 16;  // enough to tell what speaks instead of Redis

struct ReaderFree {
  void operator()(redisReader* reader) const { redisReaderFree(reader); }
};
using Reader = std::unique_ptr<redisReader, ReaderFree>;

int depth_of(const redisReadTask* task) {
  int depth = 0;
  for (; task->parent != nullptr; task = task->parent) ++depth;
  return depth;
}

/// Puts a parsed value where the parser wants it: into its parent, or as a new root.
Reply* place(const redisReadTask* task, Reply reply) {
  if (task->parent == nullptr) return new Reply(std::move(reply));
  auto* parent = static_cast<Reply*>(task->parent->obj);
  // Elements come in order, and the parser keeps pointers to arrays that are still open only: an
  // array is complete before its next sibling can make the vector move.
  parent->elements.push_back(std::move(reply));
  return &parent->elements.back();
}

void* make_string(const redisReadTask* task, char* text, std::size_t length) {
  Reply reply;
  reply.type = task->type == REDIS_REPLY_ERROR ? Reply::Type::error : Reply::Type::text;
  reply.text.assign(text, length);
  return place(task, std::move(reply));
}

void* make_array(const redisReadTask* task, std::size_t) {
  if (depth_of(task) >= reply_depth_max) return nullptr;  // the parser stops with an error
  Reply reply;
  reply.type = Reply::Type::array;
  return place(task, std::move(reply));
}

void* make_integer(const redisReadTask* task, long long value) {
  Reply reply;
  reply.type = Reply::Type::integer;
  reply.integer = value;
  return place(task, std::move(reply));
}

void* make_double(const redisReadTask* task, double, char* text, std::size_t length) {
  return make_string(task, text, length);
}

void* make_nil(const redisReadTask* task) { return place(task, Reply{}); }

void* make_bool(const redisReadTask* task, int value) { return make_integer(task, value); }

void free_root(void* root) { delete static_cast<Reply*>(root); }

redisReplyObjectFunctions reply_functions{
    .createString = make_string,
    .createArray = make_array,
    .createInteger = make_integer,
    .createDouble = make_double,
    .createNil = make_nil,
    .createBool = make_bool,
    .freeObject = free_root,
};

Reader make_reader() {
  Reader reader(redisReaderCreateWithFunctions(&reply_functions));
  VITALS_ASSERT(reader != nullptr);
  reader->maxelements = reply_elements_max;
  return reader;
}

void append(std::string& out, const Command& command) {
  std::vector<const char*> words;
  std::vector<std::size_t> lengths;
  for (const std::string& word : command) {
    words.push_back(word.data());
    lengths.push_back(word.size());
  }
  char* raw = nullptr;
  const long long length =
      redisFormatCommandArgv(&raw, static_cast<int>(words.size()), words.data(), lengths.data());
  const std::unique_ptr<char, decltype(&redisFreeCommand)> text(raw, &redisFreeCommand);
  VITALS_ASSERT(length >= 0);
  out.append(text.get(), static_cast<std::size_t>(length));
}

}  // namespace

struct Connection::Impl {
  net::Stream stream;
  Reader reader = make_reader();
  std::string opening;  // the first bytes of the answer

  /// A peer that went away is no error yet: what it said before is still to be read.
  std::optional<net::Failure> write(std::string_view text, const Deadline& deadline) const {
    auto failure = net::write_all(stream, text, deadline);
    if (failure && failure->reason == Reason::reset) return std::nullopt;
    return failure;
  }

  [[nodiscard]] net::Failure not_redis() const {
    if (opening.starts_with("HTTP/") || opening.starts_with("<")) {
      return {Reason::protocol,
              "an HTTP server answered, not Redis: is this a REST endpoint? The URL for Redis is "
              "the one with redis:// or rediss://"};
    }
    return {Reason::protocol,
            "not an answer of Redis: " + std::string(redisReaderGetError(reader.get()))};
  }

  /// Moves complete replies from the parser into `exchange`, up to `count`.
  void take_replies(RedisExchange& exchange, std::size_t count) const {
    while (exchange.replies.size() < count) {
      void* raw = nullptr;
      if (redisReaderGetReply(reader.get(), &raw) != REDIS_OK) {
        exchange.failure = not_redis();
        return;
      }
      if (raw == nullptr) return;
      const std::unique_ptr<Reply> reply(static_cast<Reply*>(raw));
      exchange.replies.push_back(std::move(*reply));
      exchange.arrived.push_back(Clock::now());
    }
  }

  void feed(std::string_view bytes) {
    if (opening.size() < opening_max) opening += bytes.substr(0, opening_max - opening.size());
    // Fails only after an error or for want of memory, and then redisReaderGetReply() says so.
    static_cast<void>(redisReaderFeed(reader.get(), bytes.data(), bytes.size()));
  }

  void collect(RedisExchange& exchange, std::size_t count, const Deadline& deadline) {
    std::array<char, read_chunk> buffer;
    std::size_t received = 0;
    opening.clear();
    take_replies(exchange, count);
    while (!exchange.failure && exchange.replies.size() < count) {
      const auto read = net::read_some(stream, buffer, deadline);
      if (!read) {
        exchange.failure = explain(read.error());
      } else if (read.value() == 0) {
        exchange.failure = net::Failure{Reason::reset, "the server closed before it answered"};
      } else {
        received += read.value();
        feed(std::string_view(buffer.data(), read.value()));
        take_replies(exchange, count);
        if (received > reply_bytes_max && !exchange.failure) exchange.failure = too_long();
      }
    }
  }

  static net::Failure explain(const net::Failure& failure) {
    if (failure.reason != Reason::timeout) return failure;
    return {Reason::timeout, "connected, but no answer within the time limit"};
  }

  static net::Failure too_long() {
    return {Reason::too_large,
            "the answer is longer than " + std::to_string(reply_bytes_max / 1024) + " KiB"};
  }
};

Connection::Connection(net::Stream stream)
    : impl_(std::make_unique<Impl>(Impl{.stream = std::move(stream)})) {}

Connection::~Connection() { net::say_goodbye(impl_->stream); }

RedisExchange Connection::exchange(std::span<const Command> commands, const Deadline& deadline) {
  std::string text;
  for (const Command& command : commands) append(text, command);
  RedisExchange exchange;
  exchange.failure = impl_->write(text, deadline);
  if (!exchange.failure) impl_->collect(exchange, commands.size(), deadline);
  return exchange;
}

RedisExchange Connection::receive(std::size_t count, const Deadline& deadline) {
  RedisExchange exchange;
  impl_->collect(exchange, count, deadline);
  return exchange;
}

bool Connection::quiet() {
  const redisReader& reader = *impl_->reader;
  if (reader.pos < reader.len) return false;
  // Also true of a TLS connection: the session tickets came with the first answer.
  const Deadline now(Clock::now());
  return net::wait_for(impl_->stream.fd.get(), POLLIN, now) == net::Wait::timeout;
}

}  // namespace vitals::redis
