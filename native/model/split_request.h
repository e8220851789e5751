// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <mutex>
#include <vector>

#include "base/ref.h"
#include "core/infer_request.h"
#include "model/splitter.h"

namespace serving::model {

// One request that was split: where its parts' answers come together.
//
// Threads: any; its lock is held over no call out. Kept alive by the sinks of its parts, and so by
// the parts themselves, whose tensors are views into the request it owns.
class SplitRequest final : public base::RefCounted {
 public:
  SplitRequest(Splitter& owner, core::RequestPtr whole) : owner_(owner), whole_(std::move(whole)) {}

  // The parts in order, each of at most `rows` rows. Once.
  std::vector<core::RequestPtr> MakeParts(int64_t rows);

  // The answer of part `index`. Returns the waker to ring after the answer of the whole, if this
  // was what it waited for.
  base::Waker* Take(size_t index, core::InferResponse* response);

  // Takes the parts that wait out of the queue, each of which answers `status`. False when none
  // does.
  bool RemoveQueued(const base::Status& status, metrics::FailureReason reason);

  const core::InferRequest& whole() const { return *whole_; }

 private:
  using Part = std::vector<core::OutputTensor>;

  // Which the caller has to do after the lock.
  enum class Next : uint8_t { kNothing, kAnswer, kFail };

  Next TakeLocked(size_t index, core::InferResponse& response);
  void AddTimesLocked(const core::StageTimes& times);
  base::Waker* Answer(base::Status status);
  // The outputs of all parts, one behind the other.
  base::Status Join(core::InferResponse& answer);
  base::Status JoinOutput(size_t output, core::OutputTensor& joined);

  Splitter& owner_;  // touched only while the whole is not answered: then it has a part pending
  const core::RequestPtr whole_;

  std::mutex mutex_;
  std::vector<base::Ref<core::ResponseSink>>
      sinks_;                 // empty once all parts have ended; guarded by mutex_
  std::vector<Part> parts_;   // guarded by mutex_ until the last has come
  size_t pending_ = 0;        // parts without an answer; guarded by mutex_
  bool is_answered_ = false;  // or about to be; guarded by mutex_
  Splitter::Ended ended_;     // guarded by mutex_ until the last has come
};

}  // namespace serving::model
