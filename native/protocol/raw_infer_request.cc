// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/raw_infer_request.h"

#include <cstdint>
#include <cstring>
#include <string>

#include "protocol/request_parts.h"
#include "tensor/data_type.h"

namespace serving::protocol {
namespace {

using base::InvalidArgument;
using base::Status;

// Triton finds these errors in its core, which puts the request's id in front; raw requests have
// none.
constexpr std::string_view kPrefix = "[request id: <id_unknown>] ";

Status WrongSize(const core::ModelPlan& plan, uint64_t expected, size_t got) {
  return InvalidArgument(
      Join({kPrefix, "input byte size mismatch for input 'raw_input' for model '", plan.name,
            "'. Expected ", std::to_string(expected), ", got ", std::to_string(got)}));
}

// The declared dimensions with the free one, if any, as large as the body fills it.
Status DeduceShape(const core::ModelPlan& plan, const tensor::TensorDescriptor& declared,
                   size_t size, tensor::Shape& shape) {
  uint64_t fixed = tensor::ByteSize(declared.data_type);
  size_t free_axes = 0;
  size_t free_axis = 0;
  bool overflow = false;
  if (plan.max_batch_size > 0) shape.Append(1);
  for (const int64_t dim : declared.dims.dims()) {
    if (dim < 0) {
      ++free_axes;
      free_axis = shape.rank();
    } else {
      overflow |= __builtin_mul_overflow(fixed, static_cast<uint64_t>(dim), &fixed);
    }
    if (!shape.Append(dim)) overflow = true;
  }
  if (free_axes > 1) {
    return InvalidArgument(
        Join({kPrefix, "The shape of the raw input '", declared.name,
              "' can not be deduced because there are more than one variable-sized dimension"}));
  }
  uint64_t expected = overflow ? UINT64_MAX : fixed;
  if (free_axes == 1) {
    const uint64_t free_dim = overflow || fixed == 0 ? 0 : size / fixed;
    shape.Set(free_axis, static_cast<int64_t>(free_dim));
    expected = free_dim * fixed;
  }
  return expected == size ? Status() : WrongSize(plan, expected, size);
}

Status TakeText(std::string_view body, const tensor::TensorDescriptor& declared,
                const core::ModelPlan& plan, base::BufferAllocator& allocator,
                core::InferRequest& request, core::InputTensor& input) {
  if (declared.dims.rank() != 1 || declared.dims[0] != 1) {
    return InvalidArgument(Join({kPrefix, "For BYTE datatype raw input '", declared.name,
                                 "', the model must have input shape [1]"}));
  }
  if (body.size() > UINT32_MAX) return WrongSize(plan, UINT32_MAX, body.size());
  if (plan.max_batch_size > 0) input.shape.Append(1);
  input.shape.Append(1);
  const auto length = static_cast<uint32_t>(body.size());
  base::BufferRef buffer = allocator.Allocate(sizeof(length) + body.size());
  if (!buffer) return OutOfMemory(sizeof(length) + body.size());
  std::memcpy(buffer->data(), &length, sizeof(length));
  if (!body.empty()) std::memcpy(buffer->data() + sizeof(length), body.data(), body.size());
  AddPart(input, buffer->data(), sizeof(length) + body.size());
  request.kept.push_back(std::move(buffer));
  return {};
}

}  // namespace

Status ReadRawInferRequest(std::string_view body, size_t max_bytes,
                           base::BufferAllocator& allocator, const core::ModelPlan* plan,
                           core::InferRequest& request) {
  if (plan == nullptr)
    return InvalidArgument("a request without JSON needs a model with one input");
  if (plan->inputs.size() != 1) {
    return InvalidArgument(
        Join({kPrefix, "Raw request must only have 1 input (found 1) to be deduced but got ",
              std::to_string(plan->inputs.size()), " inputs in '", plan->name,
              "' model configuration"}));
  }
  if (body.size() > max_bytes) return JsonTooLarge(body.size(), max_bytes);
  const tensor::TensorDescriptor& declared = plan->inputs[0].tensor;
  request.binary_by_default = true;
  core::InputTensor& input = request.AddInput();
  input.name = declared.name;
  input.data_type = declared.data_type;
  input.data_type_name = tensor::WireName(declared.data_type);
  if (declared.data_type == tensor::DataType::kBytes) {
    return TakeText(body, declared, *plan, allocator, request, input);
  }
  RETURN_IF_ERROR(DeduceShape(*plan, declared, body.size(), input.shape));
  AddPart(input, reinterpret_cast<const std::byte*>(body.data()), body.size());
  return {};
}

}  // namespace serving::protocol
