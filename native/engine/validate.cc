// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "engine/validate.h"

#include <algorithm>
#include <string>
#include <vector>

#include "tensor/bytes_tensor.h"

namespace serving::engine {
namespace {

using core::InferRequest;
using core::InputTensor;
using core::ModelPlan;

std::string Of(const ModelPlan& plan) { return " for model '" + plan.name + "'"; }

uint32_t FindSlot(const std::vector<core::TensorPlan>& tensors, std::string_view name) {
  for (uint32_t slot = 0; slot < tensors.size(); ++slot) {
    if (tensors[slot].tensor.name == name) return slot;
  }
  return core::kNoSlot;
}

std::string NameList(const std::vector<std::string_view>& names) {
  std::string text = "[";
  for (const std::string_view name : names) {
    if (text.size() > 1) text += ",";
    text.append("'").append(name).append("'");
  }
  return text + "]";
}

bool HasInput(const InferRequest& request, std::string_view name) {
  return std::ranges::any_of(request.inputs, [&](const auto& input) { return input.name == name; });
}

base::Status InputCountError(const ModelPlan& plan, const InferRequest& request) {
  std::vector<std::string_view> given;
  std::vector<std::string_view> missing;
  for (const InputTensor& input : request.inputs) {
    if (given.size() < 32) given.push_back(input.name);
  }
  for (const core::TensorPlan& input : plan.inputs) {
    if (!input.optional && !HasInput(request, input.tensor.name)) missing.push_back(input.tensor.name);
  }
  std::string text = "expected " + std::to_string(plan.inputs.size()) + " inputs but got " +
                     std::to_string(request.inputs.size()) + " inputs" + Of(plan) +
                     ". Got input(s) " + NameList(given);
  if (!missing.empty()) {
    text += ", but missing required input(s) " + NameList(missing) +
            ". Please provide all required input(s).";
  } else {
    text += ".";
  }
  return base::InvalidArgument(std::move(text));
}

base::Status BindInputs(const ModelPlan& plan, InferRequest& request) {
  const auto required = static_cast<size_t>(
      std::ranges::count_if(plan.inputs, [](const auto& input) { return !input.optional; }));
  for (InputTensor& input : request.inputs) input.slot = FindSlot(plan.inputs, input.name);
  if (request.inputs.size() > plan.inputs.size() || request.inputs.size() < required) {
    return InputCountError(plan, request);
  }
  for (size_t i = 0; i < request.inputs.size(); ++i) {
    const InputTensor& input = request.inputs[i];
    if (input.slot == core::kNoSlot) {
      return base::InvalidArgument("unexpected inference input '" + std::string(input.name) + "'" +
                                   Of(plan));
    }
    for (size_t j = 0; j < i; ++j) {
      if (request.inputs[j].slot != input.slot) continue;
      return base::InvalidArgument("input '" + std::string(input.name) +
                                   "' already exists in request");
    }
  }
  for (uint32_t slot = 0; slot < plan.inputs.size(); ++slot) {
    if (plan.inputs[slot].optional) continue;
    const bool is_there = std::ranges::any_of(
        request.inputs, [&](const InputTensor& input) { return input.slot == slot; });
    if (!is_there) return InputCountError(plan, request);
  }
  return {};
}

base::Status BindOutputs(const ModelPlan& plan, InferRequest& request) {
  // More names than outputs means a repeated one, found before anything is compared pairwise.
  const size_t looked_at = std::min(request.wanted.size(), plan.outputs.size() + 1);
  for (size_t i = 0; i < looked_at; ++i) {
    core::WantedOutput& wanted = request.wanted[i];
    wanted.slot = FindSlot(plan.outputs, wanted.name);
    if (wanted.slot == core::kNoSlot) {
      return base::InvalidArgument("unexpected inference output '" + std::string(wanted.name) +
                                   "'" + Of(plan));
    }
    for (size_t j = 0; j < i; ++j) {
      if (request.wanted[j].slot != wanted.slot) continue;
      return base::InvalidArgument("output '" + std::string(wanted.name) +
                                   "' already exists in request");
    }
  }
  return {};
}

std::string FullShape(const ModelPlan& plan, const core::TensorPlan& input) {
  tensor::Shape shape;
  if (plan.max_batch_size > 0) shape.Append(-1);
  for (const int64_t dim : input.tensor.dims.dims()) shape.Append(dim);
  return shape.ToString();
}

base::Status UnexpectedShape(const ModelPlan& plan, const core::TensorPlan& expected,
                             const InputTensor& input) {
  std::string text = "unexpected shape for input '" + std::string(input.name) + "'" + Of(plan) +
                     ". Expected " + FullShape(plan, expected) + ", got " + input.shape.ToString() +
                     ".";
  if (plan.max_batch_size > 0) {
    text +=
        " NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension "
        "to be prepended to each input shape. If you want to specify the full shape including the "
        "batch dim in your input dims config, try setting max_batch_size to zero. See the model "
        "configuration docs for more info on max_batch_size.";
  }
  return base::InvalidArgument(std::move(text));
}

base::Status CheckShape(const ModelPlan& plan, const InputTensor& input) {
  const core::TensorPlan& expected = plan.inputs[input.slot];
  const size_t first = plan.max_batch_size > 0 ? 1 : 0;
  const auto dims = expected.tensor.dims.dims();
  bool matches = input.shape.rank() == dims.size() + first;
  for (size_t i = 0; matches && i < dims.size(); ++i) {
    matches = dims[i] < 0 ? input.shape[i + first] >= 0 : input.shape[i + first] == dims[i];
  }
  return matches ? base::Status() : UnexpectedShape(plan, expected, input);
}

base::Status CheckBatch(const ModelPlan& plan, InferRequest& request) {
  request.batch_size = 1;
  if (plan.max_batch_size == 0) return {};
  for (size_t i = 0; i < request.inputs.size(); ++i) {
    const InputTensor& input = request.inputs[i];
    if (input.shape.rank() == 0) {
      return base::InvalidArgument("input '" + std::string(input.name) +
                                   "' has no shape but model requires batch dimension for '" +
                                   plan.name + "'");
    }
    if (i == 0) {
      request.batch_size = input.shape[0];
    } else if (input.shape[0] != request.batch_size) {
      return base::InvalidArgument("input '" + std::string(input.name) +
                                   "' batch size does not match other inputs for '" + plan.name +
                                   "'");
    }
  }
  if (request.batch_size > plan.max_batch_size) {
    return base::InvalidArgument("inference request batch-size must be <= " +
                                 std::to_string(plan.max_batch_size) + " for '" + plan.name + "'");
  }
  if (request.batch_size < 1) {
    return base::InvalidArgument("inference request batch-size must be >= 1 for '" + plan.name +
                                 "', got " + std::to_string(request.batch_size));
  }
  return {};
}

// The elements of a BYTES tensor, which may lie in pieces only where each piece is whole elements.
base::Status CheckBytesElements(const ModelPlan& plan, const InputTensor& input, uint64_t expected) {
  uint64_t count = 0;
  for (const tensor::TensorView& part : input.parts) {
    const auto elements = tensor::CountBytesElements({part.data, part.size});
    if (!elements) {
      return base::InvalidArgument("incomplete string data for inference input '" +
                                   std::string(input.name) + "'" + Of(plan) +
                                   ": a 4-byte length points behind the end of the tensor");
    }
    count += *elements;
  }
  if (count == expected) return {};
  return base::InvalidArgument("unexpected number of string elements " + std::to_string(count) +
                               " for inference input '" + std::string(input.name) + "'" + Of(plan) +
                               ", expecting " + std::to_string(expected));
}

base::Status CheckSize(const ModelPlan& plan, const InputTensor& input) {
  const auto elements = input.shape.ElementCount();
  const size_t element_size = tensor::ByteSize(input.data_type);
  uint64_t expected = 0;
  if (!elements ||
      __builtin_mul_overflow(static_cast<uint64_t>(*elements), std::max<size_t>(element_size, 1),
                             &expected)) {
    return base::InvalidArgument("input '" + std::string(input.name) + "'" + Of(plan) +
                                 " has shape " + input.shape.ToString() +
                                 ": the number of its elements passes 2^63-1");
  }
  if (input.data_type == tensor::DataType::kBytes) return CheckBytesElements(plan, input, expected);
  if (input.byte_size == expected) return {};
  return base::InvalidArgument("input byte size mismatch for input '" + std::string(input.name) +
                               "'" + Of(plan) + ". Expected " + std::to_string(expected) +
                               ", got " + std::to_string(input.byte_size));
}

base::Status CheckType(const ModelPlan& plan, const InputTensor& input) {
  const tensor::DataType expected = plan.inputs[input.slot].tensor.data_type;
  const bool is_known = input.data_type_name != core::kInvalidDataTypeName;
  if (is_known && input.data_type == expected) return {};
  const std::string_view given =
      is_known ? tensor::WireName(input.data_type) : core::kInvalidDataTypeName;
  return base::InvalidArgument("inference input '" + std::string(input.name) + "' data-type is '" +
                               std::string(given) + "', but model '" +
                               plan.name + "' expects '" +
                               std::string(tensor::WireName(expected)) + "'");
}

base::Status Check(const ModelPlan& plan, InferRequest& request) {
  RETURN_IF_ERROR(BindOutputs(plan, request));
  RETURN_IF_ERROR(BindInputs(plan, request));
  RETURN_IF_ERROR(CheckBatch(plan, request));
  for (const InputTensor& input : request.inputs) {
    RETURN_IF_ERROR(CheckType(plan, input));
    RETURN_IF_ERROR(CheckShape(plan, input));
    RETURN_IF_ERROR(CheckSize(plan, input));
  }
  return {};
}

}  // namespace

base::Status Validate(const ModelPlan& plan, InferRequest& request) {
  base::Status status = Check(plan, request);
  if (status.ok()) return status;
  return {status.code(), core::RequestPrefix(request.id) + status.message()};
}

}  // namespace serving::engine
