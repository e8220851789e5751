// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "base/waker.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "base/check.h"

namespace serving::base {

EventWaker::EventWaker() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  SERVING_CHECK(fd_ >= 0, "no file descriptor left for an eventfd");
}

EventWaker::~EventWaker() { close(fd_); }

void EventWaker::Wake() {
  const uint64_t one = 1;
  // A full counter (EAGAIN) means the thread is being woken already.
  [[maybe_unused]] const ssize_t written = write(fd_, &one, sizeof(one));
}

void EventWaker::Clear() {
  uint64_t count;
  [[maybe_unused]] const ssize_t got = read(fd_, &count, sizeof(count));
}

}  // namespace serving::base
