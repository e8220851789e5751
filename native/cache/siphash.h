// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace serving::cache {

// 128 bits of SipHash.
struct Hash128 {
  uint64_t low = 0;
  uint64_t high = 0;
  bool operator==(const Hash128&) const = default;
};

// SipHash-2-4 with 128 bits of output (Aumasson and Bernstein), fed in pieces. Without the key
// nobody can find two inputs of one hash; with it, two of n inputs share one with a chance of about
// n²/2^129.
class SipHash {
 public:
  explicit SipHash(const std::array<uint64_t, 2>& key);

  void Add(std::span<const std::byte> bytes);
  void Add(uint64_t number);
  // Nothing may be added after it.
  Hash128 Finish();

 private:
  void Take(uint64_t word);
  void Round();

  uint64_t v0_, v1_, v2_, v3_;
  uint64_t tail_ = 0;  // bytes that are no whole word yet, the first the lowest
  uint64_t length_ = 0;
};

}  // namespace serving::cache
