// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "base/status.h"
#include "core/infer_request.h"
#include "core/model_plan.h"

namespace serving::engine {

// Holds a request against the plan: binds names to slots, sets batch_size, checks types, shapes and
// sizes. After OK every input is present once, optional ones aside, and its parts hold exactly what
// its shape says.
//
// Errors carry Triton's words, most with the prefix `[request id: …] `, found in Triton's order:
// outputs, count of inputs, batch, then input by input. O(n log n) in the inputs, O(n) in the bytes
// of BYTES tensors.
base::Status Validate(const core::ModelPlan& plan, core::InferRequest& request);

}  // namespace serving::engine
