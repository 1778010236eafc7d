// The probe of kind disk, with the kernel's answers as arguments: the seam of its tests.
#pragma once

#include <sys/statvfs.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <vitals/probe.hpp>

namespace vitals {

struct DiskSettings {
  std::string path;
  double warn = 0.8;
  double fail = 0.95;
};

/// statvfs(3): 0, or an errno. May block for as long as the file system hangs; the keeper speaks
/// for the check then.
using StatFilesystem = std::function<int(const char* path, struct statvfs& facts)>;

[[nodiscard]] std::unique_ptr<Probe> make_disk_probe(DiskSettings settings,
                                                     StatFilesystem stat_filesystem,
                                                     std::string proc = "/proc");

/// The mount that holds `path` (absolute, without links): the longest mount point in front of it in
/// a table as /proc/self/mountinfo (proc_pid_mountinfo(5)); "" when there is none. Pure.
[[nodiscard]] std::string mount_point_of(std::string_view mountinfo, std::string_view path);

}  // namespace vitals
