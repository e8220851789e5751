// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "backend/backend.h"
#include "base/buffer.h"
#include "base/status.h"
#include "core/infer_request.h"
#include "core/model_plan.h"
#include "metrics/model_statistics.h"
#include "tensor/shape.h"

namespace serving::model {

// Requests whose inputs differ in one dimension share a batch: each is filled up to the next of a
// list of sizes, and outputs that carry the dimension are cut back. Pure but for the memory of what
// is copied.

bool HasPadding(const core::ModelPlan& plan);

// What an input of `size` elements along the padded axis is filled up to; `size` itself where no
// bucket is large enough or the waste would be beyond its bound.
int64_t PaddedSize(const core::PaddingPlan& padding, int64_t size);

// A dimension of an input as the batch has it. `axis` counts without the rows.
inline int64_t BatchedDim(const core::TensorPlan& input, size_t axis, int64_t size) {
  if (!input.padding || axis != input.padding->axis) return size;
  return PaddedSize(*input.padding, size);
}

// The input as the batch has it, at least one request of which is filled up. All requests have it,
// and their batched dimensions agree. Counts into `statistics`. Unavailable when the memory budget
// is full.
base::Status PadInput(const core::ModelPlan& plan, uint32_t slot,
                      std::span<core::InferRequest* const> requests,
                      base::BufferAllocator& allocator, backend::BatchInput& target,
                      metrics::PaddingStatistics& statistics);

// True when any of the requests has to be filled up.
bool NeedsPadding(const core::ModelPlan& plan, uint32_t slot,
                  std::span<core::InferRequest* const> requests);

// A tensor that lies in the output of a batch or, where its elements are not side by side there, in
// memory of its own.
struct CutTensor {
  tensor::Shape shape;
  std::span<const std::byte> bytes;
  base::BufferRef owner;  // null: the bytes are where they were
};

// The part of an output that belongs to `request`, `shape` and `bytes`, cut back to the request's
// own size. Where the output does not have the padded size along the axis it stays whole.
// Unavailable when the memory budget is full, Internal when the model made too few strings.
base::Result<CutTensor> Unpad(const core::ModelPlan& plan, uint32_t slot,
                              const core::InferRequest& request, const tensor::Shape& shape,
                              std::span<const std::byte> bytes, base::BufferAllocator& allocator);

}  // namespace serving::model
