// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "base/buffer.h"
#include "base/status.h"
#include "core/client_memory.h"
#include "core/infer_request.h"
#include "core/model_plan.h"
#include "protocol/response_writer.h"

namespace serving::protocol {

// Reads the body of POST …/infer: JSON, JSON with a binary tail, or one raw tensor.
//
// body: holds `size` bytes; becomes request.body, into which names and binary tensors point.
// header_length: value of Inference-Header-Content-Length; nothing = the whole body is JSON.
// Without JSON bytes (0, or an empty body) the body is one raw tensor.
//
// max_json_bytes: limit for the JSON part and for each tensor given as JSON.
//
// plan: names and types the single input of a raw request; null refuses such a request.
//
// request: model_name and model_version must be set (for error texts); slots, deadline and sink
// are left alone.
//
// regions: shared memory that tensors may lie in; null = switched off.
base::Status ReadHttpInferRequest(const base::BufferRef& body, size_t size,
                                  std::optional<std::string_view> header_length,
                                  size_t max_json_bytes, base::BufferAllocator& allocator,
                                  const core::ModelPlan* plan, core::InferRequest& request,
                                  Real16Json real16 = Real16Json::kRefused,
                                  core::RegionSource* regions = nullptr);

}  // namespace serving::protocol
