// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <span>

#include "base/buffer.h"
#include "base/status.h"
#include "core/client_memory.h"
#include "core/infer_request.h"

namespace serving::protocol {

// Reads one serialized inference.ModelInferRequest in place: names, ids and raw tensors of
// `request` become views into `message`, which must live in `request.body` or `request.kept`. Typed
// contents are converted into buffers from `allocator`, kept in `request.kept`. Tensors may lie in
// `regions`, the shared memory of clients; null = switched off.
//
// Slots, deadline and sink are left alone; shapes and types are not held against a plan
// (engine/validate does). A message that is no protobuf gives Internal "Unable to parse request" as
// gRPC servers answer. With every other error model_name, model_version and id are set, so that an
// unknown model can be reported first.
base::Status ReadGrpcInferRequest(std::span<const std::byte> message,
                                  base::BufferAllocator& allocator, core::InferRequest& request,
                                  core::RegionSource* regions = nullptr);

}  // namespace serving::protocol
