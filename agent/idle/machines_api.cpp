// Asks the Machines API to suspend or stop this Machine.
#include "agent/idle/machines_api.hpp"

#include <unistd.h>

#include <algorithm>
#include <string_view>

#include <vitals/text.hpp>

#include "agent/http_call.hpp"

namespace vitals::idle {
namespace {

constexpr std::size_t answer_max = 16 * 1024;

/// Of what Fly calls apps and Machines; nothing else belongs into the path.
bool is_plain(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

Error unreachable(const std::string& socket, const HttpCallFailure& failure) {
  if (access(socket.c_str(), F_OK) != 0) {
    return Error{"there is no socket " + socket +
                 ": this is no Fly Machine, or [autostop] api_socket names another path"};
  }
  if (access(socket.c_str(), R_OK | W_OK) != 0) {
    return Error{socket +
                 " is not for this user: only root may ask it; drop privileges with "
                 "[app] user instead of USER"};
  }
  return Error{socket + ": " + failure.detail};
}

}  // namespace

std::optional<Error> ask_machines_api(const std::string& socket, const MachineName& name,
                                      const std::string& verb, const Deadline& deadline) {
  if (!is_plain(name.app) || !is_plain(name.machine)) {
    return Error{"FLY_APP_NAME and FLY_MACHINE_ID do not name a Machine: this is none of Fly's"};
  }
  HttpCall call;
  call.method = "POST";
  call.url = "http://flaps/v1/apps/" + name.app + "/machines/" + name.machine + "/" + verb;
  call.unix_socket = socket;
  // Without a body it has no type; the library would call it a form.
  call.headers = {"Content-Type:"};
  call.body_max = answer_max;
  const auto answer = http_call(call, deadline);
  if (!answer) return unreachable(socket, answer.error());
  constexpr int good = 200;
  constexpr int not_good = 300;
  const int status = answer.value().status;
  if (status >= good && status < not_good) return std::nullopt;
  const std::string said = clean_text(answer.value().body);
  return Error{"the Machines API answers " + std::to_string(status) +
               (said.empty() ? "" : ": " + said)};
}

}  // namespace vitals::idle
