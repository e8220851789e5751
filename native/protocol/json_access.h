// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/status.h"
#include "protocol/json_cursor.h"
#include "tensor/shape.h"

namespace serving::protocol {

// What was expected of a member of an infer body.
enum class Access : uint8_t { kMissing, kString, kArray, kBoolean, kUnsigned };

// "Unable to parse 'name': attempt to …", as the JSON library behind Triton words it.
base::Status Unable(std::string_view member, Access access, std::string_view verb = "parse");

// Read a checked value that must be a boolean or an unsigned integer.
base::Status TakeJsonFlag(std::string_view name, const JsonValue& value, bool& flag);
base::Status TakeJsonUnsigned(std::string_view name, const JsonValue& value, uint64_t& field);

// Reads a checked array of dimensions into an empty shape. Dimensions over 2^63-1 turn negative,
// which no model takes.
base::Status ReadJsonShape(const JsonValue& text, tensor::Shape& shape);

// The same for what is plainly a list of a few whole numbers; false, with `shape` in any state, for
// anything else.
bool ReadJsonShapeFast(const JsonValue& text, tensor::Shape& shape);

// Elements of the shape; nothing when `text_bytes` of JSON cannot hold that many (each takes a
// digit and a comma), so that no claim of a shape makes the server take memory.
std::optional<size_t> PossibleCount(const tensor::Shape& shape, size_t text_bytes);

}  // namespace serving::protocol
