// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "base/status.h"
#include "core/infer_request.h"

namespace serving::protocol {

// What one request may hold. A tensor or parameter costs the server far more than the few bytes
// that name it on the wire, so their numbers are bounded before memory is taken.
inline constexpr size_t kMaxTensors = 4096;  // inputs, and likewise outputs
inline constexpr size_t kMaxParameters = 1024;
inline constexpr size_t kMaxTextCorrelationId = 128;

// The pieces one after the other.
inline std::string Join(std::initializer_list<std::string_view> pieces) {
  std::string text;
  for (const std::string_view piece : pieces) text.append(piece);
  return text;
}

base::Status TooManyOf(std::string_view what, size_t limit);
base::Status OutOfMemory(size_t bytes);
base::Status SharedMemoryDisabled();
base::Status TooLongCorrelationId();

// Where `name` stands in `parameters`, or nullptr.
core::Parameter* FindParameter(core::Parameters& parameters, std::string_view name);

// A JSON part, a tensor given as JSON, or a raw body over --http-max-input-size.
base::Status JsonTooLarge(size_t bytes, size_t limit);

// Appends `size` bytes at `data` to the input.
void AddPart(core::InputTensor& input, const std::byte* data, size_t size);

}  // namespace serving::protocol
