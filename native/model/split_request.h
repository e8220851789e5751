// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <deque>
#include <mutex>
#include <vector>

#include "base/ref.h"
#include "core/infer_request.h"
#include "core/request_chain.h"
#include "model/splitter.h"

namespace serving::model {

// One request that was split: where its parts' answers come together.
//
// Threads: any; its lock is held over no call out. Kept alive by the sinks of its parts, and so by
// the parts themselves, whose tensors are views into the request it owns. It lets go of those that
// have not gone in with its answer, and of the sinks once all parts have ended.
class SplitRequest final : public base::RefCounted {
 public:
  SplitRequest(Splitter& owner, core::RequestPtr whole) : owner_(owner), whole_(std::move(whole)) {}

  // Makes the parts in order, each of at most `rows` rows, and returns those that go in at once.
  core::RequestChain MakeParts(int64_t rows);

  // The answer of part `index`, which brings the next in. Returns the waker to ring after the
  // answer of the whole, if this was what it waited for.
  base::Waker* Take(size_t index, core::InferResponse* response);

  // Answers `status` if a part waits, and runs none of those. False when none does.
  bool RemoveQueued(const base::Status& status, metrics::FailureReason reason);

  const core::InferRequest& whole() const { return *whole_; }

 private:
  using Part = std::vector<core::OutputTensor>;

  // Which the caller has to do after the lock.
  enum class Next : uint8_t { kNothing, kAnswer, kFail };
  using Requests = std::deque<core::RequestPtr>;

  Next TakeLocked(size_t index, core::InferResponse& response);
  // Those that go in now.
  core::RequestChain NextLocked();
  // Those that never will.
  Requests DropLocked();
  void Enter(core::RequestChain parts);
  bool RemoveFromModel(const base::Status& status, metrics::FailureReason reason);
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
  Requests waiting_;          // parts that have not gone in; guarded by mutex_
  std::vector<Part> parts_;   // guarded by mutex_ until the last has come
  size_t pending_ = 0;        // parts without an answer; guarded by mutex_
  bool is_answered_ = false;  // or about to be; guarded by mutex_
  Splitter::Ended ended_;     // guarded by mutex_ until the last has come
};

}  // namespace serving::model
