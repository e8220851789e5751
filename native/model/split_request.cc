// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/split_request.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "device/host_pool.h"
#include "model/row_slices.h"

namespace serving::model {

// Where a part's answer goes.
class PartSink final : public core::ResponseSink {
 public:
  PartSink(base::Ref<SplitRequest> request, size_t index)
      : request_(std::move(request)), index_(index) {
    ShareCancel(*request_->whole().sink);
  }

  core::InferResponse* NewResponse() override { return new core::InferResponse; }
  base::BufferRef AllocateOutput(uint32_t slot, size_t bytes) override {
    return request_->whole().sink->AllocateOutput(slot, bytes);
  }
  base::Waker* Send(core::InferResponse* response) override {
    return request_->Take(index_, response);
  }

 private:
  const base::Ref<SplitRequest> request_;
  const size_t index_;
};

namespace {

// Everything but the tensors. Names, ids and parameters are views into the whole.
core::RequestPtr MakePart(const core::InferRequest& whole, int64_t rows) {
  core::RequestPtr part(new core::InferRequest);
  part->model_name = whole.model_name;
  part->model_version = whole.model_version;
  part->id = whole.id;
  part->parameters = whole.parameters;
  part->wanted = whole.wanted;
  // Its rows are only some of those that belong there.
  for (core::WantedOutput& wanted : part->wanted) wanted.place = nullptr;
  part->batch_size = rows;
  part->priority = whole.priority;
  part->timeout_us = whole.timeout_us;
  part->correlation_id = whole.correlation_id;
  part->is_part = true;
  part->deadline = whole.deadline;
  part->times = whole.times;
  part->body = whole.body;
  part->kept = whole.kept;
  part->client_memory = whole.client_memory;
  part->hand_over = whole.hand_over;
  return part;
}

bool HaveSameRows(const tensor::Shape& a, const tensor::Shape& b) {
  return std::ranges::equal(a.dims().subspan(1), b.dims().subspan(1));
}

}  // namespace

core::RequestChain SplitRequest::MakeParts(int64_t rows) {
  std::vector<RowSlices> slices;
  for (const core::InputTensor& input : whole_->inputs) slices.emplace_back(input);
  std::lock_guard lock(mutex_);
  for (int64_t left = whole_->batch_size; left > 0; left -= rows) {
    core::RequestPtr part = MakePart(*whole_, std::min(left, rows));
    for (RowSlices& slice : slices) slice.Take(part->batch_size, part->AddInput());
    auto sink = base::MakeRef<PartSink>(base::Ref<SplitRequest>::Share(this), sinks_.size());
    sinks_.push_back(sink);
    part->sink = std::move(sink);
    waiting_.push_back(std::move(part));
  }
  parts_.resize(waiting_.size());
  pending_ = waiting_.size();
  core::RequestChain first = NextLocked();
  for (const core::RequestPtr& part : waiting_) part->is_admitted = true;
  return first;
}

core::RequestChain SplitRequest::NextLocked() {
  core::RequestChain next;
  if (waiting_.empty()) return next;
  const size_t window = owner_.Window();
  for (size_t inside = pending_ - waiting_.size(); inside < window && !waiting_.empty(); ++inside) {
    next.Append(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  return next;
}

SplitRequest::Requests SplitRequest::DropLocked() {
  pending_ -= waiting_.size();
  return std::exchange(waiting_, {});
}

base::Waker* SplitRequest::Take(size_t index, core::InferResponse* response) {
  const std::unique_ptr<core::InferResponse> owned(response);
  std::vector<base::Ref<core::ResponseSink>> ended;  // let go after the lock, as `dropped`
  Requests dropped;
  core::RequestChain entering;
  Next next;
  {
    std::lock_guard lock(mutex_);
    next = TakeLocked(index, *response);
    if (next == Next::kFail) dropped = DropLocked();
    if (!is_answered_) entering = NextLocked();
    if (pending_ == 0) ended.swap(sinks_);
  }
  switch (next) {
    case Next::kNothing:
      if (!entering.empty()) Enter(entering);
      return nullptr;
    case Next::kAnswer:
      return Answer({});
    case Next::kFail:
      RemoveFromModel(response->status, metrics::FailureReason::kOther);
      return Answer(response->status);
  }
  return nullptr;
}

// The part that brings them in still holds its instance, so the model is there until this returns.
void SplitRequest::Enter(core::RequestChain parts) {
  owner_.model_->Submit(parts, nullptr);
  {
    std::lock_guard lock(mutex_);
    if (!is_answered_) return;
  }
  // Who answered may not have found them in the queue yet.
  RemoveFromModel(base::Cancelled("Request is cancelled"), metrics::FailureReason::kOther);
}

SplitRequest::Next SplitRequest::TakeLocked(size_t index, core::InferResponse& response) {
  if (!response.is_final) return Next::kNothing;
  --pending_;
  if (is_answered_) return Next::kNothing;
  if (!response.status.ok()) {
    is_answered_ = true;
    ended_.times = response.times;
    return Next::kFail;
  }
  parts_[index] = std::move(response.outputs);
  AddTimesLocked(response.times);
  if (pending_ > 0) return Next::kNothing;
  is_answered_ = true;
  return Next::kAnswer;
}

void SplitRequest::AddTimesLocked(const core::StageTimes& times) {
  core::StageTimes& all = ended_.times;
  const bool is_first = all.compute_start == base::Instant();
  if (is_first || times.compute_start < all.compute_start) all.compute_start = times.compute_start;
  if (is_first || times.input_end < all.input_end) all.input_end = times.input_end;
  all.queued = times.queued;
  all.infer_end = std::max(all.infer_end, times.infer_end);
  all.output_end = std::max(all.output_end, times.output_end);
  ended_.input += times.input_end - times.compute_start;
  ended_.infer += times.infer_end - times.input_end;
  ended_.output += times.output_end - times.infer_end;
}

bool SplitRequest::RemoveQueued(const base::Status& status, metrics::FailureReason reason) {
  Requests dropped;  // let go after the lock
  bool is_answer = false;
  {
    std::lock_guard lock(mutex_);
    if (!is_answered_ && !waiting_.empty()) {
      is_answered_ = is_answer = true;
      ended_.times = whole_->times;
      dropped = DropLocked();
    }
  }
  const bool has_removed = RemoveFromModel(status, reason);
  if (!is_answer) return has_removed;
  base::Waker* waker = Answer({status.code(), core::RequestPrefix(whole_->id) + status.message()});
  if (waker != nullptr) waker->Wake();
  return true;
}

bool SplitRequest::RemoveFromModel(const base::Status& status, metrics::FailureReason reason) {
  std::vector<base::Ref<core::ResponseSink>> sinks;
  {
    std::lock_guard lock(mutex_);
    sinks = sinks_;
  }
  bool has_removed = false;
  for (const auto& sink : sinks) {
    has_removed |= owner_.model_->RemoveQueued(sink.get(), status, reason);
  }
  return has_removed;
}

base::Waker* SplitRequest::Answer(base::Status status) {
  core::ResponseSink& sink = *whole_->sink;
  core::InferResponse* answer = sink.NewResponse();
  if (status.ok()) status = Join(*answer);
  if (!status.ok()) answer->outputs.clear();
  ended_.status = status;
  ended_.times.received = whole_->times.received;
  answer->status = std::move(status);
  answer->is_final = true;
  answer->times = ended_.times;
  owner_.CountEnd(*this, ended_);
  return sink.Send(answer);
}

base::Status SplitRequest::Join(core::InferResponse& answer) {
  for (const Part& part : parts_) {
    if (part.size() != parts_[0].size()) return base::Internal("parts with different outputs");
  }
  for (size_t output = 0; output < parts_[0].size(); ++output) {
    RETURN_IF_ERROR(JoinOutput(output, answer.outputs.emplace_back()));
  }
  return {};
}

base::Status SplitRequest::JoinOutput(size_t output, core::OutputTensor& joined) {
  joined = parts_[0][output];
  int64_t rows = 0;
  size_t bytes = 0;
  bool is_in_place = true;
  for (const Part& part : parts_) {
    const core::OutputTensor& tensor = part[output];
    if (!HaveSameRows(tensor.shape, joined.shape)) {
      return base::Internal("model '" + owner_.plan().name + "' produced output '" +
                            owner_.plan().outputs[joined.slot].tensor.name + "' with shapes " +
                            joined.shape.ToString() + " and " + tensor.shape.ToString() +
                            " for parts of one request");
    }
    is_in_place = is_in_place && tensor.owner.get() == joined.owner.get() &&
                  tensor.view.data == joined.view.data + bytes;
    rows += tensor.shape[0];
    bytes += tensor.view.size;
  }
  joined.shape.Set(0, rows);
  if (!is_in_place) {
    joined.owner = device::AllocateAlone(owner_.budget_, bytes);
    if (!joined.owner) {
      return base::Unavailable("memory limit reached: no room for an output of model '" +
                               owner_.plan().name + "', retry later");
    }
    std::byte* out = joined.owner->data();
    for (const Part& part : parts_) {
      const tensor::TensorView& view = part[output].view;
      if (view.size != 0) std::memcpy(out, view.data, view.size);
      out += view.size;
    }
    joined.view.data = joined.owner->data();
  }
  joined.view.size = bytes;
  return {};
}

}  // namespace serving::model
