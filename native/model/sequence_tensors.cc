// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/sequence_tensors.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "device/host_pool.h"
#include "model/sequence_warmup.h"
#include "tensor/bytes_tensor.h"

namespace serving::model {
namespace {

using Kind = core::SequenceControl::Kind;

constexpr size_t kElementStride = base::kBufferAlignment;

base::Status MemoryFull(const std::string& model) {
  return base::Unavailable("memory limit reached: no room for a sequence of model '" + model +
                           "', retry later");
}

core::TensorPlan MakeTensor(const std::string& name, tensor::DataType type,
                            const tensor::Shape& dims) {
  core::TensorPlan plan;
  plan.tensor.name = name;
  plan.tensor.data_type = type;
  plan.tensor.dims = dims;
  return plan;
}

uint32_t FindOutput(const core::ModelPlan& plan, const std::string& name) {
  const auto found = std::ranges::find_if(
      plan.outputs, [&](const core::TensorPlan& output) { return output.tensor.name == name; });
  return static_cast<uint32_t>(found - plan.outputs.begin());
}

// Empty texts are zeros too.
size_t SizeOfZeros(const tensor::Shape& shape, tensor::DataType type) {
  const size_t element =
      type == tensor::DataType::kBytes ? sizeof(uint32_t) : tensor::ByteSize(type);
  return static_cast<size_t>(shape.ElementCount().value_or(0)) * element;
}

}  // namespace

core::ModelPlan SequenceTensors::InnerPlan(const core::ModelPlan& plan) {
  core::ModelPlan inner = plan;
  const core::SequencePlan& sequence = *plan.sequence;
  for (const core::SequenceControl& control : sequence.controls) {
    inner.inputs.push_back(MakeTensor(control.name, control.data_type, OneControl()));
  }
  for (const core::SequenceState& state : sequence.states) {
    inner.inputs.push_back(MakeTensor(state.input, state.data_type, state.dims));
    if (FindOutput(plan, state.output) == plan.outputs.size()) {
      inner.outputs.push_back(MakeTensor(state.output, state.data_type, state.dims));
    }
  }
  for (core::WarmupSample& sample : inner.warmup) AddSequenceInputs(sequence, sample);
  if (sequence.is_direct) inner.batching = core::BatchingPlan();
  // One instance answers in order.
  if (inner.batching) inner.batching->preserve_ordering = false;
  inner.queue = {};
  inner.sequence.reset();
  return inner;
}

base::Result<SequenceTensors> SequenceTensors::Make(const core::ModelPlan& plan,
                                                    std::shared_ptr<base::MemoryBudget> budget) {
  const core::SequencePlan& sequence = *plan.sequence;
  SequenceTensors tensors;
  tensors.model_ = plan.name;
  tensors.budget_ = std::move(budget);
  tensors.has_rows_ = plan.max_batch_size > 0;
  tensors.element_ = OneControl();
  if (tensors.has_rows_) tensors.element_.Append(1);
  auto slot = static_cast<uint32_t>(plan.inputs.size());
  if (!sequence.controls.empty()) {
    tensors.constants_ = tensors.Allocate(sequence.controls.size() * 2 * kElementStride);
    if (!tensors.constants_) return MemoryFull(plan.name);
    std::memset(tensors.constants_->data(), 0, tensors.constants_->capacity());
  }
  std::byte* place = tensors.constants_ ? tensors.constants_->data() : nullptr;
  const auto keep = [&](const std::string& bytes, size_t size) {
    std::memcpy(place, bytes.data(), std::min(bytes.size(), size));
    return tensor::TensorView{.data = std::exchange(place, place + kElementStride), .size = size};
  };
  for (const core::SequenceControl& control : sequence.controls) {
    const bool is_text = control.data_type == tensor::DataType::kBytes;
    const size_t size = is_text ? sizeof(uint32_t) : tensor::ByteSize(control.data_type);
    Control& made = tensors.controls_.emplace_back();
    made.kind = control.kind;
    made.slot = slot++;
    made.data_type = control.data_type;
    made.is_false = keep(control.false_bytes, size);
    made.is_true = keep(control.true_bytes, size);
  }
  auto hidden = static_cast<uint32_t>(plan.outputs.size());
  for (const core::SequenceState& state : sequence.states) {
    State& made = tensors.states_.emplace_back();
    made.plan = state;
    made.input = slot++;
    made.output = FindOutput(plan, state.output);
    made.is_public = made.output < plan.outputs.size();
    if (!made.is_public) made.output = hidden++;
    if (tensors.has_rows_) made.initial.shape.Append(1);
    for (const int64_t dim : state.initial_dims.dims()) made.initial.shape.Append(dim);
    made.initial.owner = tensors.Allocate(state.initial_bytes.size());
    if (!made.initial.owner) return MemoryFull(plan.name);
    std::memcpy(made.initial.owner->data(), state.initial_bytes.data(), state.initial_bytes.size());
    made.initial.view = {.data = made.initial.owner->data(), .size = state.initial_bytes.size()};
    tensors.has_free_states_ |=
        std::ranges::any_of(state.dims.dims(), [](int64_t dim) { return dim < 0; });
  }
  return tensors;
}

base::BufferRef SequenceTensors::Allocate(size_t bytes) const {
  return device::AllocateAlone(budget_, bytes);
}

const SequenceTensors::Control* SequenceTensors::FindCorrelationId() const {
  const auto found = std::ranges::find(controls_, Kind::kCorrelationId, &Control::kind);
  return found == controls_.end() ? nullptr : &*found;
}

base::Status SequenceTensors::CheckId(const core::CorrelationId& id) const {
  const auto* text = std::get_if<std::string_view>(&id);
  const bool is_text = text != nullptr && !text->empty();  // an empty one is none
  const Control* control = is_text ? FindCorrelationId() : nullptr;
  if (control == nullptr || control->data_type == tensor::DataType::kBytes) return {};
  return base::InvalidArgument("inference request for sequence " + std::string(*text) +
                               " to model '" + model_ +
                               "' must specify a number as correlation ID: the model's control "
                               "CONTROL_SEQUENCE_CORRID is " +
                               std::string(tensor::WireName(control->data_type)));
}

base::Status SequenceTensors::Begin(const core::CorrelationId& id, SequenceMemory& memory) const {
  ResetStates(memory);
  const Control* control = FindCorrelationId();
  if (control == nullptr) return {};
  const std::string element = CorrelationElement(id, control->data_type);
  memory.correlation_id = Allocate(element.size());
  if (!memory.correlation_id) return MemoryFull(model_);
  std::memcpy(memory.correlation_id->data(), element.data(), element.size());
  memory.correlation_bytes = element.size();
  return {};
}

void SequenceTensors::ResetStates(SequenceMemory& memory) const {
  memory.states.resize(states_.size());
  for (size_t i = 0; i < states_.size(); ++i) memory.states[i] = states_[i].initial;
}

tensor::TensorView SequenceTensors::ValueOf(const Control& control,
                                            const core::InferRequest& request,
                                            const SequenceMemory& memory) const {
  switch (control.kind) {
    case Kind::kStart:
      return request.sequence_start ? control.is_true : control.is_false;
    case Kind::kEnd:
      return request.sequence_end ? control.is_true : control.is_false;
    case Kind::kReady:
      return control.is_true;
    case Kind::kCorrelationId:
      return {.data = memory.correlation_id->data(), .size = memory.correlation_bytes};
  }
  return control.is_false;
}

void SequenceTensors::AddInput(core::InferRequest& request, uint32_t slot, tensor::DataType type,
                               const tensor::Shape& shape, const tensor::TensorView& view) const {
  core::InputTensor& input = request.AddInput();
  input.slot = slot;
  input.data_type = type;
  input.shape = shape;
  input.parts.push_back(view);
  input.byte_size = view.size;
}

void SequenceTensors::Add(core::InferRequest& request, const SequenceMemory& memory,
                          AddedTensors& added) const {
  added.inputs = request.inputs.size();
  added.kept = request.kept.size();
  added.wanted = request.wanted.size();
  for (const Control& control : controls_) {
    AddInput(request, control.slot, control.data_type, element_, ValueOf(control, request, memory));
  }
  if (constants_) request.kept.push_back(constants_);
  if (memory.correlation_id) request.kept.push_back(memory.correlation_id);
  added.shows.resize(states_.size());
  for (size_t i = 0; i < states_.size(); ++i) {
    const State& state = states_[i];
    const StateValue& value = memory.states[i];
    AddInput(request, state.input, state.plan.data_type, value.shape, value.view);
    request.kept.push_back(value.owner);
    added.shows[i] = state.is_public ? 1 : 0;
    if (added.wanted == 0) continue;  // everything is wanted
    const auto asked = request.wanted.begin() + static_cast<std::ptrdiff_t>(added.wanted);
    if (std::find_if(request.wanted.begin(), asked, [&](const core::WantedOutput& wanted) {
          return wanted.slot == state.output;
        }) == asked) {
      added.shows[i] = 0;
      request.wanted.push_back({.name = state.plan.output, .slot = state.output});
    }
  }
}

void SequenceTensors::Remove(core::InferRequest& request, const AddedTensors& added) {
  request.inputs.resize(added.inputs);
  request.kept.resize(added.kept);
  request.wanted.resize(added.wanted);
}

base::Status SequenceTensors::MakeZeros(const core::InferRequest& like,
                                        const SequenceMemory& memory,
                                        base::BufferRef& zeros) const {
  size_t most = 1;
  for (const core::InputTensor& input : like.inputs) {
    most = std::max(most, SizeOfZeros(input.shape, input.data_type));
  }
  for (size_t i = 0; i < states_.size(); ++i) {
    most = std::max(most, SizeOfZeros(memory.states[i].shape, states_[i].plan.data_type));
  }
  if (zeros && zeros->capacity() >= most) return {};
  zeros = Allocate(most);
  if (!zeros) return MemoryFull(model_);
  std::memset(zeros->data(), 0, zeros->capacity());
  return {};
}

void SequenceTensors::MakeRow(const core::InferRequest& like, const SequenceMemory& memory,
                              const base::BufferRef& zeros, core::InferRequest& row) const {
  const auto add = [&](uint32_t slot, tensor::DataType type, const tensor::Shape& shape) {
    AddInput(row, slot, type, shape, {.data = zeros->data(), .size = SizeOfZeros(shape, type)});
  };
  for (const core::InputTensor& input : like.inputs) {
    add(input.slot, input.data_type, input.shape);
  }
  for (const Control& control : controls_) {
    AddInput(row, control.slot, control.data_type, element_, control.is_false);
  }
  for (size_t i = 0; i < states_.size(); ++i) {
    add(states_[i].input, states_[i].plan.data_type, memory.states[i].shape);
  }
  row.kept.push_back(zeros);
  if (constants_) row.kept.push_back(constants_);
  // Nothing is wanted for it.
  row.wanted.push_back({.name = {}, .slot = core::kNoSlot});
}

base::Status SequenceTensors::CheckState(const State& state,
                                         const core::OutputTensor& output) const {
  const std::span<const int64_t> dims = output.shape.dims();
  const size_t first = has_rows_ ? 1 : 0;
  const std::span<const int64_t> wanted = state.plan.dims.dims();
  bool fits = output.data_type == state.plan.data_type && dims.size() == wanted.size() + first &&
              (!has_rows_ || dims[0] == 1) &&
              std::ranges::equal(wanted, dims.subspan(first),
                                 [](int64_t a, int64_t b) { return a == b || a < 0; });
  const auto elements = output.shape.ElementCount();
  fits = fits && elements.has_value();
  if (fits && output.data_type == tensor::DataType::kBytes) {
    const auto size = tensor::BytesPrefixSize({output.view.data, output.view.size},
                                              static_cast<size_t>(*elements));
    fits = size == output.view.size;
  } else if (fits) {
    fits = static_cast<size_t>(*elements) * tensor::ByteSize(output.data_type) == output.view.size;
  }
  if (fits) return {};
  return base::Internal("model '" + model_ + "' produced state '" + state.plan.output +
                        "' of type " + std::string(tensor::WireName(output.data_type)) +
                        " with shape " + output.shape.ToString() + " and " +
                        std::to_string(output.view.size) + " bytes: expected " +
                        std::string(tensor::WireName(state.plan.data_type)) +
                        (has_rows_ ? " for one row of " : " of ") + state.plan.dims.ToString());
}

base::Status SequenceTensors::TakeStates(core::InferResponse& response, const AddedTensors& added,
                                         SequenceMemory& memory) const {
  const auto find = [&](const State& state) {
    return std::ranges::find(response.outputs, state.output, &core::OutputTensor::slot);
  };
  for (const State& state : states_) {
    const auto output = find(state);
    if (output != response.outputs.end()) RETURN_IF_ERROR(CheckState(state, *output));
  }
  for (size_t i = 0; i < states_.size(); ++i) {
    const State& state = states_[i];
    const auto output = find(state);
    if (output == response.outputs.end()) continue;
    StateValue& value = memory.states[i];
    value.shape = output->shape;
    value.view = output->view;
    value.owner = output->owner;
    // A client could change it before it is used.
    if (value.owner->is_client_memory()) {
      value.owner = Allocate(value.view.size);
      if (!value.owner) return MemoryFull(model_);
      if (value.view.size != 0) std::memcpy(value.owner->data(), value.view.data, value.view.size);
      value.view.data = value.owner->data();
    }
    if (added.shows[i] == 0) response.outputs.erase(output);
  }
  return {};
}

bool SequenceTensors::HaveSameStates(const SequenceMemory& a, const SequenceMemory& b) {
  return std::ranges::equal(a.states, b.states, [](const StateValue& one, const StateValue& other) {
    return one.shape == other.shape;
  });
}

}  // namespace serving::model
