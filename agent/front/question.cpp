// The paths that the front door answers itself, and the words of the answer.
#include "agent/front/question.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace vitals::front {
namespace {

constexpr std::array<std::pair<std::string_view, View>, 4> paths{{
    {"/health", View::health},
    {"/health/ready", View::ready},
    {"/health/live", View::live},
    {"/health/startup", View::startup},
}};

/// The first `fail` decides, as with the agent's own listener.
FailOn fail_on_of(std::string_view query) {
  constexpr std::string_view key = "fail=";
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (!pair.starts_with(key)) continue;
    if (pair.substr(key.size()) == "any") return FailOn::any;
    if (pair.substr(key.size()) == "never") return FailOn::never;
    return FailOn::fail;
  }
  return FailOn::fail;
}

Status status_of(View view, const Verdicts& verdicts) {
  const auto yes_or_no = [](bool yes) { return yes ? Status::pass : Status::fail; };
  switch (view) {
    case View::health:
      return verdicts.health;
    case View::ready:
      return yes_or_no(verdicts.ready);
    case View::live:
      return yes_or_no(verdicts.live);
    case View::startup:
      return yes_or_no(verdicts.startup);
  }
  VITALS_ASSERT(false);
  return Status::fail;
}

bool is_ok(const Question& question, Status status) {
  const bool negotiable = question.view == View::health || question.view == View::ready;
  if (negotiable && question.fail_on == FailOn::never) return true;
  if (negotiable && question.fail_on == FailOn::any) return status == Status::pass;
  return status == Status::pass || status == Status::warn;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 408:
      return "Request Timeout";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    default:
      return "OK";
  }
}

struct Answer {
  int status = 200;
  std::string_view content_type;
  std::string body;
  bool head = false;
  bool close = false;
};

std::string render(const Answer& answer) {
  std::string text = "HTTP/1.1 " + std::to_string(answer.status) + " ";
  text += reason_phrase(answer.status);
  text += "\r\nContent-Type: ";
  text += answer.content_type;
  text += "\r\nCache-Control: no-store\r\nContent-Length: " + std::to_string(answer.body.size());
  if (answer.status == 503) text += "\r\nRetry-After: 5";
  text += answer.close ? "\r\nConnection: close" : "\r\nConnection: keep-alive";
  text += "\r\n\r\n";
  if (!answer.head) text += answer.body;
  return text;
}

}  // namespace

std::optional<Question> question_of(const RequestFrame& frame) {
  if (frame.method != Method::get && frame.method != Method::head) return std::nullopt;
  const auto mark = std::min(frame.target.find('?'), frame.target.size());
  const auto path = frame.target.substr(0, mark);
  const auto* const found = std::find_if(paths.begin(), paths.end(),
                                         [&](const auto& entry) { return entry.first == path; });
  if (found == paths.end()) return std::nullopt;
  Question question;
  question.view = found->second;
  question.fail_on = fail_on_of(frame.target.substr(std::min(mark + 1, frame.target.size())));
  question.head = frame.method == Method::head;
  question.close = frame.last || frame.body != Body::none;
  return question;
}

std::string answer_of(const Question& question, const Facts& facts) {
  const Status status = status_of(question.view, facts.verdicts);
  std::string body = "{\n  \"status\": \"";
  body += to_label(status);
  body += "\",\n  \"uptime_seconds\": " + std::to_string(facts.uptime_seconds);
  body += ",\n  \"connections\": " + std::to_string(facts.connections) + "\n}\n";
  return render({is_ok(question, status) ? 200 : 503, "application/health+json", std::move(body),
                 question.head, question.close});
}

std::string refusal(int status, std::string_view why) {
  return render({status, "text/plain; charset=utf-8", std::string(why) + "\n", false, true});
}

}  // namespace vitals::front
