// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <utility>

#include "device/host_pool.h"
#include "ensemble/ensemble.h"
#include "ensemble/relay.h"
#include "ensemble/run.h"

namespace serving::ensemble {

// ---- Frame

Frame::Frame(const Graph& graph) : values_(graph.readers.size()) {
  for (uint32_t step = 0; step < graph.reads.size(); ++step) {
    steps_.push_back(std::make_unique<Step>(*this, step));
  }
}

void Frame::Open(Run& run, bool is_child) {
  Revive();
  run.AddRef();
  run_ = &run;
  is_child_ = is_child;
  if (is_child) run.OnChild();
  missing.clear();
  for (const auto& tensors : run.owner().graph().reads) {
    missing.push_back(static_cast<uint32_t>(tensors.size()));
  }
  const auto outputs = static_cast<uint32_t>(run.owner().plan().outputs.size());
  outputs_missing = 0;
  for (uint32_t slot = 0; slot < outputs; ++slot) outputs_missing += run.wants(slot) ? 1 : 0;
}

void Frame::LetGo(uint32_t tensor) {
  Value& value = values_[tensor];
  if (!value.owner || value.holders.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  value.owner.Reset();
  run_->DropBytes(value.view.size);
}

void Frame::Dispose() {
  for (Value& value : values_) {
    if (value.owner) run_->DropBytes(value.view.size);
    value.owner.Reset();
    value.state = Value::State::kMissing;
    value.input = nullptr;
    value.view = {};
  }
  Run* const run = std::exchange(run_, nullptr);
  if (is_child_) run->OnChildGone();
  run->owner().Recycle(this);
  run->Unref();
}

// ---- Step

core::RequestPtr Step::Open() {
  Revive();
  frame_.AddRef();  // for the answers
  frame_.AddRef();  // for the inputs
  ShareCancel(frame_.run().sink());
  request_.home = this;
  request_.sink = base::Ref<core::ResponseSink>::Adopt(this);
  return core::RequestPtr(&request_);
}

core::InferResponse* Step::NewResponse() {
  const bool is_taken = first_is_taken_.exchange(true, std::memory_order_acquire);
  core::InferResponse* response = is_taken ? new core::InferResponse : &first_;
  response->sink = this;
  return response;
}

void Step::Release(core::InferResponse* response) {
  if (response != &first_) {
    delete response;
    return;
  }
  response->Reset();
  first_is_taken_.store(false, std::memory_order_release);
}

base::BufferRef Step::AllocateOutput(uint32_t, size_t bytes) {
  return device::AllocateAlone(frame_.run().owner().budget(), bytes);
}

base::Waker* Step::Send(core::InferResponse* response) {
  const bool may_wait = response->may_wait && !response->is_final;
  frame_.run().OnResponse(*this, *response);
  Release(response);
  Relay& relay = Relay::OfThisThread();
  if (relay.is_draining()) return nullptr;
  if (!may_wait) return relay.empty() ? nullptr : &relay;
  relay.Wake();  // what it made must be on its way before it is waited for
  AwaitRoom();
  return nullptr;
}

void Step::AwaitRoom() { frame_.run().AwaitRoom(); }

void Step::Recycle(core::InferRequest* request) {
  request->Reset();  // may drop the sink: the frame is still held
  for (const uint32_t tensor : frame_.run().owner().graph().reads[index_]) frame_.LetGo(tensor);
  frame_.Unref();
}

void Step::Dispose() { frame_.Unref(); }

}  // namespace serving::ensemble
