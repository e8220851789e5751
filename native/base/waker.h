// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "base/ref.h"

namespace serving::base {

// Tells somebody that there is work.
class Waker : public RefCounted {
 public:
  virtual void Wake() = 0;
};

// Wakes the thread that waits on `fd()` (an eventfd). Wake is callable from any thread, also after
// the waiting thread has ended, since holders share it.
class EventWaker final : public Waker {
 public:
  EventWaker();
  ~EventWaker() override;

  int fd() const { return fd_; }
  void Wake() override;
  // Consumes pending wakes; the waiting thread calls it before it looks at its queues.
  void Clear();

 private:
  int fd_;
};

}  // namespace serving::base
