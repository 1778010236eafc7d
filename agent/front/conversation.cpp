// One client's connection as messages.
#include "agent/front/conversation.hpp"

#include <algorithm>
#include <utility>

namespace vitals::front {
namespace {

using Act = Step::Act;

Step refused(std::string_view why) { return {Act::refuse, 0, why}; }

std::size_t part_of(std::string_view bytes, std::uint64_t left) {
  return static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), left));
}

}  // namespace

Step Conversation::from_client(std::string_view bytes) {
  VITALS_ASSERT(!bytes.empty());
  switch (up_) {
    case Up::opening:
      return open(bytes);
    case Up::head:
      return read_request(bytes);
    case Up::body:
    case Up::tunnel: {
      const auto size = part_of(bytes, blind_up());
      passed_up(size);
      return {Act::forward, size};
    }
    case Up::chunks: {
      const auto size = up_chunks_.feed(bytes);
      const auto fault = up_chunks_.fault();
      if (up_chunks_.complete()) request_whole();
      if (size == 0 && fault) return refused(fault->why);
      return {Act::forward, size};
    }
    case Up::waiting:
      return {};
    case Up::over:
      return {Act::drop, bytes.size()};
  }
  VITALS_ASSERT(false);
  return {};
}

Step Conversation::open(std::string_view bytes) {
  switch (opening_of(bytes)) {
    case Opening::undecided:
      return {};
    case Opening::http:
      up_ = Up::head;
      return read_request(bytes);
    case Opening::http2:
    case Opening::proxy_protocol:
    case Opening::tls:
      become_tunnel();
      return {Act::forward, bytes.size()};
  }
  VITALS_ASSERT(false);
  return {};
}

Step Conversation::read_request(std::string_view bytes) {
  const auto size = request_head_.find(bytes);
  if (!size) return refused(size.error().why);
  if (size.value() == 0) return {};
  request_head_.reset();
  const auto frame = read_request_head(bytes.substr(0, size.value()));
  if (!frame) return refused(frame.error().why);
  if (const auto question = question_of(frame.value())) {
    question_ = *question;
    if (question_.close) up_ = Up::over;
    return {Act::ask, size.value()};
  }
  return begin_request(frame.value(), size.value());
}

Step Conversation::begin_request(const RequestFrame& frame, std::size_t size) {
  asked_ = {frame.method, frame.upgrades};
  last_ = frame.last;
  in_flight_ = true;
  down_ = Down::head;
  switch (frame.body) {
    case Body::none:
      request_whole();
      break;
    case Body::length:
      up_ = Up::body;
      up_left_ = frame.length;
      break;
    case Body::chunked:
      up_ = Up::chunks;
      up_chunks_ = ChunkReader(ChunkReader::Strictness::request);
      break;
    case Body::until_close:
      VITALS_ASSERT(!"no request has such a body");
  }
  return {Act::forward, size};
}

Step Conversation::from_app(std::string_view bytes) {
  VITALS_ASSERT(!bytes.empty());
  switch (down_) {
    case Down::silent:
      return refused("the app answers what nobody asked");
    case Down::head:
      return read_answer(bytes);
    case Down::body:
    case Down::until_close:
    case Down::tunnel: {
      const auto size = part_of(bytes, blind_down());
      passed_down(size);
      return {Act::forward, size};
    }
    case Down::chunks: {
      const auto size = down_chunks_.feed(bytes);
      const auto fault = down_chunks_.fault();
      if (down_chunks_.complete()) answer_whole();
      if (size == 0 && fault) return refused(fault->why);
      return {Act::forward, size};
    }
    case Down::whole:
      return refused("the app sends more than its answer");
  }
  VITALS_ASSERT(false);
  return {};
}

Step Conversation::read_answer(std::string_view bytes) {
  const auto size = answer_head_.find(bytes);
  if (!size) return refused(size.error().why);
  if (size.value() == 0) return {};
  answer_head_.reset();
  const auto frame = read_response_head(bytes.substr(0, size.value()), asked_);
  if (!frame) return refused(frame.error().why);
  return begin_answer(frame.value(), size.value());
}

Step Conversation::begin_answer(const ResponseFrame& frame, std::size_t size) {
  const Step step{Act::forward, size};
  app_spoke_ = true;
  if (frame.interim) return step;
  // What the client sends next would be read as the rest of a body by one, as another protocol by
  // the other.
  if (frame.switched && up_ != Up::waiting) return refused("the app switches in mid-request");
  status_ = frame.status;
  last_ |= frame.last;
  if (frame.switched) {
    become_tunnel();
    return step;
  }
  switch (frame.body) {
    case Body::none:
      answer_whole();
      break;
    case Body::length:
      down_ = Down::body;
      down_left_ = frame.length;
      break;
    case Body::chunked:
      down_ = Down::chunks;
      down_chunks_ = ChunkReader(ChunkReader::Strictness::response);
      break;
    case Body::until_close:
      down_ = Down::until_close;
      break;
  }
  return step;
}

void Conversation::request_whole() {
  up_ = Up::waiting;
  finish_exchange();
}

void Conversation::answer_whole() {
  down_ = Down::whole;
  in_flight_ = false;
  finish_exchange();
}

void Conversation::finish_exchange() {
  if (up_ != Up::waiting || down_ != Down::whole) return;
  up_ = last_ ? Up::over : Up::head;
  down_ = Down::silent;
}

void Conversation::become_tunnel() {
  up_ = Up::tunnel;
  down_ = Down::tunnel;
  in_flight_ = false;
}

std::uint64_t Conversation::blind_up() const {
  switch (up_) {
    case Up::body:
      return up_left_;
    case Up::chunks:
      return up_chunks_.data_left();
    case Up::tunnel:
      return endless;
    case Up::opening:
    case Up::head:
    case Up::waiting:
    case Up::over:
      return 0;
  }
  VITALS_ASSERT(false);
  return 0;
}

std::uint64_t Conversation::blind_down() const {
  switch (down_) {
    case Down::body:
      return down_left_;
    case Down::chunks:
      return down_chunks_.data_left();
    case Down::until_close:
    case Down::tunnel:
      return endless;
    case Down::silent:
    case Down::head:
    case Down::whole:
      return 0;
  }
  VITALS_ASSERT(false);
  return 0;
}

void Conversation::passed_up(std::uint64_t bytes) {
  VITALS_ASSERT(bytes <= blind_up());
  if (up_ == Up::chunks) return up_chunks_.skip(bytes);
  if (up_ != Up::body) return;
  up_left_ -= bytes;
  if (up_left_ == 0) request_whole();
}

void Conversation::passed_down(std::uint64_t bytes) {
  VITALS_ASSERT(bytes <= blind_down());
  if (down_ == Down::chunks) return down_chunks_.skip(bytes);
  if (down_ != Down::body) return;
  down_left_ -= bytes;
  if (down_left_ == 0) answer_whole();
}

void Conversation::app_ended() {
  if (down_ == Down::until_close) answer_whole();
}

bool Conversation::wants_client() const { return up_ != Up::waiting; }

std::optional<int> Conversation::take_status() { return std::exchange(status_, std::nullopt); }

}  // namespace vitals::front
