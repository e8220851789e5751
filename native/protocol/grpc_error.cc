// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/grpc_error.h"

#include <cstddef>

namespace serving::protocol {

void AppendGrpcMessage(std::string& out, std::string_view message) {
  constexpr size_t kMaxBytes = 4096;
  constexpr char kHex[] = "0123456789ABCDEF";
  const size_t limit = out.size() + kMaxBytes;
  for (const char c : message) {
    if (out.size() + 3 > limit) return;
    if (c >= ' ' && c <= '~' && c != '%') {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
}

}  // namespace serving::protocol
