// Kind disk: how full the file system of a path is, in bytes and in inodes.
#include "probes/disk_probe.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include <vitals/kind.hpp>

#include "probes/kernel_files.hpp"
#include "probes/quantities.hpp"

namespace vitals {
namespace {

constexpr std::size_t mountinfo_max = 1024 * 1024;

const std::array<SettingSpec, 3> own_settings{{
    {.name = "path", .doc = "any path on the file system", .required = true},
    {.name = "warn",
     .type = SettingType::number,
     .fallback = "0.8",
     .doc = "share of bytes or inodes used from which on to warn"},
    {.name = "fail",
     .type = SettingType::number,
     .fallback = "0.95",
     .doc = "share of bytes or inodes used from which on to fail"},
}};

constexpr std::array<std::string_view, 1> mountpoint_label{"mountpoint"};
constexpr std::array<MetricSpec, 2> own_metrics{{
    {.name = "filesystem_avail_bytes",
     .help = "Bytes that programs without privileges can still write.",
     .labels = mountpoint_label,
     .owner_label = ""},
    {.name = "filesystem_size_bytes",
     .help = "Size of the file system.",
     .labels = mountpoint_label,
     .owner_label = ""},
}};

/// As df(1) counts: what only root may use counts neither as used nor as available.
double used_share(double total, double free, double available) {
  const double used = total - free;
  return used + available > 0 ? used / (used + available) : 0;
}

/// "\040" is a blank (proc_pid_mountinfo(5)).
std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](std::size_t at) { return text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && i + 3 < text.size() && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                               (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool lies_below(std::string_view path, std::string_view folder) {
  if (folder == "/") return path.starts_with('/');
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

/// Mistakes of the setting, not answers of the disk.
bool is_our_fault(int error) {
  return error == ENOENT || error == ENOTDIR || error == EACCES || error == ELOOP ||
         error == ENAMETOOLONG;
}

class DiskProbe : public Probe {
 public:
  DiskProbe(DiskSettings settings, StatFilesystem stat_filesystem, std::string proc)
      : settings_(std::move(settings)),
        stat_filesystem_(std::move(stat_filesystem)),
        proc_(std::move(proc)) {}

  ProbeResult run(const Attempt&) override {
    struct statvfs facts {};
    const int error = stat_filesystem_(settings_.path.c_str(), facts);
    if (error != 0) return cannot_look(error);
    const auto block = static_cast<double>(facts.f_frsize);
    const double available = static_cast<double>(facts.f_bavail) * block;
    const double size = static_cast<double>(facts.f_blocks) * block;
    const double bytes = used_share(size, static_cast<double>(facts.f_bfree) * block, available);
    // Some file systems make inodes as they go, and say there are none.
    const double inodes =
        used_share(static_cast<double>(facts.f_files), static_cast<double>(facts.f_ffree),
                   static_cast<double>(facts.f_favail));
    const std::string mount = mount_point();
    auto result = judge(bytes, inodes, available, size, mount);
    result.observed = Observation{percent(std::max(bytes, inodes)), "percent", "utilization"};
    result.measurements.push_back({&own_metrics[0], {mount}, available});
    result.measurements.push_back({&own_metrics[1], {mount}, size});
    return result;
  }

 private:
  [[nodiscard]] ProbeResult cannot_look(int error) const {
    const std::string detail = settings_.path + ": " + std::strerror(error);
    if (!is_our_fault(error)) return failed(Reason::unreachable, detail);
    return internal_error(detail + "; is the volume mounted, and may the agent's user look?");
  }

  [[nodiscard]] ProbeResult judge(double bytes, double inodes, double available, double size,
                                  const std::string& mount) const {
    std::string detail = shown_percent(bytes) + " of " + shown_bytes(size) + " used, " +
                         shown_bytes(available) + " left on " + mount;
    const double worst = std::max(bytes, inodes);
    if (inodes > bytes && inodes >= settings_.warn) {
      detail = shown_percent(inodes) + " of the inodes used on " + mount;
    }
    if (worst >= settings_.fail) return failed(Reason::low_space, std::move(detail));
    if (worst >= settings_.warn) return warned(Reason::low_space, std::move(detail));
    return passed(std::move(detail));
  }

  /// The path itself where the mounts can't be read. realpath(3) looks at every part of the path on
  /// disk, so it is asked once: links in front of a volume do not move.
  std::string mount_point() {
    if (real_path_.empty()) {
      const std::unique_ptr<char, decltype(&std::free)> real(
          realpath(settings_.path.c_str(), nullptr), &std::free);
      real_path_ = real ? real.get() : settings_.path;
    }
    const auto mountinfo = read_kernel_file(proc_ + "/self/mountinfo", mountinfo_max);
    const std::string found = mountinfo ? mount_point_of(*mountinfo, real_path_) : "";
    return found.empty() ? real_path_ : found;
  }

  const DiskSettings settings_;
  const StatFilesystem stat_filesystem_;
  const std::string proc_;
  std::string real_path_;
};

MadeProbe make(Settings& settings) {
  DiskSettings read;
  read.path = settings.text("path");
  read.warn = settings.number("warn", {.min = 0, .max = 1});
  read.fail = settings.number("fail", {.min = 0, .max = 1});
  if (settings.has("path") && !read.path.starts_with('/')) {
    settings.complain("path", "not a path from the root; write /data");
  }
  complain_about_shares(settings, read.warn, read.fail);
  MadeProbe made;
  made.target = "file:" + read.path;
  made.on_loopback = true;
  made.probe = make_disk_probe(std::move(read), [](const char* path, struct statvfs& facts) {
    return statvfs(path, &facts) == 0 ? 0 : errno;
  });
  return made;
}

}  // namespace

std::string mount_point_of(std::string_view mountinfo, std::string_view path) {
  constexpr std::size_t mount_point = 4;
  std::string longest;
  for_each_line(mountinfo, [&](std::string_view line) {
    const auto words = words_of(line);
    if (words.size() <= mount_point) return;
    std::string candidate = unescaped(words[mount_point]);
    if (lies_below(path, candidate) && candidate.size() >= longest.size()) {
      longest = std::move(candidate);
    }
  });
  return longest;
}

std::unique_ptr<Probe> make_disk_probe(DiskSettings settings, StatFilesystem stat_filesystem,
                                       std::string proc) {
  return std::make_unique<DiskProbe>(std::move(settings), std::move(stat_filesystem),
                                     std::move(proc));
}

const KindSpec& disk_kind() {
  static const KindSpec kind{
      .name = "disk",
      .component_type = "system",
      .doc = "bytes and inodes in use on the file system of a path",
      .settings = own_settings,
      .metrics = own_metrics,
      .scope = ScopeRule::local,
      .impact = ImpactRule::degraded,
      .measurement = "utilization",
      .make = &make,
  };
  return kind;
}

}  // namespace vitals
