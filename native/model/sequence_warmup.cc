// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/sequence_warmup.h"

#include <algorithm>
#include <variant>

#include "tensor/bytes_tensor.h"

namespace serving::model {
namespace {

using Kind = core::SequenceControl::Kind;

std::string ValueOf(const core::SequenceControl& control) {
  if (control.kind == Kind::kCorrelationId) return CorrelationElement({}, control.data_type);
  const bool is_true = control.kind == Kind::kStart || control.kind == Kind::kReady;
  return is_true ? control.true_bytes : control.false_bytes;
}

}  // namespace

void AddSequenceInputs(const core::SequencePlan& sequence, core::WarmupSample& sample) {
  const auto add = [&](const std::string& name, tensor::DataType type, const tensor::Shape& dims,
                       std::string bytes) {
    if (std::ranges::find(sample.inputs, name, &core::WarmupInput::name) != sample.inputs.end())
      return;
    core::WarmupInput& input = sample.inputs.emplace_back();
    input.name = name;
    input.data_type = type;
    input.dims = dims;
    input.source = core::WarmupInput::Source::kBytes;
    input.bytes = std::move(bytes);
  };
  for (const core::SequenceControl& control : sequence.controls) {
    add(control.name, control.data_type, OneControl(), ValueOf(control));
  }
  for (const core::SequenceState& state : sequence.states) {
    add(state.input, state.data_type, state.initial_dims, state.initial_bytes);
  }
}

tensor::Shape OneControl() {
  tensor::Shape shape;
  shape.Append(1);
  return shape;
}

std::string CorrelationElement(const core::CorrelationId& id, tensor::DataType type) {
  std::string element;
  if (type == tensor::DataType::kBytes) {
    const auto* text = std::get_if<std::string_view>(&id);
    const auto* number = std::get_if<uint64_t>(&id);
    tensor::AppendBytesElement(element, text != nullptr     ? std::string(*text)
                                        : number != nullptr ? std::to_string(*number)
                                                            : std::string());
    return element;
  }
  const auto* number = std::get_if<uint64_t>(&id);
  const uint64_t value = number == nullptr ? 0 : *number;
  element.assign(reinterpret_cast<const char*>(&value), tensor::ByteSize(type));
  return element;
}

}  // namespace serving::model
