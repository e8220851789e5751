// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "trace/record_queue.h"

#include <utility>

namespace serving::trace {

void RecordQueue::Push(std::unique_ptr<Record> record) {
  const size_t bytes = record->ByteSize();
  std::lock_guard lock(mutex_);
  if (bytes > kMaxBytes - bytes_) {
    ++dropped_;
    return;
  }
  bytes_ += bytes;
  records_.push_back(std::move(record));
}

std::vector<std::unique_ptr<Record>> RecordQueue::TakeAll() {
  std::lock_guard lock(mutex_);
  bytes_ = 0;
  return std::exchange(records_, {});
}

uint64_t RecordQueue::dropped() const {
  std::lock_guard lock(mutex_);
  return dropped_;
}

}  // namespace serving::trace
