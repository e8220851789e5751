// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

namespace serving::protocol {

// A number's extent in a text of unknown worth. `error` null: `end` is behind it; else `end` is
// where the error is.
struct JsonNumberScan {
  const char* end;
  const char* error;
};

// RFC 8259 numbers, and NaN, Inf, Infinity with an optional minus. Numbers too large for a double
// are errors, numbers too small become 0.
JsonNumberScan ScanJsonNumber(const char* at, const char* end);

// What a checked number means: integers without fraction and exponent keep 64 bits, exactly;
// negative ones and those up to 2^63-1 are signed. Nothing when the text is no number at all (a
// literal, a string, an object).
using JsonNumber = std::variant<int64_t, uint64_t, double>;
std::optional<JsonNumber> ReadJsonNumber(std::string_view text);

std::optional<int64_t> AsSigned(const std::optional<JsonNumber>& number);
std::optional<uint64_t> AsUnsigned(const std::optional<JsonNumber>& number);
std::optional<double> AsReal(const std::optional<JsonNumber>& number);

// The fast readers of numbers in arrays. They return the end of the number, or null for whatever
// they do not handle (errors as well as valid text such as NaN or 20 digits), which is then left to
// ReadJsonNumber. What they do handle they read as ReadJsonNumber would.
const char* ReadRealFast(const char* at, const char* end, double& value);
const char* ReadSignedFast(const char* at, const char* end, int64_t& value);
const char* ReadUnsignedFast(const char* at, const char* end, uint64_t& value);

}  // namespace serving::protocol
