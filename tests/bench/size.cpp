// Size and linkage of the binary that ships.
#include <elf.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "tests/bench/bench.hpp"
#include "tests/bench/usage.hpp"
#include "tests/support/agent.hpp"

namespace vitals::bench {
namespace {

constexpr Goal size_goal{.most = 7.0, .unit = "MB", .decimals = 2};

struct Linkage {
  bool position_independent = false;
  bool needs_loader = false;
  bool stripped = true;
};

template <typename T>
T at(const std::string& bytes, std::size_t offset) {
  T value;
  if (offset + sizeof value > bytes.size()) throw std::runtime_error("not a whole ELF file");
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

Linkage linkage_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  if (!bytes.starts_with(ELFMAG)) throw std::runtime_error(path + " is no ELF file");
  const auto header = at<Elf64_Ehdr>(bytes, 0);
  Linkage linkage;
  linkage.position_independent = header.e_type == ET_DYN;
  for (std::size_t i = 0; i < header.e_phnum; ++i) {
    const auto segment = at<Elf64_Phdr>(bytes, header.e_phoff + i * header.e_phentsize);
    linkage.needs_loader |= segment.p_type == PT_INTERP;
  }
  for (std::size_t i = 0; i < header.e_shnum; ++i) {
    const auto section = at<Elf64_Shdr>(bytes, header.e_shoff + i * header.e_shentsize);
    linkage.stripped &= section.sh_type != SHT_SYMTAB;
  }
  return linkage;
}

}  // namespace

std::vector<Row> measure_size(Context&) {
  const auto path = test::vitals_binary();
  const auto size = static_cast<double>(std::filesystem::file_size(path));
  const auto linkage = linkage_of(path);
  const bool static_pie = linkage.position_independent && !linkage.needs_loader;
  return {at_most("size of the binary", size_goal, size / megabyte, "",
                  linkage.stripped ? "stripped" : "not stripped"),
          {.name = "static PIE",
           .goal = "yes",
           .measured = static_pie ? "yes" : "no",
           .met = static_pie}};
}

}  // namespace vitals::bench
