// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/shapes.h"

#include <algorithm>

#include "model/execution.h"
#include "model/padding.h"

namespace serving::model {
namespace {

bool HaveSamePaddedShapes(const core::TensorPlan& input, const tensor::Shape& a,
                          const tensor::Shape& b, size_t first) {
  for (size_t axis = first; axis < a.rank(); ++axis) {
    if (BatchedDim(input, axis - first, a[axis]) != BatchedDim(input, axis - first, b[axis])) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool HasFreeShapes(const core::ModelPlan& plan) {
  return std::ranges::any_of(plan.inputs, [](const core::TensorPlan& input) {
    return input.optional ||
           std::ranges::any_of(input.tensor.dims.dims(), [](int64_t dim) { return dim < 0; });
  });
}

bool HaveSameShapes(const core::ModelPlan& plan, const core::InferRequest& a,
                    const core::InferRequest& b) {
  const size_t first = plan.max_batch_size > 0 ? 1 : 0;
  for (uint32_t slot = 0; slot < plan.inputs.size(); ++slot) {
    const core::InputTensor* in_a = FindInput(a, slot);
    const core::InputTensor* in_b = FindInput(b, slot);
    if ((in_a == nullptr) != (in_b == nullptr)) return false;
    if (in_a == nullptr || plan.inputs[slot].is_ragged) continue;
    if (plan.inputs[slot].padding) {
      if (!HaveSamePaddedShapes(plan.inputs[slot], in_a->shape, in_b->shape, first)) return false;
      continue;
    }
    if (!std::ranges::equal(in_a->shape.dims().subspan(first), in_b->shape.dims().subspan(first))) {
      return false;
    }
  }
  return true;
}

}  // namespace serving::model
