// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>
#include <cstdint>

#include "base/buffer.h"
#include "base/ref.h"
#include "base/waker.h"
#include "core/infer_response.h"

namespace serving::core {

// Where the answers to one request go: any number of responses, exactly one of them final. Its own
// object: it may outlive the request, and every function may be called from any thread (one
// producer at a time).
//
// Owns: nothing of the request. Responses belong to the sink's pool; output memory comes from its
// allocator.
class ResponseSink : public base::RefCounted {
 public:
  // An empty response to fill. Comes from the sink's pool where it has one.
  virtual InferResponse* NewResponse() = 0;

  // Host memory for output `slot` of this request (shared memory regions, pinned buffers, the
  // pool); null when the memory budget is full. Backends that bring their own buffers do not call
  // it.
  virtual base::BufferRef AllocateOutput(uint32_t slot, size_t bytes) = 0;

  // Takes `response` over. The one with `is_final` set ends the request; nothing may be sent after
  // it. Returns the waker to ring so that the receiving thread looks at it, or null when no wake is
  // needed: a producer that answers a whole batch rings each different waker once at the end.
  //
  // A response that is not final waits here while the reader is far behind, so never send one on a
  // thread that others depend on (or clear its `may_wait`), and ring for it at once, on this
  // thread.
  [[nodiscard]] virtual base::Waker* Send(InferResponse* response) = 0;

  // Waits while the reader is far behind, for a producer whose responses others send on.
  virtual void AwaitRoom() {}

  // Nobody waits for the answer any more: the client left, or its deadline passed. Schedulers look
  // at it when they form a batch, backends may look at it at any time. The request still ends with
  // one final response.
  void Cancel() { cancelled_->store(true, std::memory_order_relaxed); }
  bool is_cancelled() const { return cancelled_->load(std::memory_order_relaxed); }

  // Where in a queue its request waits, so that the request is found without looking for it. A
  // hint: only the queue knows whether it is still true.
  void SetQueuePlace(uint32_t place) { queue_place_.store(place, std::memory_order_relaxed); }
  uint32_t queue_place() const { return queue_place_.load(std::memory_order_relaxed); }

 protected:
  void ResetCancel() { cancelled_->store(false, std::memory_order_relaxed); }
  // For a sink that stands before another, which it keeps alive: cancelling one cancels both.
  void ShareCancel(const ResponseSink& other) { cancelled_ = other.cancelled_; }

 private:
  std::atomic<bool> own_cancelled_{false};
  std::atomic<uint32_t> queue_place_{UINT32_MAX};
  std::atomic<bool>* cancelled_ = &own_cancelled_;
};

// Sends and rings at once; for single answers.
inline void SendNow(ResponseSink& sink, InferResponse* response) {
  if (base::Waker* waker = sink.Send(response)) waker->Wake();
}

// Answers `status` as the only and final response.
inline void SendError(ResponseSink& sink, base::Status status) {
  InferResponse* response = sink.NewResponse();
  response->status = std::move(status);
  response->is_final = true;
  SendNow(sink, response);
}

}  // namespace serving::core
