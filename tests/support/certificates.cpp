// Drives the openssl command: `openssl ca` because it is the one that takes any dates.
#include "tests/support/certificates.hpp"

#include <chrono>
#include <ctime>
#include <stdexcept>

namespace vitals::test {
namespace {

void openssl(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "openssl");
  const auto finished = run({.argv = std::move(arguments)});
  if (finished.code != 0) throw std::runtime_error("openssl: " + finished.output);
}

std::string date(std::chrono::seconds from_now) {
  const std::time_t moment = std::time(nullptr) + static_cast<std::time_t>(from_now.count());
  std::tm utc{};
  gmtime_r(&moment, &utc);
  char text[32];
  const auto length = std::strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &utc);
  return {text, length};
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ",") + name;
  return text;
}

}  // namespace

Authority::Authority(const std::string& name)
    : root_{folder_.path() / "ca.pem", folder_.path() / "ca.key"} {
  folder_.write("index.txt", "");
  const Wanted wanted{.name = name, .names = {}, .ends_in = std::chrono::hours(24 * 3650)};
  sign(wanted, root_, "authority");
}

Certificate Authority::issue(const Wanted& wanted) {
  const auto stem = "leaf" + std::to_string(++issued_);
  Certificate files{folder_.path() / (stem + ".pem"), folder_.path() / (stem + ".key")};
  sign(wanted, files, "leaf");
  return files;
}

Certificate Authority::self_signed(const Wanted& wanted) {
  const auto stem = "self" + std::to_string(++issued_);
  Certificate files{folder_.path() / (stem + ".pem"), folder_.path() / (stem + ".key")};
  sign(wanted, files, "self");
  return files;
}

void Authority::sign(const Wanted& wanted, const Certificate& files, const std::string& how) {
  const auto folder = folder_.path().string();
  const bool own_key = how != "leaf";
  std::string config = "[ca]\ndefault_ca = here\n[here]\ndatabase = " + folder +
                       "/index.txt\nnew_certs_dir = " + folder +
                       "\nrand_serial = yes\nunique_subject = no\ndefault_md = sha256\n"
                       "policy = any\n[any]\ncommonName = supplied\n"
                       "[req]\ndistinguished_name = any\n"
                       "[authority]\nbasicConstraints = critical,CA:TRUE\n"
                       "keyUsage = critical,keyCertSign,cRLSign\nsubjectKeyIdentifier = hash\n"
                       "[leaf]\nbasicConstraints = CA:FALSE\nkeyUsage = digitalSignature\n"
                       "extendedKeyUsage = serverAuth,clientAuth\n";
  if (!wanted.names.empty()) config += "subjectAltName = " + joined(wanted.names) + "\n";
  const auto config_file = folder_.write("openssl.cnf", config).string();
  const auto request = (folder_.path() / "request.pem").string();

  openssl({"req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
           "-config", config_file, "-subj", "/CN=" + wanted.name, "-keyout", files.key.string(),
           "-out", request});
  std::vector<std::string> command{"ca",
                                   "-batch",
                                   "-notext",
                                   "-config",
                                   config_file,
                                   "-extensions",
                                   how == "authority" ? "authority" : "leaf",
                                   "-startdate",
                                   date(wanted.begins_in),
                                   "-enddate",
                                   date(wanted.ends_in),
                                   "-in",
                                   request,
                                   "-out",
                                   files.certificate.string()};
  if (own_key) {
    command.insert(command.end(), {"-selfsign", "-keyfile", files.key.string()});
  } else {
    command.insert(command.end(),
                   {"-cert", root_.certificate.string(), "-keyfile", root_.key.string()});
  }
  openssl(std::move(command));
}

}  // namespace vitals::test
