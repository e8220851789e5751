// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "tensor/real16.h"

#include <bit>
#include <cmath>
#include <limits>

namespace serving::tensor {
namespace {

constexpr int kDoubleFraction = 52;
constexpr int kDoubleBias = 1023;
constexpr int kDoubleMaxExponent = 0x7ff;

// IEEE 754 with one bit of sign, kExponent of exponent and kFraction of fraction.
template <int kExponent, int kFraction>
uint16_t Round(double value) {
  static_assert(1 + kExponent + kFraction == 16);
  constexpr int kBias = (1 << (kExponent - 1)) - 1;
  constexpr auto kInfinity = static_cast<uint16_t>(((1 << kExponent) - 1) << kFraction);
  constexpr auto kQuiet = static_cast<uint16_t>(1 << (kFraction - 1));
  const auto bits = std::bit_cast<uint64_t>(value);
  const auto sign = static_cast<uint16_t>(bits >> 63 << 15);
  const int biased = static_cast<int>(bits >> kDoubleFraction) & kDoubleMaxExponent;
  const uint64_t fraction = bits & ((uint64_t{1} << kDoubleFraction) - 1);
  if (biased == kDoubleMaxExponent) {
    return static_cast<uint16_t>(sign | kInfinity | (fraction != 0 ? kQuiet : 0));
  }
  const int exponent = biased - kDoubleBias;
  if (exponent > kBias) return static_cast<uint16_t>(sign | kInfinity);
  int dropped = kDoubleFraction - kFraction;
  uint32_t rounded = 0;
  if (exponent >= 1 - kBias) {
    // The implicit bit below adds the last 1 of the exponent.
    rounded = static_cast<uint32_t>(exponent + kBias - 1) << kFraction;
  } else {
    dropped += 1 - kBias - exponent;
    // Less than half of the smallest number; that of a double that is itself subnormal as well.
    if (dropped > kDoubleFraction + 1) return sign;
  }
  const uint64_t significand = fraction | uint64_t{1} << kDoubleFraction;
  const uint64_t kept = significand >> dropped;
  const uint64_t rest = significand & ((uint64_t{1} << dropped) - 1);
  const uint64_t half = uint64_t{1} << (dropped - 1);
  const bool is_up = rest > half || (rest == half && (kept & 1) != 0);
  // A carry runs into the exponent, where it belongs; beyond the largest number it makes infinity.
  rounded += static_cast<uint32_t>(kept) + is_up;
  return static_cast<uint16_t>(sign | rounded);
}

}  // namespace

Fp16::Fp16(double value) : bits(Round<5, 10>(value)) {}

Fp16::operator float() const {
  constexpr int kFraction = 10;
  constexpr int kBias = 15;
  const int exponent = bits >> kFraction & 0x1f;
  const int fraction = bits & 0x3ff;
  float magnitude;
  if (exponent == 0x1f) {
    magnitude = fraction != 0 ? std::numeric_limits<float>::quiet_NaN()
                              : std::numeric_limits<float>::infinity();
  } else if (exponent == 0) {
    magnitude = std::ldexp(static_cast<float>(fraction), 1 - kBias - kFraction);
  } else {
    magnitude =
        std::ldexp(static_cast<float>(fraction | 1 << kFraction), exponent - kBias - kFraction);
  }
  return (bits >> 15) != 0 ? -magnitude : magnitude;
}

Bf16::Bf16(double value) : bits(Round<8, 7>(value)) {}

Bf16::operator float() const { return std::bit_cast<float>(uint32_t{bits} << 16); }

}  // namespace serving::tensor
