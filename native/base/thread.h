// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <functional>
#include <string>
#include <thread>

namespace serving::base {

// A named thread that blocks all signals (the main thread takes them) and is joined by its owner or
// destructor.
class Thread {
 public:
  Thread() = default;
  // `name` shows in top and perf, at most 15 characters. Throws std::system_error when the system
  // has no thread left.
  Thread(const std::string& name, std::function<void()> body);
  Thread(Thread&&) = default;
  Thread& operator=(Thread&&) = default;
  ~Thread() { Join(); }

  void Join();

 private:
  std::thread thread_;
};

// CPUs this process may use: affinity mask, then the cgroup's quota rounded up. At least 1.
int AllowedCpus();

}  // namespace serving::base
