// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "engine/validate.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace serving::engine {
namespace {

using core::InferRequest;
using core::InputTensor;
using core::ModelPlan;

constexpr size_t kLengthBytes = 4;
constexpr size_t kMaxListedNames = 32;
constexpr size_t kMaxExtraInputsCompared = 16;

std::string Of(const ModelPlan& plan) { return " for model '" + plan.name + "'"; }

// `hint`: where it most likely is; clients mostly send tensors in the plan's order.
uint32_t FindSlot(const std::vector<core::TensorPlan>& tensors, std::string_view name,
                  size_t hint) {
  if (hint < tensors.size() && tensors[hint].tensor.name == name)
    return static_cast<uint32_t>(hint);
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

// An error in the server's own words begins with the request's id; some of Triton's come without
// and are made with base::InvalidArgument as they are.
base::Status Refuse(const InferRequest& request, const std::string& text) {
  return base::InvalidArgument(core::RequestPrefix(request.id) + text);
}

bool HasInput(const InferRequest& request, std::string_view name) {
  return std::ranges::any_of(request.inputs, [&](const auto& input) { return input.name == name; });
}

size_t CountRequired(const ModelPlan& plan) {
  return static_cast<size_t>(
      std::ranges::count_if(plan.inputs, [](const auto& input) { return !input.optional; }));
}

base::Status InputCountError(const ModelPlan& plan, const InferRequest& request) {
  std::vector<std::string_view> given;
  std::vector<std::string_view> missing;
  for (const InputTensor& input : request.inputs) {
    if (given.size() < kMaxListedNames) given.push_back(input.name);
  }
  for (const core::TensorPlan& input : plan.inputs) {
    if (!input.optional && !HasInput(request, input.tensor.name))
      missing.push_back(input.tensor.name);
  }
  const size_t required = CountRequired(plan);
  std::string text = "expected ";
  if (required == plan.inputs.size()) {
    text += std::to_string(required) + " inputs";
  } else {
    text += "number of inputs between " + std::to_string(required) + " and " +
            std::to_string(plan.inputs.size());
  }
  text += " but got " + std::to_string(request.inputs.size()) + " inputs" + Of(plan) +
          ". Got input(s) " + NameList(given);
  if (!missing.empty()) {
    text += ", but missing required input(s) " + NameList(missing) +
            ". Please provide all required input(s).";
  } else {
    text += ".";
  }
  return Refuse(request, text);
}

// The input that comes a second time first; null when all names differ, or are so many that the
// count is wrong anyway: a body may name millions.
const InputTensor* FindRepeated(const ModelPlan& plan, const std::vector<InputTensor>& inputs) {
  const auto follows = [](const InputTensor& a, const InputTensor& b) { return a.slot >= b.slot; };
  if (std::ranges::adjacent_find(inputs, follows) == inputs.end())
    return nullptr;  // in the plan's order
  if (inputs.size() > plan.inputs.size() + kMaxExtraInputsCompared) return nullptr;
  for (size_t i = 1; i < inputs.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (inputs[j].name == inputs[i].name) return &inputs[i];
    }
  }
  return nullptr;
}

base::Status CheckInputCount(const ModelPlan& plan, const InferRequest& request) {
  if (const InputTensor* repeated = FindRepeated(plan, request.inputs)) {
    return Refuse(request, "input '" + std::string(repeated->name) + "' already exists in request");
  }
  const size_t count = request.inputs.size();
  if (count <= plan.inputs.size() && count >= CountRequired(plan)) return {};
  return InputCountError(plan, request);
}

base::Status CheckName(const ModelPlan& plan, const InputTensor& input) {
  if (input.slot != core::kNoSlot) return {};
  return base::InvalidArgument("unexpected inference input '" + std::string(input.name) + "'" +
                               Of(plan));
}

// No optional input has taken the place of a required one.
base::Status CheckRequired(const ModelPlan& plan, const InferRequest& request) {
  if (request.inputs.size() == plan.inputs.size()) return {};
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
    wanted.slot = FindSlot(plan.outputs, wanted.name, i);
    if (wanted.slot == core::kNoSlot) {
      return base::InvalidArgument("unexpected inference output '" + std::string(wanted.name) +
                                   "'" + Of(plan));
    }
    for (size_t j = 0; j < i; ++j) {
      if (request.wanted[j].slot != wanted.slot) continue;
      return Refuse(request, "output '" + std::string(wanted.name) + "' already exists in request");
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

base::Status UnexpectedShape(const ModelPlan& plan, const InferRequest& request,
                             const InputTensor& input) {
  std::string text = "unexpected shape for input '" + std::string(input.name) + "'" + Of(plan) +
                     ". Expected " + FullShape(plan, plan.inputs[input.slot]) + ", got " +
                     input.shape.ToString() + ". ";
  if (plan.max_batch_size > 0) {
    text +=
        "NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension "
        "to be prepended to each input shape. If you want to specify the full shape including the "
        "batch dim in your input dims config, try setting max_batch_size to zero. See the model "
        "configuration docs for more info on max_batch_size.";
  }
  return Refuse(request, text);
}

base::Status CheckShape(const ModelPlan& plan, const InferRequest& request,
                        const InputTensor& input) {
  const size_t first = plan.max_batch_size > 0 ? 1 : 0;
  const auto dims = plan.inputs[input.slot].tensor.dims.dims();
  if (input.shape.rank() != dims.size() + first) return UnexpectedShape(plan, request, input);
  for (size_t i = 0; i < dims.size(); ++i) {
    const int64_t given = input.shape[i + first];
    if (given == -1) {
      return Refuse(request, "All input dimensions should be specified for input '" +
                                 std::string(input.name) + "'" + Of(plan) + ", got " +
                                 input.shape.ToString());
    }
    if (dims[i] < 0 ? given < 0 : given != dims[i]) return UnexpectedShape(plan, request, input);
  }
  return {};
}

base::Status CheckBatch(const ModelPlan& plan, InferRequest& request) {
  request.batch_size = 1;
  if (plan.max_batch_size == 0) return {};
  for (size_t i = 0; i < request.inputs.size(); ++i) {
    const InputTensor& input = request.inputs[i];
    if (input.shape.rank() == 0) {
      return Refuse(request, "input '" + std::string(input.name) +
                                 "' has no shape but model requires batch dimension for '" +
                                 plan.name + "'");
    }
    if (i == 0) {
      request.batch_size = input.shape[0];
    } else if (input.shape[0] != request.batch_size) {
      return Refuse(request, "input '" + std::string(input.name) +
                                 "' batch size does not match other inputs for '" + plan.name +
                                 "'");
    }
  }
  const int64_t most = std::max(plan.max_batch_size, plan.max_request_rows);
  if (request.batch_size > most) {
    return Refuse(request, "inference request batch-size must be <= " + std::to_string(most) +
                               " for '" + plan.name + "'");
  }
  if (request.batch_size < 1) {
    return Refuse(request, "inference request batch-size must be >= 1 for '" + plan.name +
                               "', got " + std::to_string(request.batch_size));
  }
  return {};
}

// The elements of a BYTES tensor, which may lie in pieces only where each piece is whole elements.
base::Status CheckBytesElements(const ModelPlan& plan, const InferRequest& request,
                                const InputTensor& input, uint64_t expected) {
  const auto of_input = [&] { return "inference input '" + std::string(input.name) + "'"; };
  uint64_t count = 0;
  for (const tensor::TensorView& part : input.parts) {
    std::span<const std::byte> rest(part.data, part.size);
    while (rest.size() >= kLengthBytes) {
      if (count == expected) {
        return Refuse(request, "unexpected number of string elements " + std::to_string(count + 1) +
                                   " for " + of_input() + Of(plan) + ", expecting " +
                                   std::to_string(expected));
      }
      uint32_t length;
      std::memcpy(&length, rest.data(), kLengthBytes);
      rest = rest.subspan(kLengthBytes);
      if (length > rest.size()) {
        return base::InvalidArgument("incomplete string data for " + of_input() +
                                     ", expecting string of length " + std::to_string(length) +
                                     " but only " + std::to_string(rest.size()) +
                                     " bytes available");
      }
      rest = rest.subspan(length);
      ++count;
    }
    if (!rest.empty()) {
      return Refuse(request, "incomplete string length indicator for " + of_input() + Of(plan) +
                                 ", expecting 4 bytes but only " + std::to_string(rest.size()) +
                                 " bytes available. Please make sure the string length indicator "
                                 "is in one buffer.");
    }
  }
  if (count == expected) return {};
  return Refuse(request, "expected " + std::to_string(expected) + " string elements for " +
                             of_input() + Of(plan) + ", got " + std::to_string(count));
}

base::Status CheckSize(const ModelPlan& plan, const InferRequest& request,
                       const InputTensor& input) {
  const auto elements = input.shape.ElementCount();
  const size_t element_size = tensor::ByteSize(input.data_type);
  uint64_t expected = 0;
  if (!elements || __builtin_mul_overflow(static_cast<uint64_t>(*elements),
                                          std::max<size_t>(element_size, 1), &expected)) {
    return Refuse(request, "input '" + std::string(input.name) + "'" + Of(plan) + " has shape " +
                               input.shape.ToString() +
                               ": the number of its elements passes 2^63-1");
  }
  if (input.data_type == tensor::DataType::kBytes) {
    return CheckBytesElements(plan, request, input, expected);
  }
  if (input.byte_size == expected) return {};
  return Refuse(request, "input byte size mismatch for input '" + std::string(input.name) + "'" +
                             Of(plan) + ". Expected " + std::to_string(expected) + ", got " +
                             std::to_string(input.byte_size));
}

base::Status CheckType(const ModelPlan& plan, const InferRequest& request,
                       const InputTensor& input) {
  const tensor::DataType expected = plan.inputs[input.slot].tensor.data_type;
  const bool is_known = input.data_type_name != core::kInvalidDataTypeName;
  if (is_known && input.data_type == expected) return {};
  const std::string_view given =
      is_known ? tensor::WireName(input.data_type) : core::kInvalidDataTypeName;
  return Refuse(request, "inference input '" + std::string(input.name) + "' data-type is '" +
                             std::string(given) + "', but model '" + plan.name + "' expects '" +
                             std::string(tensor::WireName(expected)) + "'");
}

}  // namespace

base::Status Validate(const ModelPlan& plan, InferRequest& request) {
  RETURN_IF_ERROR(BindOutputs(plan, request));
  for (size_t i = 0; i < request.inputs.size(); ++i) {
    request.inputs[i].slot = FindSlot(plan.inputs, request.inputs[i].name, i);
  }
  RETURN_IF_ERROR(CheckInputCount(plan, request));
  RETURN_IF_ERROR(CheckBatch(plan, request));
  for (const InputTensor& input : request.inputs) {
    RETURN_IF_ERROR(CheckName(plan, input));
    RETURN_IF_ERROR(CheckType(plan, request, input));
    RETURN_IF_ERROR(CheckShape(plan, request, input));
    RETURN_IF_ERROR(CheckSize(plan, request, input));
  }
  return CheckRequired(plan, request);
}

}  // namespace serving::engine
