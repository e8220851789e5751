// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/ragged.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>

#include "model/execution.h"
#include "tensor/bytes_tensor.h"

namespace serving::model {
namespace {

using core::BatchInputKind;
using core::InferRequest;
using Requests = std::span<InferRequest* const>;

// Both element types of tensors made from the batch.
constexpr size_t kNumberBytes = 4;

const tensor::Shape& ShapeOf(const InferRequest& request, uint32_t slot) {
  return FindInput(request, slot)->shape;
}

// Validated against the bytes, so it is there.
int64_t CountElements(const InferRequest& request, uint32_t slot) {
  return ShapeOf(request, slot).ElementCount().value_or(0);
}

// Dimensions of one row.
size_t RowRank(const tensor::Shape& shape) { return shape.rank() - 1; }

tensor::Shape ShapeOfBatchInput(const core::BatchInputPlan& plan, Requests requests) {
  const auto count = static_cast<int64_t>(requests.size());
  tensor::Shape shape;
  switch (plan.kind) {
    case BatchInputKind::kElementCount:
    case BatchInputKind::kAccumulatedElementCount:
      shape.Append(count);
      break;
    case BatchInputKind::kAccumulatedElementCountWithZero:
      shape.Append(count + 1);
      break;
    case BatchInputKind::kMaxElementCountAsShape: {
      int64_t most = 0;
      for (const InferRequest* request : requests) {
        most = std::max(most, CountElements(*request, plan.source));
      }
      shape.Append(most);
      break;
    }
    case BatchInputKind::kItemShape:
    case BatchInputKind::kItemShapeFlatten: {
      int64_t rows = 0;
      for (const InferRequest* request : requests) rows += ShapeOf(*request, plan.source)[0];
      const auto rank = static_cast<int64_t>(RowRank(ShapeOf(*requests[0], plan.source)));
      if (plan.kind == BatchInputKind::kItemShape) {
        shape.Append(rows);
        shape.Append(rank);
      } else {
        shape.Append(rows * rank);
      }
      break;
    }
  }
  return shape;
}

// Writes numbers one after the other in the plan's type.
class NumberWriter {
 public:
  NumberWriter(tensor::DataType type, std::byte* out) : type_(type), out_(out) {}

  void Put(int64_t number) {
    if (type_ == tensor::DataType::kFp32) {
      const auto real = static_cast<float>(number);
      std::memcpy(out_, &real, kNumberBytes);
    } else {
      fits_ = fits_ && number <= std::numeric_limits<int32_t>::max();
      const auto integer = static_cast<int32_t>(number);
      std::memcpy(out_, &integer, kNumberBytes);
    }
    out_ += kNumberBytes;
  }
  bool fits() const { return fits_; }

 private:
  const tensor::DataType type_;
  std::byte* out_;
  bool fits_ = true;
};

void WriteNumbers(const core::BatchInputPlan& plan, Requests requests, NumberWriter& writer) {
  int64_t total = 0;
  if (plan.kind == BatchInputKind::kAccumulatedElementCountWithZero) writer.Put(0);
  for (const InferRequest* request : requests) {
    const tensor::Shape& shape = ShapeOf(*request, plan.source);
    switch (plan.kind) {
      case BatchInputKind::kElementCount:
        writer.Put(CountElements(*request, plan.source));
        break;
      case BatchInputKind::kAccumulatedElementCount:
      case BatchInputKind::kAccumulatedElementCountWithZero:
        total += CountElements(*request, plan.source);
        writer.Put(total);
        break;
      case BatchInputKind::kMaxElementCountAsShape:
        break;
      case BatchInputKind::kItemShape:
      case BatchInputKind::kItemShapeFlatten:
        for (int64_t row = 0; row < shape[0]; ++row) {
          for (const int64_t dim : shape.dims().subspan(1)) writer.Put(dim);
        }
        break;
    }
  }
}

}  // namespace

bool IsRagged(const core::ModelPlan& plan) {
  return !plan.batch_inputs.empty() ||
         std::ranges::any_of(plan.inputs, &core::TensorPlan::is_ragged) ||
         std::ranges::any_of(plan.outputs,
                             [](const auto& output) { return output.scattered_by.has_value(); });
}

tensor::Shape FlatShape(Requests requests, uint32_t slot) {
  int64_t elements = 0;
  for (const InferRequest* request : requests) elements += CountElements(*request, slot);
  tensor::Shape shape;
  shape.Append(elements);
  return shape;
}

base::Status MakeBatchInput(const core::BatchInputPlan& plan, Requests requests,
                            base::BufferAllocator& allocator, backend::BatchInput& target) {
  target.owner.Reset();
  target.present = FindInput(*requests[0], plan.source) != nullptr;
  if (!target.present) return {};
  target.data_type = plan.data_type;
  target.shape = ShapeOfBatchInput(plan, requests);
  // Four bytes for what the requests have at least one byte of: no overflow.
  const size_t bytes = static_cast<size_t>(target.shape.ElementCount().value_or(0)) * kNumberBytes;
  target.owner = allocator.Allocate(bytes);
  if (!target.owner) {
    return base::Unavailable("memory limit reached: no room for the tensor '" + plan.name +
                             "' of a batch, retry later");
  }
  target.view = {.data = target.owner->data(), .size = bytes};
  if (plan.kind == BatchInputKind::kMaxElementCountAsShape) {
    // Nobody reads it, but what the pool holds was somebody's.
    std::memset(target.owner->data(), 0, bytes);
    return {};
  }
  NumberWriter writer(plan.data_type, target.owner->data());
  WriteNumbers(plan, requests, writer);
  if (writer.fits()) return {};
  return base::InvalidArgument("the batch has too many elements for the INT32 numbers of '" +
                               plan.name + "'");
}

std::optional<ScatteredPart> ScatterByInput(const core::TensorPlan& output, bool has_rows,
                                            const InferRequest& request,
                                            std::span<const std::byte> rest) {
  const core::InputTensor* input = FindInput(request, *output.scattered_by);
  if (input == nullptr) return std::nullopt;
  ScatteredPart part;
  if (has_rows) part.shape.Append(-1);
  for (const int64_t dim : output.tensor.dims.dims()) part.shape.Append(dim);
  for (size_t axis = 0; axis < part.shape.rank(); ++axis) {
    if (part.shape[axis] >= 0) continue;
    if (axis >= input->shape.rank()) return std::nullopt;
    part.shape.Set(axis, input->shape[axis]);
  }
  const auto elements = part.shape.ElementCount();
  if (!elements) return std::nullopt;
  if (output.tensor.data_type == tensor::DataType::kBytes) {
    const auto bytes = tensor::BytesPrefixSize(rest, static_cast<size_t>(*elements));
    if (!bytes) return std::nullopt;
    part.bytes = *bytes;
    return part;
  }
  if (__builtin_mul_overflow(static_cast<size_t>(*elements),
                             tensor::ByteSize(output.tensor.data_type), &part.bytes) ||
      part.bytes > rest.size()) {
    return std::nullopt;
  }
  return part;
}

}  // namespace serving::model
