// A thread that no longer shares its root folder with the others (unshare(2), CLONE_FS).
#include "tests/support/resolver_jail.hpp"

#include <sched.h>
#include <unistd.h>

#include <stdexcept>
#include <thread>

namespace vitals::test {

ResolverJail::ResolverJail(const std::string& resolv_conf) {
  std::filesystem::create_directory(root_.path() / "etc");
  root_.write("etc/hosts", "127.0.0.1 localhost\n");
  root_.write("etc/resolv.conf", resolv_conf);
}

void ResolverJail::bring(const std::filesystem::path& file) const {
  const auto inside = root_.path() / file.relative_path();
  std::filesystem::create_directories(inside.parent_path());
  std::filesystem::copy_file(file, inside, std::filesystem::copy_options::overwrite_existing);
}

void ResolverJail::run(const std::function<void()>& body) const {
  bool inside = false;
  std::thread thread([&] {
    inside = unshare(CLONE_FS) == 0 && chroot(root_.path().c_str()) == 0 && chdir("/") == 0;
    if (inside) body();
  });
  thread.join();
  if (!inside) throw std::runtime_error("can't enter " + root_.path().string() + ": needs root");
}

}  // namespace vitals::test
