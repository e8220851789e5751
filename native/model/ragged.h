// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "backend/backend.h"
#include "base/buffer.h"
#include "base/status.h"
#include "core/infer_request.h"
#include "core/model_plan.h"
#include "tensor/shape.h"

namespace serving::model {

// Ragged batches: requests of any shapes together, with tensors that tell the model whose elements
// are whose (Triton's allow_ragged_batch, batch_input and batch_output). All pure but for the
// memory of a tensor that is made.

// The plan has ragged inputs, tensors made from the batch or scattered outputs.
bool IsRagged(const core::ModelPlan& plan);

// [elements of input `slot` of all requests]. Every request has the input.
tensor::Shape FlatShape(std::span<core::InferRequest* const> requests, uint32_t slot);

// Fills `target` with the tensor that `plan` asks for. Not present when the requests do not have
// its source. Unavailable when the memory budget is full, InvalidArgument when a number does not
// fit its type.
base::Status MakeBatchInput(const core::BatchInputPlan& plan,
                            std::span<core::InferRequest* const> requests,
                            base::BufferAllocator& allocator, backend::BatchInput& target);

// What `request` gets of an output that is scattered by the shapes of an input.
struct ScatteredPart {
  tensor::Shape shape;
  size_t bytes = 0;
};
// `rest`: what is left of the output in batch order. Nothing when the model made too little, or the
// request does not have the input.
std::optional<ScatteredPart> ScatterByInput(const core::TensorPlan& output, bool has_rows,
                                            const core::InferRequest& request,
                                            std::span<const std::byte> rest);

}  // namespace serving::model
