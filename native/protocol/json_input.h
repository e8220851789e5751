// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>

#include "base/buffer.h"
#include "base/status.h"
#include "core/infer_request.h"
#include "protocol/json_cursor.h"
#include "protocol/response_writer.h"

namespace serving::protocol {

// Reads a checked array as the elements of `input`, whose name, type and shape are set, into memory
// from `allocator` that `request` keeps. Takes no more memory than the text can fill and at most
// `max_json_bytes`.
base::Status TakeJsonData(const JsonValue& data, size_t max_json_bytes,
                          base::BufferAllocator& allocator, Real16Json real16,
                          core::InferRequest& request, core::InputTensor& input);

}  // namespace serving::protocol
