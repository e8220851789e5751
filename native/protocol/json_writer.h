// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "protocol/response_writer.h"
#include "tensor/data_type.h"
#include "tensor/real16.h"

namespace serving::protocol {

// Characters that no number needs more than.
inline constexpr size_t kMaxNumberChars = 32;

// Writers of one number at a place with kMaxNumberChars of room; they return the end. Reals get the
// fewest digits that read back as the same value of their type, always with a point or an exponent,
// and NaN, Infinity, -Infinity as bare words.
char* WriteJsonNumber(float value, char* out);
char* WriteJsonNumber(double value, char* out);
char* WriteJsonNumber(tensor::Fp16 value, char* out);
char* WriteJsonNumber(tensor::Bf16 value, char* out);
char* WriteJsonNumber(int64_t value, char* out);
char* WriteJsonNumber(uint64_t value, char* out);

// Room that the quoted, escaped text may need.
inline size_t JsonStringCapacity(std::string_view text) { return 6 * text.size() + 2; }
// Writes the quoted, escaped text at a place with that much room. The text is UTF-8 already.
char* WriteJsonString(std::string_view text, char* out);

inline void AppendJsonString(ResponseWriter& out, std::string_view text) {
  out.Commit(WriteJsonString(text, out.Reserve(JsonStringCapacity(text))));
}

// How the elements of a tensor stand in JSON: `[1,2,3]`, or without brackets, for a tensor of one
// element.
enum class JsonForm : uint8_t { kList, kValue };

// Appends all elements of a dense tensor (not BYTES), row-major, flat.
void AppendJsonNumbers(ResponseWriter& out, tensor::DataType type, std::span<const std::byte> data,
                       JsonForm form = JsonForm::kList);

// Appends the elements of a BYTES tensor, quoted. False when one is no UTF-8 or cut off.
bool AppendJsonBytes(ResponseWriter& out, std::span<const std::byte> data,
                     JsonForm form = JsonForm::kList);

}  // namespace serving::protocol
