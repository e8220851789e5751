// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <optional>

namespace serving::shm {

// Keeps the process alive when somebody shortens a file that is mapped here: a look at a page that
// is gone raises SIGBUS. The handler puts zeros in the place of that page and all behind it, and
// marks the mapping as broken. A fault anywhere else goes to the handler that was there before
// (Node's, a sanitizer's) or ends the process, as without this one.
//
// Threads: any. The handler runs on the faulting thread and touches only atomics of a fixed table;
// it stays installed from the first guard on. A thread that looks at guarded memory must not block
// SIGBUS, or the kernel ends the process without asking.
class FaultGuard {
 public:
  // Guarded mappings at a time, those of requests under way included.
  static constexpr size_t kMaxMappings = 4096;

  // Guards the pages from `begin` (on a page border) until the end of this object; the mapping must
  // outlive it. Nothing when the table is full.
  static std::optional<FaultGuard> Make(std::byte* begin, size_t size);

  FaultGuard(FaultGuard&& other) noexcept;
  FaultGuard& operator=(FaultGuard&&) = delete;
  ~FaultGuard();

  // A page was gone.
  bool is_broken() const;

 private:
  explicit FaultGuard(int slot) : slot_(slot) {}

  int slot_;  // -1: moved away
};

}  // namespace serving::shm
