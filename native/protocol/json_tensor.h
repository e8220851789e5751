// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>

#include "base/status.h"
#include "protocol/json_cursor.h"
#include "tensor/data_type.h"

namespace serving::protocol {

// The `data` of an input, nested or flat, as the bytes of a row-major tensor. Integers are cut to
// the datatype's width and the nesting is not held against the shape, as Triton does.

// Reads an unchecked array straight into `out`, which has room for `count` elements. Returns its
// end; null, with `out` in any state, when the text is not plainly `count` elements of this type:
// then the readers below say why.
const char* ReadJsonTensorFast(const char* at, const char* end, tensor::DataType type, size_t count,
                               std::byte* out);

// The same for a checked array of any worth: the plain twin of the fast reader, and the one that
// explains.
base::Status ReadJsonTensor(const JsonValue& data, tensor::DataType type, size_t count,
                            std::byte* out);

// Room that the BYTES tensor of a checked array may need.
inline size_t JsonBytesCapacity(const JsonValue& data) {
  // An element of n bytes takes at least n + 3 characters ("…",) and 4 + n bytes.
  return data.text().size() + data.text().size() / 3 + 1;
}

// Reads strings, however many, into `out`; gives the bytes written.
base::Result<size_t> ReadJsonBytes(const JsonValue& data, std::byte* out);

}  // namespace serving::protocol
