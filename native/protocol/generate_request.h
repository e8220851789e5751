// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <string_view>

#include "base/buffer.h"
#include "base/status.h"
#include "core/infer_request.h"
#include "core/model_plan.h"
#include "protocol/response_writer.h"

namespace serving::protocol {

// Reads the body of POST …/generate and …/generate_stream: one JSON object. `id` is the request's
// id, members named like an input of `plan` become that tensor, all others become parameters, and
// so do the members of the object `parameters`.
//
// A tensor is a value or a list of values; its shape follows from the plan's: fixed dimensions are
// divided out, the innermost free one takes the rest, further free ones are 1.
//
//   text            must live as long as the request, in its body
//   max_json_bytes  most bytes of the text and of each tensor
//   request         slots, deadline and sink are left alone
base::Status ReadGenerateRequest(std::string_view text, size_t max_json_bytes,
                                 base::BufferAllocator& allocator, const core::ModelPlan& plan,
                                 core::InferRequest& request,
                                 Real16Json real16 = Real16Json::kRefused);

}  // namespace serving::protocol
