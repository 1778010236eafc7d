// Finds, loads and shares CA bundles.
#include "probes/trust_store.hpp"

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <system_error>
#include <vector>

namespace vitals::tls {
namespace {

constexpr std::size_t bundle_bytes_max = 16 << 20;
/// Distinct bundles kept; the one unused for longest goes first.
constexpr std::size_t stores_max = 16;

/// Where distributions put their bundle: Debian and Alpine, Fedora, openSUSE, older Fedora, RHEL,
/// BSD and Alpine.
constexpr std::array bundle_places{"/etc/ssl/certs/ca-certificates.crt",
                                   "/etc/pki/tls/certs/ca-bundle.crt",
                                   "/etc/ssl/ca-bundle.pem",
                                   "/etc/pki/tls/cacert.pem",
                                   "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
                                   "/etc/ssl/cert.pem"};

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};

TrustStore new_store() {
  TrustStore store(X509_STORE_new(), &X509_STORE_free);
  VITALS_ASSERT(store != nullptr);
  return store;
}

net::Failure cannot(const std::string& path, const std::string& why) {
  return {Reason::internal, "CA file " + path + ": " + why + "; set ca_file to a PEM bundle"};
}

Result<std::string, net::Failure> read_bundle(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return cannot(path, std::generic_category().message(errno));
  std::string content;
  std::array<char, 16'384> block{};
  while (true) {
    const auto count = ::read(file.get(), block.data(), block.size());
    if (count < 0) return cannot(path, std::generic_category().message(errno));
    if (count == 0) return content;
    content.append(block.data(), static_cast<std::size_t>(count));
    if (content.size() > bundle_bytes_max) return cannot(path, "larger than 16 MiB");
  }
}

/// Certificates that don't parse are skipped: a bundle with one odd entry is still a bundle.
net::NetResult<TrustStore> load(const std::string& path) {
  const auto content = read_bundle(path);
  if (!content) return content.error();
  const auto& text = content.value();
  const std::unique_ptr<BIO, FreeBio> source(
      BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  VITALS_ASSERT(source != nullptr);
  auto store = new_store();
  std::size_t count = 0;
  while (BIO_pending(source.get()) > 0) {
    const auto before = BIO_pending(source.get());
    const std::unique_ptr<X509, FreeCertificate> certificate(
        PEM_read_bio_X509_AUX(source.get(), nullptr, nullptr, nullptr));
    if (certificate && X509_STORE_add_cert(store.get(), certificate.get()) == 1) ++count;
    if (!certificate && BIO_pending(source.get()) >= before) break;
  }
  ERR_clear_error();
  if (count == 0) return cannot(path, "no certificate in it");
  return store;
}

/// The stores in use. Guarded by its mutex, also while one loads: a thousand checks that start
/// together load a bundle once.
class Stores {
 public:
  net::NetResult<TrustStore> get(const std::string& path) {
    const std::lock_guard lock(mutex_);
    const auto stamp = file_stamp(path);
    const auto known = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const Entry& entry) { return entry.path == path; });
    if (known != entries_.end() && known->stamp == stamp && !stamp.empty()) {
      std::rotate(entries_.begin(), known, known + 1);
      return entries_.front().store;
    }
    auto loaded = load(path);
    if (known != entries_.end()) entries_.erase(known);
    if (!loaded) return loaded;
    entries_.insert(entries_.begin(), Entry{path, stamp, loaded.value()});
    if (entries_.size() > stores_max) entries_.pop_back();
    return loaded;
  }

  /// A folder of hashed names: OpenSSL reads what it needs when it needs it, so one object serves
  /// for as long as the variable says the same.
  net::NetResult<TrustStore> folders(const std::string& list) {
    const std::lock_guard lock(mutex_);
    if (folders_ != nullptr && folders_list_ == list) return folders_;
    auto store = new_store();
    std::size_t begin = 0;
    while (begin <= list.size()) {
      const auto end = std::min(list.find(':', begin), list.size());
      if (end > begin) X509_STORE_load_path(store.get(), list.substr(begin, end - begin).c_str());
      begin = end + 1;
    }
    ERR_clear_error();
    folders_ = std::move(store);
    folders_list_ = list;
    return folders_;
  }

 private:
  struct Entry {
    std::string path;
    std::string stamp;
    TrustStore store;
  };
  std::mutex mutex_;
  std::vector<Entry> entries_;  // used last first
  TrustStore folders_;
  std::string folders_list_;
};

Stores& stores() {
  static Stores all;
  return all;
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

}  // namespace

std::string file_stamp(const std::string& path) {
  struct stat facts {};
  if (path.empty() || stat(path.c_str(), &facts) != 0) return {};
  return std::to_string(facts.st_dev) + ":" + std::to_string(facts.st_ino) + ":" +
         std::to_string(facts.st_size) + ":" + std::to_string(facts.st_mtim.tv_sec) + "." +
         std::to_string(facts.st_mtim.tv_nsec);
}

std::string system_bundle() {
  for (const char* place : bundle_places) {
    if (access(place, R_OK) == 0) return place;
  }
  return {};
}

net::NetResult<TrustStore> trust_store(const std::string& ca_file) {
  if (!ca_file.empty()) return stores().get(ca_file);
  if (const auto file = variable("SSL_CERT_FILE"); !file.empty()) return stores().get(file);
  if (const auto folder = variable("SSL_CERT_DIR"); !folder.empty())
    return stores().folders(folder);
  if (const auto bundle = system_bundle(); !bundle.empty()) return stores().get(bundle);
  return net::Failure{Reason::internal,
                      "no CA bundle found: install ca-certificates or set ca_file"};
}

}  // namespace vitals::tls
