// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "cache/siphash.h"

#include <bit>

namespace serving::cache {

static_assert(std::endian::native == std::endian::little);

SipHash::SipHash(const std::array<uint64_t, 2>& key)
    : v0_(key[0] ^ 0x736f6d6570736575),
      v1_(key[1] ^ 0x646f72616e646f6d ^ 0xee),
      v2_(key[0] ^ 0x6c7967656e657261),
      v3_(key[1] ^ 0x7465646279746573) {}

inline void SipHash::Round() {
  v0_ += v1_;
  v1_ = std::rotl(v1_, 13) ^ v0_;
  v0_ = std::rotl(v0_, 32);
  v2_ += v3_;
  v3_ = std::rotl(v3_, 16) ^ v2_;
  v0_ += v3_;
  v3_ = std::rotl(v3_, 21) ^ v0_;
  v2_ += v1_;
  v1_ = std::rotl(v1_, 17) ^ v2_;
  v2_ = std::rotl(v2_, 32);
}

inline void SipHash::Take(uint64_t word) {
  v3_ ^= word;
  Round();
  Round();
  v0_ ^= word;
}

void SipHash::Add(std::span<const std::byte> bytes) {
  const std::byte* at = bytes.data();
  size_t left = bytes.size();
  const size_t held = length_ % 8;
  length_ += left;
  if (held != 0) {
    size_t i = held;
    for (; i < 8 && left > 0; ++i, ++at, --left) tail_ |= static_cast<uint64_t>(*at) << (8 * i);
    if (i < 8) return;
    Take(tail_);
    tail_ = 0;
  }
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t word;
    std::memcpy(&word, at, sizeof word);
    Take(word);
  }
  for (size_t i = 0; i < left; ++i) tail_ |= static_cast<uint64_t>(at[i]) << (8 * i);
}

void SipHash::Add(uint64_t number) {
  if (length_ % 8 != 0) {
    Add(std::as_bytes(std::span(&number, 1)));
    return;
  }
  length_ += sizeof number;
  Take(number);
}

Hash128 SipHash::Finish() {
  Take(tail_ | length_ << 56);
  v2_ ^= 0xee;
  for (int i = 0; i < 4; ++i) Round();
  const uint64_t low = v0_ ^ v1_ ^ v2_ ^ v3_;
  v1_ ^= 0xdd;
  for (int i = 0; i < 4; ++i) Round();
  return {low, v0_ ^ v1_ ^ v2_ ^ v3_};
}

}  // namespace serving::cache
