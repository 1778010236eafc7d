// Stands before glibc's allocator, which does the work, and counts. The sanitizers have allocators
// of their own: nothing is counted there.
#include "tests/bench/allocations.hpp"

#include <atomic>
#include <cstddef>

namespace {

std::atomic<std::uint64_t>& counter() {
  static constinit std::atomic<std::uint64_t> count{0};
  return count;
}

}  // namespace

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// glibc's names for programs that stand before its allocator. `free` needs no replacement: what it
// is given comes from glibc.
extern "C" {
void* __libc_malloc(std::size_t size);                     // NOLINT(bugprone-reserved-identifier)
void* __libc_calloc(std::size_t count, std::size_t size);  // NOLINT(bugprone-reserved-identifier)
void* __libc_realloc(void* memory, std::size_t size);      // NOLINT(bugprone-reserved-identifier)

void* malloc(std::size_t size) {
  counter().fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  counter().fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, size);
}
void* realloc(void* memory, std::size_t size) {
  counter().fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(memory, size);
}
}
#endif

namespace vitals::bench {

std::uint64_t allocations() { return counter().load(std::memory_order_relaxed); }

}  // namespace vitals::bench
