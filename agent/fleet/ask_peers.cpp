// Asking several agents side by side with libcurl's multi interface.
#include "agent/fleet/ask_peers.hpp"

#include <curl/curl.h>

#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string_view>

#include <vitals/assert.hpp>
#include <vitals/text.hpp>

#include "agent/verdict/last_attempt.hpp"

namespace vitals::fleet {
namespace {

using Easy = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using Multi = std::unique_ptr<CURLM, decltype(&curl_multi_cleanup)>;

/// Several checks asked of one Machine share its connection.
constexpr long connections_per_host = 1;

std::size_t take_body(char* data, std::size_t size, std::size_t count, void* target) {
  auto& reply = *static_cast<Reply*>(target);
  const std::size_t bytes = size * count;
  if (reply.body.size() + bytes > answer_max) return 0;
  reply.body.append(data, bytes);
  return bytes;
}

/// The value of the header, when `line` is that one.
std::optional<std::string> value_of(std::string_view line, std::string_view name) {
  if (line.size() <= name.size() || line[name.size()] != ':') return std::nullopt;
  if (!same_ignoring_case(line.substr(0, name.size()), name)) return std::nullopt;
  line.remove_prefix(name.size() + 1);
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  return std::string(line.substr(0, line.find_first_of("\r\n")));
}

std::size_t take_header(char* data, std::size_t size, std::size_t count, void* target) {
  const std::string_view line(data, size * count);
  auto& reply = *static_cast<Reply*>(target);
  if (auto date = value_of(line, "Date")) reply.date = *std::move(date);
  if (auto told = value_of(line, last_attempt_header)) reply.last_attempt = *std::move(told);
  return size * count;
}

Easy question(const std::string& url, Reply& reply, const Deadline& deadline) {
  Easy easy(curl_easy_init(), &curl_easy_cleanup);
  VITALS_ASSERT(easy != nullptr);
  CURL* const curl = easy.get();
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                   static_cast<long>(std::max(1, deadline.remaining_ms())));
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "vitals-fleet");
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &reply);
  curl_easy_setopt(curl, CURLOPT_PRIVATE, &reply);
  return easy;
}

bool is_readable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return fd >= 0 && poll(&entry, 1, 0) > 0;
}

/// True when there was any.
bool take_finished(CURLM* multi) {
  int left = 0;
  bool any = false;
  while (const CURLMsg* const message = curl_multi_info_read(multi, &left)) {
    if (message->msg != CURLMSG_DONE || message->data.result != CURLE_OK) continue;
    Reply* reply = nullptr;
    long status = 0;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &reply);
    curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
    reply->status = static_cast<int>(status);
    reply->received = Clock::now();
    any = true;
  }
  return any;
}

/// Waits for the network, the interrupt, the bell, or `until`. True: interrupted.
bool wait(CURLM* multi, const Deadline& deadline, int bell, TimePoint until) {
  std::array<curl_waitfd, 2> others{};
  unsigned int count = 0;
  for (const int fd : {deadline.interrupt_fd(), bell}) {
    if (fd >= 0) others[count++] = {fd, CURL_WAIT_POLLIN, 0};
  }
  const auto left = std::chrono::ceil<Duration>(std::max(Elapsed::zero(), until - Clock::now()));
  const auto most = std::min<Duration::rep>(left.count(), deadline.remaining_ms());
  curl_multi_poll(multi, others.data(), count, static_cast<int>(most), nullptr);
  return deadline.interrupt_fd() >= 0 && others[0].revents != 0;
}

void run(CURLM* multi, const Deadline& deadline, const AskWatch& watch,
         const std::vector<Reply>& replies) {
  int running = 1;
  bool first = true;
  TimePoint until = deadline.end();
  while (running > 0 && !deadline.expired()) {
    if (curl_multi_perform(multi, &running) != CURLM_OK) return;
    const bool news = take_finished(multi);
    if (running == 0) return;
    if (watch.look && (news || first || Clock::now() >= until || is_readable(watch.bell))) {
      first = false;
      const auto next = watch.look(replies);
      if (!next) return;
      until = *next;
    }
    if (wait(multi, deadline, watch.bell, until)) return;
  }
}

}  // namespace

std::vector<Reply> ask_peers(const std::vector<std::string>& urls, const Deadline& deadline,
                             const AskWatch& watch) {
  std::vector<Reply> replies(urls.size());
  const Multi multi(curl_multi_init(), &curl_multi_cleanup);
  VITALS_ASSERT(multi != nullptr);
  curl_multi_setopt(multi.get(), CURLMOPT_MAX_HOST_CONNECTIONS, connections_per_host);
  std::vector<Easy> questions;
  for (std::size_t i = 0; i < urls.size(); ++i) {
    questions.push_back(question(urls[i], replies[i], deadline));
    curl_multi_add_handle(multi.get(), questions.back().get());
  }
  run(multi.get(), deadline, watch, replies);
  for (const Easy& easy : questions) curl_multi_remove_handle(multi.get(), easy.get());
  return replies;
}

}  // namespace vitals::fleet
