// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "base/ref.h"

namespace serving::base {

// Wakes the thread that waits on `fd()` (an eventfd). Wake is callable from any thread, also after
// the waiting thread has ended, since holders share it.
class Waker final : public RefCounted {
 public:
  Waker();
  ~Waker() override;

  int fd() const { return fd_; }
  void Wake();
  // Consumes pending wakes; the waiting thread calls it before it looks at its queues.
  void Clear();

 private:
  int fd_;
};

}  // namespace serving::base
