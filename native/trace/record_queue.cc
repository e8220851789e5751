// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "trace/record_queue.h"

#include <algorithm>
#include <utility>

namespace serving::trace {

void RecordQueue::Push(std::unique_ptr<Record> record) {
  std::lock_guard lock(mutex_);
  PushLocked(std::move(record));
}

void RecordQueue::Push(std::unique_ptr<Record> record, StepRecords::Taken steps) {
  steps.records.push_back(std::move(record));
  std::ranges::sort(steps.records, [](const auto& a, const auto& b) { return a->id > b->id; });
  std::lock_guard lock(mutex_);
  dropped_ += steps.dropped;
  for (auto& one : steps.records) PushLocked(std::move(one));
}

void RecordQueue::PushLocked(std::unique_ptr<Record> record) {
  const size_t bytes = record->ByteSize();
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
