// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/http2_frame_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace serving::net {

bool Http2FrameReader::Gather(std::span<const std::byte>& data) {
  std::span<const std::byte> rest = data;
  while (true) {
    const size_t wanted = gathered_ < kHeadBytes ? kHeadBytes : SizeOf(held_.data());
    if (gathered_ == wanted) break;
    if (rest.empty()) return false;
    const size_t n = std::min(wanted - gathered_, rest.size());
    std::memcpy(held_.data() + gathered_, rest.data(), n);
    gathered_ += n;
    rest = rest.subspan(n);
  }
  data = rest;
  held_size_ = std::exchange(gathered_, 0);
  Parse(held_.data(), held_size_);
  return true;
}

}  // namespace serving::net
