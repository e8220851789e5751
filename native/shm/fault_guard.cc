// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "shm/fault_guard.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <utility>

namespace serving::shm {
namespace {

// A slot is watched while `end` is not 0. `begin` is written before `end`, and `end` is taken back
// before the slot is used again, so the handler sees a pair that belongs together when `end` is the
// same before and after it.
struct Slot {
  std::atomic<bool> is_taken{false};
  std::atomic<bool> is_broken{false};
  std::atomic<uintptr_t> begin{0};
  std::atomic<uintptr_t> end{0};
};
static_assert(std::atomic<uintptr_t>::is_always_lock_free);

// What a signal handler may look at: nothing that is constructed at run time or can be freed.
constinit std::array<Slot, FaultGuard::kMaxMappings> g_slots;
uintptr_t g_page_bytes = 0;
struct sigaction g_previous;

// Through the bare system call: sanitizers put their own, which lock, in the place of mmap.
bool MapZeros(uintptr_t begin, uintptr_t end) {
  const long mapped =
      syscall(SYS_mmap, begin, end - begin, PROT_READ | PROT_WRITE,
              MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, static_cast<long>(0));
  return mapped != -1;
}

bool Repair(uintptr_t address) {
  for (Slot& slot : g_slots) {
    const uintptr_t end = slot.end.load(std::memory_order_acquire);
    const uintptr_t begin = slot.begin.load(std::memory_order_acquire);
    if (address < begin || address >= end) continue;
    if (slot.end.load(std::memory_order_acquire) != end) continue;
    slot.is_broken.store(true, std::memory_order_release);  // before anybody can read a zero
    return MapZeros(address & ~(g_page_bytes - 1), end);
  }
  return false;
}

void OnBusError(int signal, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  // Not positive: sent by a process, so the address means nothing.
  const bool repaired = info->si_code > 0 && Repair(reinterpret_cast<uintptr_t>(info->si_addr));
  errno = saved_errno;
  if (repaired) return;
  if ((g_previous.sa_flags & SA_SIGINFO) != 0) {
    g_previous.sa_sigaction(signal, info, context);
  } else if (g_previous.sa_handler != SIG_DFL && g_previous.sa_handler != SIG_IGN) {
    g_previous.sa_handler(signal);
  } else if (g_previous.sa_handler == SIG_DFL || info->si_code > 0) {
    // The default, so that the instruction faults again and ends the process with a core dump. A
    // signal that was sent does not come again by itself.
    ::signal(signal, SIG_DFL);
    if (info->si_code <= 0) raise(signal);
  }
}

void Install() {
  g_page_bytes = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  sigaction(SIGBUS, nullptr, &g_previous);
  struct sigaction action{};
  action.sa_sigaction = OnBusError;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, nullptr);
}

}  // namespace

std::optional<FaultGuard> FaultGuard::Make(std::byte* begin, size_t size) {
  static std::once_flag installed;
  std::call_once(installed, Install);
  for (size_t i = 0; i < g_slots.size(); ++i) {
    Slot& slot = g_slots[i];
    if (slot.is_taken.exchange(true, std::memory_order_acq_rel)) continue;
    const auto address = reinterpret_cast<uintptr_t>(begin);
    slot.is_broken.store(false, std::memory_order_relaxed);
    slot.begin.store(address, std::memory_order_release);
    slot.end.store((address + size + g_page_bytes - 1) & ~(g_page_bytes - 1),
                   std::memory_order_release);
    return FaultGuard(static_cast<int>(i));
  }
  return std::nullopt;
}

FaultGuard::FaultGuard(FaultGuard&& other) noexcept : slot_(std::exchange(other.slot_, -1)) {}

FaultGuard::~FaultGuard() {
  if (slot_ < 0) return;
  Slot& slot = g_slots[static_cast<size_t>(slot_)];
  slot.end.store(0, std::memory_order_release);
  slot.is_taken.store(false, std::memory_order_release);
}

bool FaultGuard::is_broken() const {
  return g_slots[static_cast<size_t>(slot_)].is_broken.load(std::memory_order_acquire);
}

}  // namespace serving::shm
