// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/ref.h"
#include "core/infer_request.h"
#include "core/response_sink.h"
#include "metrics/model_statistics.h"
#include "model/sequence_tensors.h"
#include "scheduler/sequences.h"

namespace serving::model {

class SequenceModel;

// What the instances of a model of sequences answer to. Reused.
class RowSink : public core::ResponseSink {
 public:
  RowSink(SequenceModel& owner, bool is_empty) : is_empty(is_empty), owner_(owner) {}

  const bool is_empty;  // an EmptyRow, else a SequenceStep
  uint32_t instance = 0;
  RowSink* next = nullptr;  // in the owner's pool

 protected:
  // Begins with one reference, which keeps the owner.
  void Open(uint32_t of_instance);
  void Dispose() override;

  SequenceModel& owner_;

 private:
  base::Ref<SequenceModel> owner_alive_;  // while it is open
};

// A request of a sequence on its way through an instance: stands before the sink of its client,
// keeps the states that come with the answers and tells the model when the last one is there.
class SequenceStep final : public RowSink {
 public:
  explicit SequenceStep(SequenceModel& owner) : RowSink(owner, false) {}

  // The request is answered here from now on.
  void Open(core::InferRequest& request, uint32_t of_instance, scheduler::SequenceIndex of_sequence,
            SequenceMemory& of_memory);
  // The request has its client again, as if it had just come; its sequence goes on.
  void Close(core::InferRequest& request);

  core::InferResponse* NewResponse() override { return client_->NewResponse(); }
  base::BufferRef AllocateOutput(uint32_t slot, size_t bytes) override;
  base::Waker* Send(core::InferResponse* response) override;
  void AwaitRoom() override { client_->AwaitRoom(); }

  const core::ResponseSink* client() const { return asker_; }

  scheduler::SequenceIndex sequence = scheduler::kNoSequence;
  SequenceMemory* memory = nullptr;
  AddedTensors added;
  base::Instant received;
  base::Instant queued;
  base::Instant started;
  // Of a request that is taken out of its instance's queue; guarded by the model's lock.
  metrics::FailureReason removed_for = metrics::FailureReason::kBackend;

 private:
  void Dispose() override;

  base::Ref<core::ResponseSink> client_;
  const core::ResponseSink* asker_ = nullptr;  // as the model's caller knows it
  base::Instant deadline_;
};

// A row of a direct batch that belongs to no request. Nobody reads its answer.
class EmptyRow final : public RowSink, public core::RequestHome {
 public:
  explicit EmptyRow(SequenceModel& owner) : RowSink(owner, true) {}

  // An empty request to fill.
  core::RequestPtr Open(uint32_t of_instance);

  core::InferResponse* NewResponse() override { return &response_; }
  base::BufferRef AllocateOutput(uint32_t slot, size_t bytes) override;
  base::Waker* Send(core::InferResponse* response) override;
  void Recycle(core::InferRequest* request) override;

 private:
  core::InferRequest request_;
  core::InferResponse response_;
};

}  // namespace serving::model
