// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace serving::protocol {

// Offset of the first byte that does not belong to well-formed UTF-8 (RFC 3629: no surrogates,
// nothing overlong, nothing above U+10FFFF); text.size() when all of it is well-formed.
size_t Utf8Prefix(std::string_view text);

inline bool IsUtf8(std::string_view text) { return Utf8Prefix(text) == text.size(); }

// Writes `code_point` (a scalar value) to `out`, 1 to 4 bytes; returns the end.
char* WriteUtf8(char32_t code_point, char* out);

// `text` with every byte that is not part of well-formed UTF-8 replaced by U+FFFD.
std::string ToUtf8(std::string_view text);

}  // namespace serving::protocol
