// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <string_view>

#include "base/check.h"

namespace serving::shm {

// A shared memory object of the test's own, as a client makes it; removed at the end.
class TestObject {
 public:
  explicit TestObject(size_t size, std::string_view contents = {})
      : key_("/nereid_test_" + std::to_string(getpid()) + "_" + std::to_string(next_++)),
        fd_(shm_open(key_.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600)) {
    Resize(size);
    Write(0, contents);
  }
  ~TestObject() {
    close(fd_);
    shm_unlink(key_.c_str());
  }
  TestObject(const TestObject&) = delete;
  TestObject& operator=(const TestObject&) = delete;

  const std::string& key() const { return key_; }
  void Resize(size_t size) {
    SERVING_CHECK(ftruncate(fd_, static_cast<off_t>(size)) == 0, "ftruncate failed");
  }
  void Write(size_t offset, std::string_view bytes) {
    const auto written = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    SERVING_CHECK(written == static_cast<ssize_t>(bytes.size()), "pwrite failed");
  }
  std::string Read(size_t offset, size_t size) const {
    std::string bytes(size, '\0');
    const auto read = pread(fd_, bytes.data(), size, static_cast<off_t>(offset));
    bytes.resize(read < 0 ? 0 : static_cast<size_t>(read));
    return bytes;
  }

 private:
  static inline std::atomic<int> next_{0};
  const std::string key_;
  const int fd_;
};

}  // namespace serving::shm
