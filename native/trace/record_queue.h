// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "trace/record.h"
#include "trace/step_records.h"

namespace serving::trace {

// Finished records on their way to whoever writes them. Bounded: what does not fit is dropped and
// counted.
//
// Threads: any.
class RecordQueue {
 public:
  static constexpr size_t kMaxBytes = 64 << 20;

  void Push(std::unique_ptr<Record> record);
  // A request to an ensemble with its steps: together, the youngest first, as Triton writes them.
  void Push(std::unique_ptr<Record> record, StepRecords::Taken steps);
  // Everything so far, oldest first.
  std::vector<std::unique_ptr<Record>> TakeAll();
  uint64_t dropped() const;

 private:
  void PushLocked(std::unique_ptr<Record> record);

  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Record>> records_;  // guarded by mutex_
  size_t bytes_ = 0;                              // guarded by mutex_
  uint64_t dropped_ = 0;                          // guarded by mutex_
};

}  // namespace serving::trace
