// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0
//
// The floor under shared memory: memcpy of the first half of a shared memory object to its second
// half, in a loop. An identity model that is given regions has to do at least this.
// Usage: copy-loop BYTES MILLISECONDS
// Prints one JSON line: {"copies": n, "cpuNs": n}.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "cpu_clock.h"

int main(int argc, char** argv) {
  const std::size_t bytes = argc == 3 ? std::strtoull(argv[1], nullptr, 10) : 0;
  if (bytes == 0) {
    std::fprintf(stderr, "usage: copy-loop BYTES MILLISECONDS\n");
    return 2;
  }
  const std::string name = "/nereid-bench-copy-" + std::to_string(getpid());
  const int object = shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
  shm_unlink(name.c_str());
  if (object < 0 || ftruncate(object, static_cast<off_t>(2 * bytes)) != 0) {
    std::perror("copy-loop: shared memory");
    return 1;
  }
  void* const mapped = mmap(nullptr, 2 * bytes, PROT_READ | PROT_WRITE, MAP_SHARED, object, 0);
  if (mapped == MAP_FAILED) {
    std::perror("copy-loop: mmap");
    return 1;
  }
  char* const from = static_cast<char*>(mapped);
  std::memset(from, 1, 2 * bytes);
  const std::int64_t budget_ns = std::atoll(argv[2]) * 1'000'000LL;
  const std::int64_t start = CpuNs();
  std::int64_t copies = 0;
  while (CpuNs() - start < budget_ns) {
    std::memcpy(from + bytes, from, bytes);
    asm volatile("" : : "r"(from) : "memory");  // each copy counts
    ++copies;
  }
  std::printf("{\"copies\": %lld, \"cpuNs\": %lld}\n", static_cast<long long>(copies),
              static_cast<long long>(CpuNs() - start));
  return 0;
}
