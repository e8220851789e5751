// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace serving::net {

// Whether a byte is below 0x20 or 0x7f: what a header's value must not hold, and HTAB. Eight bytes
// at a time.
inline bool HasControls(std::string_view text) {
  constexpr uint64_t kOnes = 0x0101010101010101u;
  constexpr uint64_t kHighs = 0x8080808080808080u;
  const auto has_controls = [](uint64_t bytes) {
    const uint64_t low = (bytes - kOnes * 0x20) & ~bytes;
    const uint64_t not_delete = bytes ^ (kOnes * 0x7f);
    return ((low | ((not_delete - kOnes) & ~not_delete)) & kHighs) != 0;
  };
  uint64_t bytes;
  size_t at = 0;
  for (; text.size() - at >= sizeof(bytes); at += sizeof(bytes)) {
    std::memcpy(&bytes, text.data() + at, sizeof(bytes));
    if (has_controls(bytes)) return true;
  }
  for (; at < text.size(); ++at) {
    const auto byte = static_cast<uint8_t>(text[at]);
    if (byte < 0x20 || byte == 0x7f) return true;
  }
  return false;
}

}  // namespace serving::net
