// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/sequence_step.h"

#include <utility>

#include "device/host_pool.h"
#include "model/counting_sink.h"
#include "model/sequence_model.h"

namespace serving::model {
namespace {

using std::chrono::steady_clock;

// A response of a backend that answers by itself has no times of its batch.
void CompleteTimes(core::StageTimes& times, base::Instant started, base::Instant now) {
  if (times.compute_start != base::Instant()) return;
  times.compute_start = times.input_end = started;
  times.infer_end = times.output_end = now;
}

}  // namespace

void RowSink::Open(uint32_t of_instance) {
  Revive();
  owner_alive_ = base::Ref<SequenceModel>::Share(&owner_);
  instance = of_instance;
}

void RowSink::Dispose() {
  const base::Ref<SequenceModel> owner = std::move(owner_alive_);
  owner_.Recycle(this);
}

void SequenceStep::Open(core::InferRequest& request, uint32_t of_instance,
                        scheduler::SequenceIndex of_sequence, SequenceMemory& of_memory) {
  RowSink::Open(of_instance);
  sequence = of_sequence;
  memory = &of_memory;
  received = request.times.received;
  queued = request.times.queued;
  started = steady_clock::now();
  removed_for = metrics::FailureReason::kBackend;
  deadline_ = request.deadline;
  asker_ = request.sink.get();
  // One that runs again is counted already.
  const bool is_first = request.sequence_start || !owner_.plan().sequence->is_iterative;
  if (const auto& counters = owner_.responses(); counters && is_first)
    CountingSink::Wrap(request, counters, started);
  client_ = std::move(request.sink);
  if (owner_.is_direct()) {
    // A row that is dropped would put the rows behind it into the wrong places.
    ResetCancel();
    request.deadline = base::kNever;
  } else {
    ShareCancel(*client_);
  }
  request.sink = base::Ref<SequenceStep>::Adopt(this);
}

void SequenceStep::Close(core::InferRequest& request) {
  request.sink = client_;
  request.deadline = deadline_;
  request.times.queued = queued;
  request.sequence_start = request.sequence_end = false;
}

void SequenceStep::Dispose() {
  client_.Reset();
  RowSink::Dispose();
}

base::BufferRef SequenceStep::AllocateOutput(uint32_t slot, size_t bytes) {
  if (slot < owner_.plan().outputs.size()) return client_->AllocateOutput(slot, bytes);
  return device::AllocateAlone(owner_.budget(), bytes);
}

base::Waker* SequenceStep::Send(core::InferResponse* response) {
  response->times.received = received;
  response->times.queued = queued;
  const bool has_run = owner_.plan().decoupled || response->times.compute_start != base::Instant();
  if (response->status.ok()) {
    base::Status kept = owner_.tensors().TakeStates(*response, added, *memory);
    if (!kept.ok()) {
      response->outputs.clear();
      response->status = std::move(kept);
    }
  }
  if (!response->is_final) return client_->Send(response);
  if (has_run) CompleteTimes(response->times, started, steady_clock::now());
  const base::Ref<core::ResponseSink> client = client_;
  SequenceModel::Launch launch;
  owner_.Finish(*this, *response, !response->status.ok() && !has_run, launch);
  // Before the next of the sequence may run.
  base::Waker* waker = client->Send(response);
  owner_.Start(launch, nullptr);
  return waker;
}

void EmptyRow::Recycle(core::InferRequest* request) {
  const base::Ref<core::ResponseSink> self = std::move(request->sink);
  request->Reset();
}

core::RequestPtr EmptyRow::Open(uint32_t of_instance) {
  RowSink::Open(of_instance);
  request_.sink = base::Ref<EmptyRow>::Adopt(this);
  request_.home = this;
  return core::RequestPtr(&request_);
}

base::BufferRef EmptyRow::AllocateOutput(uint32_t, size_t bytes) {
  return device::AllocateAlone(owner_.budget(), bytes);
}

base::Waker* EmptyRow::Send(core::InferResponse* response) {
  const bool is_final = response->is_final;
  response->Reset();
  if (!is_final) return nullptr;
  SequenceModel::Launch launch;
  owner_.FinishRow(instance, launch);
  owner_.Start(launch, nullptr);
  return nullptr;
}

}  // namespace serving::model
