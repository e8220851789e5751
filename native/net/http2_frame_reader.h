// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "net/nghttp2_abi.h"

namespace serving::net {

// The head of a frame as it stands on the wire (RFC 9113 §4.1).
struct Http2FrameHead {
  uint32_t length = 0;
  uint8_t type = 0;
  uint8_t flags = 0;
  int32_t stream_id = 0;
  // The first four payload bytes of PRIORITY and WINDOW_UPDATE, without their highest bit: the
  // stream depended on, the increment. 0 for other types and for shorter payloads.
  uint32_t value = 0;

  bool has(uint8_t flag) const { return (flags & flag) != 0; }
};

// Walks over the bytes of a connection from frame head to frame head, so that a frame can be judged
// before the library gets it. Starts in front of the client's preface.
//
// Pure; keeps the bytes of a head that has not come whole, nothing else.
class Http2FrameReader {
 public:
  // Cuts bytes off the front of `data` up to and with the next head. False when none ends in it:
  // `data` then holds the first bytes of a head, which are kept here and are not to be given again.
  bool Next(std::span<const std::byte>& data) {
    if (payload_left_ > 0) {
      const size_t n = payload_left_ < data.size() ? payload_left_ : data.size();
      payload_left_ -= n;
      data = data.subspan(n);
      if (payload_left_ > 0) return false;
    }
    if (gathered_ == 0 && data.size() >= kHeadBytes) {
      const size_t size = SizeOf(data.data());
      if (data.size() >= size) {
        Parse(data.data(), size);
        data = data.subspan(size);
        held_size_ = 0;
        return true;
      }
    }
    return !data.empty() && Gather(data);
  }

  // After Next was true.
  const Http2FrameHead& head() const { return head_; }
  // The last bytes began something that is due in full: the client's preface, a frame that is no
  // DATA, or a field block, whose last frame is yet to come.
  bool is_in_between() const {
    if (gathered_ > 0) return true;
    if (head_bytes_ == 0) return payload_left_ > 0;
    if (head_.type == nghttp2::kFrameData) return false;
    const bool is_block =
        head_.type == nghttp2::kFrameHeaders || head_.type == nghttp2::kFrameContinuation;
    return payload_left_ > 0 || (is_block && !head_.has(nghttp2::kFlagEndHeaders));
  }
  // Bytes of the head, with those of `value`; the payload's rest follows.
  size_t head_bytes() const { return head_bytes_; }
  // The head's bytes if it began in earlier data; empty when it lay in the last data as a whole.
  std::span<const std::byte> held() const { return {held_.data(), held_size_}; }

 private:
  static constexpr size_t kHeadBytes = 9;
  static constexpr size_t kValueBytes = 4;
  static constexpr size_t kMostBytes = kHeadBytes + kValueBytes;
  static constexpr size_t kPrefaceBytes = 24;

  static uint32_t Number(const std::byte* at, size_t bytes) {
    uint32_t value = 0;
    for (size_t i = 0; i < bytes; ++i) value = value << 8 | std::to_integer<uint32_t>(at[i]);
    return value;
  }
  // How many bytes a head has that starts like this; `at` has at least kHeadBytes.
  static size_t SizeOf(const std::byte* at) {
    const auto type = std::to_integer<uint8_t>(at[3]);
    const bool has_value =
        (type == nghttp2::kFramePriority || type == nghttp2::kFrameWindowUpdate) &&
        Number(at, 3) >= kValueBytes;
    return has_value ? kMostBytes : kHeadBytes;
  }
  void Parse(const std::byte* at, size_t size) {
    constexpr uint32_t kLow31 = 0x7fffffff;
    head_.length = Number(at, 3);
    head_.type = std::to_integer<uint8_t>(at[3]);
    head_.flags = std::to_integer<uint8_t>(at[4]);
    head_.stream_id = static_cast<int32_t>(Number(at + 5, 4) & kLow31);
    head_.value = size > kHeadBytes ? Number(at + kHeadBytes, kValueBytes) & kLow31 : 0;
    head_bytes_ = size;
    payload_left_ = head_.length - (size - kHeadBytes);
  }
  // For a head that lies in several reads.
  bool Gather(std::span<const std::byte>& data);

  Http2FrameHead head_;
  size_t payload_left_ = kPrefaceBytes;
  size_t head_bytes_ = 0;
  size_t gathered_ = 0;  // bytes of a head that is not whole
  size_t held_size_ = 0;
  std::array<std::byte, kMostBytes> held_{};
};

}  // namespace serving::net
