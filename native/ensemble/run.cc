// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "ensemble/run.h"

#include <algorithm>
#include <span>
#include <utility>

#include "ensemble/ensemble.h"
#include "ensemble/relay.h"

namespace serving::ensemble {
namespace {

using std::chrono::steady_clock;

// Triton tells with every answer of an ensemble which sequence it belongs to, 0 = none.
void AddSequence(const core::InferRequest& request, core::InferResponse& response) {
  core::ResponseParameter& id = response.parameters.emplace_back();
  id.name = "sequence_id";
  if (const auto* text = std::get_if<std::string_view>(&request.correlation_id)) {
    id.value = std::string(*text);
  } else {
    const auto* number = std::get_if<uint64_t>(&request.correlation_id);
    id.value = static_cast<int64_t>(number == nullptr ? 0 : *number);
  }
  response.parameters.push_back({.name = "sequence_start", .value = request.sequence_start});
  response.parameters.push_back({.name = "sequence_end", .value = request.sequence_end});
}

bool Matches(std::span<const int64_t> config, std::span<const int64_t> dims) {
  return std::ranges::equal(config, dims, [](int64_t wanted, int64_t given) {
    return wanted == given || wanted == -1 || given == -1;
  });
}

// Between a model with a batch dimension and one without: what comes from the one has the shape
// that the other wants, with or without a dimension of 1 in front.
tensor::Shape FitShape(const tensor::Shape& config_dims, bool has_rows, const Value& value) {
  const std::span<const int64_t> dims = value.shape.dims();
  if (has_rows == (value.batch_size != 0)) return value.shape;
  const bool is_same = Matches(config_dims.dims(), dims);
  if (has_rows && is_same) {
    tensor::Shape shape;
    shape.Append(1);
    for (const int64_t dim : dims) shape.Append(dim);
    return shape;
  }
  if (!has_rows && !is_same && value.batch_size == 1 && !dims.empty()) {
    return tensor::Shape(dims.subspan(1));
  }
  return value.shape;
}

}  // namespace

// ---- Run

void Run::Open(core::RequestPtr request, base::Ref<const Binding> binding, base::Instant now) {
  Revive();
  owner_alive_ = base::Ref<Ensemble>::Share(&owner_);
  request_ = std::move(request);
  request_->times.queued = now;
  binding_ = std::move(binding);
  needed_.clear();
  if (!request_->wanted.empty() && request_->wanted.size() < owner_.plan().outputs.size()) {
    std::vector<uint8_t> wanted(owner_.plan().outputs.size(), 0);
    for (const core::WantedOutput& output : request_->wanted) wanted[output.slot] = 1;
    needed_ = owner_.graph().StepsFor(*owner_.plan().ensemble, wanted);
  }
  error_ = {};
  compute_input_ = compute_infer_ = compute_output_ = base::Nanoseconds(0);
  is_ended_ = false;
  bytes_.store(0, std::memory_order_relaxed);
  peak_bytes_ = 0;
  handed_on_ = 0;
}

void Run::Dispose() {
  request_.reset();
  binding_.Reset();
  const base::Ref<Ensemble> owner = std::move(owner_alive_);
  owner_.Recycle(this);
}

bool Run::wants(uint32_t slot) const {
  return request_->wanted.empty() ||
         std::ranges::find(request_->wanted, slot, &core::WantedOutput::slot) !=
             request_->wanted.end();
}

void Run::AddBytes(size_t bytes) {
  const size_t now = bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  peak_bytes_ = std::max(peak_bytes_, now);
}

void Run::Begin() {
  bool has_ended = false;
  {
    std::lock_guard lock(mutex_);
    start_ = steady_clock::now();
    if (sink().is_cancelled()) {
      FailLocked(base::Cancelled("Request is cancelled"));
    } else {
      Frame* const root = owner_.TakeFrame();
      root->Open(*this, false);
      TakeInputsLocked(*root);
      root->Unref();
    }
    has_ended = SettleLocked();
  }
  if (has_ended) owner_.Leave(*this);
}

void Run::Refuse(const base::Status& status) {
  std::lock_guard lock(mutex_);
  is_ended_ = true;
  start_ = steady_clock::now();
  core::InferResponse* const response = sink().NewResponse();
  response->status = {status.code(), core::RequestPrefix(request_->id) + status.message()};
  SendLocked(response, true);
}

void Run::TakeInputsLocked(Frame& frame) {
  const core::ModelPlan& plan = owner_.plan();
  for (uint32_t slot = 0; slot < plan.inputs.size(); ++slot) {
    Value& value = frame.value(plan.ensemble->inputs[slot]);
    value.state = Value::State::kAbsent;
    for (const core::InputTensor& input : request_->inputs) {
      if (input.slot != slot) continue;
      value.state = Value::State::kPresent;
      value.input = &input;
      value.data_type = input.data_type;
      value.shape = input.shape;
      value.batch_size = plan.max_batch_size > 0 ? request_->batch_size : 0;
      break;
    }
  }
  for (const uint32_t tensor : plan.ensemble->inputs) ArriveLocked(frame, tensor);
}

void Run::OnResponse(Step& step, core::InferResponse& response) {
  bool has_ended = false;
  std::optional<model::QueueTimers::Key> timer;
  {
    std::lock_guard lock(mutex_);
    CountStageTimesLocked(response.times);
    if (step.observer) [[unlikely]] {
      step.observer->OnResponse(binding_->steps()[step.index()].member.model->plan(), response);
      if (response.is_final) step.observer.Reset();
    }
    if (response.is_final) {
      running_.erase(std::ranges::find(running_, &step));
      timer.swap(step.timer);
      if (owner_.has_step_limit()) owner_.LeaveStep(step.index());
    }
    if (!response.status.ok()) {
      FailLocked(response.status);
    } else if (error_.ok() && !response.is_empty_final()) {
      TakeOutputsLocked(step, response);
    }
    has_ended = SettleLocked();
  }
  if (timer) [[unlikely]] {
    owner_.timers().Remove(*timer);
  }
  if (has_ended) owner_.Leave(*this);
}

void Run::LimitWait(Step& step, base::Ref<model::Servable> model, base::Instant when) {
  std::lock_guard lock(mutex_);
  const bool is_answered = std::ranges::find(running_, &step) == running_.end();
  if (is_answered) return;
  step.timer = owner_.timers().Add(
      when, {.sink = base::Ref<core::ResponseSink>::Share(&step), .model = std::move(model)});
}

void Run::TakeOutputsLocked(Step& step, core::InferResponse& response) {
  const Binding::Step& bound = binding_->steps()[step.index()];
  Frame* frame = &step.frame();
  if (bound.member.model->plan().decoupled) {
    frame = owner_.TakeFrame();
    frame->Open(*this, true);
  } else {
    frame->AddRef();
  }
  for (const uint32_t tensor : bound.tensors) {
    if (tensor != kNoTensor) frame->value(tensor).state = Value::State::kAbsent;
  }
  for (core::OutputTensor& output : response.outputs) {
    const uint32_t tensor = bound.tensors[output.slot];
    if (tensor == kNoTensor) continue;
    Value& value = frame->value(tensor);
    value.state = Value::State::kPresent;
    value.data_type = output.data_type;
    value.shape = output.shape;
    value.batch_size = step.batch_size;
    uint32_t holders = 0;
    for (const uint32_t reader : owner_.graph().readers[tensor]) holders += needs(reader) ? 1 : 0;
    for (const uint32_t slot : owner_.graph().slots[tensor]) holders += wants(slot) ? 1 : 0;
    if (holders == 0) continue;
    value.holders.store(holders, std::memory_order_relaxed);
    value.made_at = output.view.data;
    value.view = output.view;
    value.owner = std::move(output.owner);
    AddBytes(value.view.size);
  }
  for (const uint32_t tensor : bound.tensors) {
    if (tensor != kNoTensor) ArriveLocked(*frame, tensor);
  }
  frame->Unref();
}

void Run::ArriveLocked(Frame& frame, uint32_t tensor) {
  for (const uint32_t reader : owner_.graph().readers[tensor]) {
    if (--frame.missing[reader] == 0 && needs(reader)) StartStepLocked(frame, reader);
  }
  for (const uint32_t slot : owner_.graph().slots[tensor]) {
    if (wants(slot) && --frame.outputs_missing == 0) AnswerLocked(frame);
  }
}

void Run::StartStepLocked(Frame& frame, uint32_t index) {
  if (!error_.ok()) return;
  if (sink().is_cancelled()) return FailLocked(base::Cancelled("Request is cancelled"));
  const Binding::Step& bound = binding_->steps()[index];
  Step& step = frame.step(index);
  core::RequestPtr request = step.Open();
  if (base::Status status = FillLocked(frame, bound, *request); !status.ok()) {
    return FailLocked(status);
  }
  step.batch_size = bound.member.model->plan().max_batch_size > 0 ? request->batch_size : 0;
  running_.push_back(&step);
  if (request_->observer) [[unlikely]] {
    step.observer = request_->observer->OnStep(bound.member.model->plan(), *request);
    request->observer = step.observer;
  }
  if (owner_.has_step_limit()) {
    owner_.EnterStep(index, bound.member, std::move(request));
  } else {
    Relay::OfThisThread().Submit(bound.member, std::move(request));
  }
}

base::Status Run::FillLocked(Frame& frame, const Binding::Step& bound,
                             core::InferRequest& request) {
  const core::ModelPlan& plan = bound.member.model->plan();
  request.model_name = plan.name;
  request.id = request_->id;
  request.parameters = request_->parameters;
  request.priority = request_->priority;
  request.timeout_us = request_->timeout_us;
  request.correlation_id = request_->correlation_id;
  request.sequence_start = request_->sequence_start;
  request.sequence_end = request_->sequence_end;
  request.deadline = request_->deadline;
  request.hand_over = &owner_.hand_over();
  request.times.received = steady_clock::now();
  bool looks_at_request = false;
  for (const auto& [slot, tensor] : bound.inputs) {
    const Value& value = frame.value(tensor);
    if (value.state != Value::State::kPresent) continue;
    core::InputTensor& input = request.AddInput();
    input.name = plan.inputs[slot].tensor.name;
    input.data_type = value.data_type;
    input.data_type_name = tensor::WireName(value.data_type);
    input.shape = FitShape(plan.inputs[slot].tensor.dims, plan.max_batch_size > 0, value);
    if (value.input != nullptr) {
      looks_at_request = true;
      input.parts = value.input->parts;
      input.byte_size = value.input->byte_size;
      input.made_at = value.input->made_at;
    } else {
      input.parts.push_back(value.view);
      input.byte_size = value.view.size;
      input.made_at = value.made_at;
      handed_on_ += value.view.size;
      request.kept.push_back(value.owner);
    }
  }
  if (looks_at_request) {
    request.body = request_->body;
    request.kept.insert(request.kept.end(), request_->kept.begin(), request_->kept.end());
    request.client_memory = request_->client_memory;
  }
  if (!bound.uses_all_outputs) {
    for (uint32_t slot = 0; slot < bound.tensors.size(); ++slot) {
      if (bound.tensors[slot] == kNoTensor) continue;
      request.wanted.push_back({.name = plan.outputs[slot].tensor.name, .slot = slot});
    }
  }
  return owner_.Validate(plan, request);
}

void Run::AnswerLocked(Frame& frame) {
  const core::ModelPlan& plan = owner_.plan();
  core::InferResponse* const response = sink().NewResponse();
  for (uint32_t slot = 0; slot < plan.outputs.size(); ++slot) {
    if (!wants(slot)) continue;
    const uint32_t tensor = plan.ensemble->outputs[slot];
    Value& value = frame.value(tensor);
    if (value.state != Value::State::kPresent) continue;
    core::OutputTensor& output = response->outputs.emplace_back();
    output.slot = slot;
    output.data_type = value.data_type;
    output.shape = FitShape(plan.outputs[slot].tensor.dims, plan.max_batch_size > 0, value);
    output.view = value.view;
    output.owner = value.owner;
    if (value.input == nullptr && output.view.data != value.made_at) {
      owner_.hand_over().CountCopy(output.view.size);
    }
    frame.LetGo(tensor);
  }
  AddSequence(*request_, *response);
  answer_ = response;
}

void Run::FailLocked(const base::Status& status) {
  if (error_.ok()) error_ = status;
}

void Run::CountStageTimesLocked(const core::StageTimes& times) {
  if (times.output_end == base::Instant() || times.compute_start == base::Instant()) return;
  compute_input_ += times.input_end - times.compute_start;
  compute_infer_ += times.infer_end - times.input_end;
  compute_output_ += times.output_end - times.infer_end;
}

bool Run::SettleLocked() {
  if (is_ended_) return false;
  const bool is_last = running_.empty();
  // The last response of a decoupled ensemble says that it is, where that is known already.
  if (owner_.plan().decoupled && answer_ != nullptr && !(is_last && error_.ok())) {
    SendLocked(std::exchange(answer_, nullptr), false);
  }
  if (!is_last) return false;
  is_ended_ = true;
  if (error_.ok() && answer_ == nullptr && !owner_.plan().decoupled) {
    error_ = base::InvalidArgument(core::RequestPrefix(request_->id) +
                                   "unexpected deadlock, at least one output is not set while no "
                                   "more ensemble steps can be made");
  }
  core::InferResponse* response = std::exchange(answer_, nullptr);
  if (!error_.ok()) {
    response = MakeErrorLocked(response);
  } else if (response == nullptr) {
    response = sink().NewResponse();
  }
  SendLocked(response, true);
  return true;
}

core::InferResponse* Run::MakeErrorLocked(core::InferResponse* response) {
  if (response == nullptr) response = sink().NewResponse();
  // What was complete is no answer of a request that failed.
  response->outputs.clear();
  response->parameters.clear();
  response->status = {error_.code(),
                      "in ensemble '" + owner_.plan().name + "', " + error_.message()};
  return response;
}

void Run::SendLocked(core::InferResponse* response, bool is_final) {
  response->is_final = is_final;
  response->may_wait = false;
  core::StageTimes& times = response->times;
  times = request_->times;
  times.compute_start = start_;
  times.input_end = start_ + compute_input_;
  times.infer_end = times.input_end + compute_infer_;
  times.output_end = times.infer_end + compute_output_;
  if (is_final) owner_.CountEnd(*request_, *response, handed_on_, steady_clock::now());
  Relay::OfThisThread().Ring(sink().Send(response));
}

bool Run::RemoveQueued(const base::Status& status, metrics::FailureReason reason) {
  struct Queued {
    base::Ref<Frame> frame;
    Step* step;
  };
  std::vector<Queued> queued;
  {
    std::lock_guard lock(mutex_);
    for (Step* step : running_) {
      queued.push_back({base::Ref<Frame>::Share(&step->frame()), step});
    }
  }
  bool has_removed = false;
  for (const auto& [frame, step] : queued) {
    const Member& member = binding_->steps()[step->index()].member;
    if (owner_.has_step_limit() && owner_.RemoveWaiting(*step, status)) {
      has_removed = true;
    } else {
      has_removed |= member.model->RemoveQueued(step, status, reason);
    }
  }
  return has_removed;
}

void Run::AwaitRoom() {
  {
    std::unique_lock lock(room_mutex_);
    ++waiting_;
    room_.wait(lock, [this] {
      return children_ == 0 || sink().is_cancelled() ||
             !owner_.IsAhead(children_, bytes_.load(std::memory_order_relaxed));
    });
    --waiting_;
  }
  sink().AwaitRoom();
}

void Run::OnChild() {
  std::lock_guard lock(room_mutex_);
  ++children_;
}

void Run::OnChildGone() {
  std::lock_guard lock(room_mutex_);
  --children_;
  if (waiting_ != 0) room_.notify_all();
}

}  // namespace serving::ensemble
