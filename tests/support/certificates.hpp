// Certificates made at test time by the openssl command: a private CA and whatever it is asked for.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/process.hpp"

namespace vitals::test {

/// PEM files.
struct Certificate {
  std::filesystem::path certificate;
  std::filesystem::path key;  // mode 0600
};

/// What a certificate says. EC P-256, usable as server and as client.
struct Wanted {
  std::string name = "localhost";  // common name
  /// subjectAltName entries: "DNS:example.test", "IP:127.0.0.1".
  std::vector<std::string> names{"DNS:localhost", "IP:127.0.0.1", "IP:::1"};
  /// Validity relative to now; end before begin + 1 s is a mistake.
  std::chrono::seconds begins_in = std::chrono::hours(-1);
  std::chrono::seconds ends_in = std::chrono::hours(24 * 365);
};

/// A certificate authority of its own in a temporary folder; all files go with it. Throws
/// std::runtime_error with openssl's output when something fails.
class Authority {
 public:
  explicit Authority(const std::string& name = "vitals test CA");

  /// The CA certificate, for `ca_file`.
  [[nodiscard]] const std::filesystem::path& ca_file() const { return root_.certificate; }
  /// A certificate signed by this CA.
  [[nodiscard]] Certificate issue(const Wanted& wanted = {});
  /// A certificate signed by itself: no authority stands behind it.
  [[nodiscard]] Certificate self_signed(const Wanted& wanted = {});
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_.path(); }

  // Those every TLS test needs.
  [[nodiscard]] Certificate valid() { return issue(); }
  [[nodiscard]] Certificate expired() {
    return issue({.begins_in = std::chrono::hours(-48), .ends_in = std::chrono::hours(-24)});
  }
  /// Nobody vouches for it, and its time is over.
  [[nodiscard]] Certificate expired_self_signed() {
    return self_signed({.begins_in = std::chrono::hours(-48), .ends_in = std::chrono::hours(-24)});
  }
  [[nodiscard]] Certificate expired_other_host() {
    return issue({.name = "other.test",
                  .names = {"DNS:other.test"},
                  .begins_in = std::chrono::hours(-48),
                  .ends_in = std::chrono::hours(-24)});
  }
  [[nodiscard]] Certificate not_yet_valid() {
    return issue({.begins_in = std::chrono::hours(24), .ends_in = std::chrono::hours(48)});
  }
  [[nodiscard]] Certificate other_host() {
    return issue({.name = "other.test", .names = {"DNS:other.test"}});
  }

 private:
  void sign(const Wanted& wanted, const Certificate& files, const std::string& how);

  TempDir folder_;
  Certificate root_;
  int issued_ = 0;
};

}  // namespace vitals::test
