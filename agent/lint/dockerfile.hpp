// What the last stage of a Dockerfile says about how the container starts. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitals::lint {

/// ENTRYPOINT or CMD.
struct DockerCommand {
  int line = 0;
  bool shell = false;              // written without brackets: /bin/sh -c runs it
  std::vector<std::string> words;  // of the shell form: split at blanks
};

struct DockerUser {
  int line = 0;
  std::string name;  // without the group
};

struct Dockerfile {
  std::optional<DockerCommand> entrypoint;
  std::optional<DockerCommand> command;
  std::optional<DockerUser> user;
};

/// `target` names the stage that is built; empty or unknown: the last one. What stages take over
/// from others in the same file is followed; a base image is not known.
[[nodiscard]] Dockerfile read_dockerfile(std::string_view text, std::string_view target);

/// Whether these words start this program: "vitals" or a path that ends so.
[[nodiscard]] bool starts_vitals(const std::vector<std::string>& words);

}  // namespace vitals::lint
