// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <string_view>

#include "base/buffer.h"
#include "base/status.h"
#include "core/infer_request.h"
#include "core/model_plan.h"

namespace serving::protocol {

// An HTTP request whose whole body is the one input of the model: name, type and shape come
// from the plan, the batch is 1, every output is answered binary. `body` lies in `request.body`.
base::Status ReadRawInferRequest(std::string_view body, size_t max_bytes,
                                 base::BufferAllocator& allocator, const core::ModelPlan* plan,
                                 core::InferRequest& request);

}  // namespace serving::protocol
