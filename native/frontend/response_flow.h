// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>

#include "base/ref.h"
#include "base/waker.h"
#include "core/infer_response.h"

namespace serving::frontend {

// What one streaming call has on its way: responses that a backend has handed over and the socket
// has not taken yet. A producer that is ahead of its reader waits here.
//
// Responses that are not final are let in while no more than the limits would be on their way, or
// nothing is. A final one never waits: it may come from a thread that serves others, and no more of
// them can come than the call has requests.
//
// Threads: Enter and AwaitRoom on any; the rest on the call's I/O thread.
class ResponseFlow final : public base::RefCounted {
 public:
  static constexpr size_t kMaxBytes = 1 << 20;

  // JSON needs at most so many bytes for one of a tensor (`false,` for a BOOL).
  static constexpr size_t kJsonExpansion = 6;

  // `max_responses`: SIZE_MAX = any number. `expansion`: bytes that one of a tensor may become when
  // it is written.
  explicit ResponseFlow(size_t max_responses, size_t expansion = 1)
      : max_responses_(max_responses), expansion_(expansion) {}

  // What a response counts for until it is written: its tensors and what goes with them.
  size_t SizeOf(const core::InferResponse& response) const;

  // Counts a response of `bytes`. With `may_wait` only once there is room, or after Close;
  // `waker` is rung before the wait, so that what was handed over before is taken.
  void Enter(size_t bytes, bool may_wait, base::Waker& waker);
  // Waits as one that enters does, without entering.
  void AwaitRoom(base::Waker& waker);

  // A response that entered with `bytes` was written as `written` bytes, 0 if nobody is to see it;
  // net now holds `unsent` bytes of the call.
  void Pass(size_t bytes, size_t written, size_t unsent);
  // Net holds `unsent` bytes now.
  void Settle(size_t unsent);
  // Nobody reads any more: nothing waits from now on.
  void Close();

  // No further request should be read.
  bool is_full() const;
  // Producers that wait now.
  size_t waiting() const;
  size_t bytes_on_their_way() const;

 private:
  // Ending in Locked: need mutex_.
  bool HasRoomLocked(size_t bytes) const;
  void AwaitRoomLocked(std::unique_lock<std::mutex>& lock, size_t bytes, base::Waker& waker);
  size_t BytesLocked() const { return queued_bytes_ + unsent_bytes_; }
  size_t ResponsesLocked() const { return queued_responses_ + written_.size(); }
  void SettleLocked(size_t unsent);
  void OpenLocked();

  const size_t max_responses_;
  const size_t expansion_;
  mutable std::mutex mutex_;
  std::condition_variable room_;
  size_t queued_bytes_ = 0;      // entered and not written; guarded by mutex_
  size_t queued_responses_ = 0;  // guarded by mutex_
  size_t unsent_bytes_ = 0;      // in net when last looked; guarded by mutex_
  uint64_t written_bytes_ = 0;   // ever; guarded by mutex_
  // Where the written responses end that net has not sent, as positions in written_bytes_; kept
  // only where their number is limited; guarded by mutex_.
  std::deque<uint64_t> written_;
  size_t waiting_ = 0;      // guarded by mutex_
  uint64_t openings_ = 0;   // times that waiting producers were told to look; guarded by mutex_
  bool is_closed_ = false;  // guarded by mutex_
};

}  // namespace serving::frontend
