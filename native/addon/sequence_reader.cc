// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "addon/sequence_reader.h"

#include <algorithm>
#include <limits>
#include <string>

#include "addon/values.h"
#include "tensor/bytes_tensor.h"
#include "tensor/data_type.h"

namespace serving::addon {
namespace {

using Kind = core::SequenceControl::Kind;

template <typename T>
std::string BytesOf(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

// One element; empty for a type that no control of two values has.
std::string Element(tensor::DataType type, double value) {
  switch (type) {
    case tensor::DataType::kBool:
      return BytesOf(static_cast<uint8_t>(value != 0));
    case tensor::DataType::kInt32:
      return BytesOf(static_cast<int32_t>(value));
    case tensor::DataType::kFp32:
      return BytesOf(static_cast<float>(value));
    default:
      return {};
  }
}

base::Result<tensor::DataType> ReadType(ObjectReader& reader) {
  const std::string name = reader.Text("datatype");
  RETURN_IF_ERROR(reader.status());
  const auto type = tensor::ParseWireName(name);
  if (!type) return base::InvalidArgument("plan.sequence: unknown type '" + name + "'");
  return *type;
}

base::Result<core::SequenceControl> ReadControl(Napi::Value value) {
  ObjectReader reader(value, "plan.sequence.control");
  core::SequenceControl control;
  control.name = reader.Text("name");
  const std::string kind = reader.Text("kind");
  control.kind = kind == "start"   ? Kind::kStart
                 : kind == "end"   ? Kind::kEnd
                 : kind == "ready" ? Kind::kReady
                                   : Kind::kCorrelationId;
  ASSIGN_OR_RETURN(control.data_type, ReadType(reader));
  const double false_value = reader.Number("falseValue");
  const double true_value = reader.Number("trueValue");
  RETURN_IF_ERROR(reader.status());
  if (control.kind == Kind::kCorrelationId) return control;
  control.false_bytes = Element(control.data_type, false_value);
  control.true_bytes = Element(control.data_type, true_value);
  if (control.true_bytes.empty()) {
    return base::InvalidArgument("plan.sequence.control.datatype: expected BOOL, INT32 or FP32");
  }
  return control;
}

// As many as the dimensions say.
base::Status CheckInitialBytes(const core::SequenceState& state) {
  const auto elements = state.initial_dims.ElementCount();
  if (!elements) return base::InvalidArgument("plan.sequence.state: too many elements");
  const auto count = static_cast<size_t>(*elements);
  const std::string& bytes = state.initial_bytes;
  bool fits = false;
  if (state.data_type == tensor::DataType::kBytes) {
    const std::span<const std::byte> view{reinterpret_cast<const std::byte*>(bytes.data()),
                                          bytes.size()};
    fits = tensor::BytesPrefixSize(view, count) == bytes.size();
  } else {
    size_t expected = 0;
    fits = !__builtin_mul_overflow(count, tensor::ByteSize(state.data_type), &expected) &&
           expected == bytes.size();
  }
  if (fits) return {};
  return base::InvalidArgument("initial_state for state input '" + state.input + "' has " +
                               std::to_string(bytes.size()) + " bytes, which are no " +
                               std::to_string(count) + " elements of type " +
                               std::string(tensor::WireName(state.data_type)));
}

base::Result<core::SequenceState> ReadState(Napi::Value value) {
  ObjectReader reader(value, "plan.sequence.state");
  core::SequenceState state;
  state.input = reader.Text("input");
  state.output = reader.Text("output");
  ASSIGN_OR_RETURN(state.data_type, ReadType(reader));
  const auto dims = reader.Integers("dims");
  const auto initial_dims = reader.Integers("initialDims");
  const Napi::Value data = reader.Get("initialData");
  RETURN_IF_ERROR(reader.status());
  ASSIGN_OR_RETURN(state.dims, ToShape(dims));
  ASSIGN_OR_RETURN(state.initial_dims, ToShape(initial_dims));
  if (!data.IsTypedArray() || data.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    return base::InvalidArgument("plan.sequence.state.initialData: expected a Uint8Array");
  }
  const auto bytes = data.As<Napi::Uint8Array>();
  if (bytes.ByteLength() != 0) {
    state.initial_bytes.assign(reinterpret_cast<const char*>(bytes.Data()), bytes.ByteLength());
  }
  RETURN_IF_ERROR(CheckInitialBytes(state));
  return state;
}

}  // namespace

base::Result<core::SequencePlan> ReadSequence(Napi::Value value) {
  ObjectReader reader(value, "plan.sequence");
  core::SequencePlan plan;
  plan.is_direct = reader.Text("strategy") == "direct";
  plan.slots = static_cast<uint32_t>(
      std::clamp<int64_t>(reader.Integer("slots"), 1, std::numeric_limits<int32_t>::max()));
  plan.max_idle = ToDuration(reader.Integer("maxIdleUs"));
  plan.max_queue_delay = ToDuration(reader.Integer("maxQueueDelayUs"));
  plan.minimum_slot_utilization = reader.Number("minimumSlotUtilization");
  plan.is_iterative = reader.Bool("iterative");
  base::Status status;
  reader.ForEach("controls", [&](Napi::Value entry) {
    auto control = ReadControl(entry);
    if (control.ok()) {
      plan.controls.push_back(control.Take());
    } else if (status.ok()) {
      status = control.status();
    }
  });
  reader.ForEach("states", [&](Napi::Value entry) {
    auto state = ReadState(entry);
    if (state.ok()) {
      plan.states.push_back(state.Take());
    } else if (status.ok()) {
      status = state.status();
    }
  });
  RETURN_IF_ERROR(reader.status());
  RETURN_IF_ERROR(status);
  return plan;
}

}  // namespace serving::addon
