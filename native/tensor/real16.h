// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>

namespace serving::tensor {

// The 16-bit reals, as the two bytes of a tensor. Made from a double by one rounding to nearest,
// ties to even; what is too large becomes infinite, as in numpy.

// IEEE 754 binary16: 5 bits of exponent, 10 of fraction.
struct Fp16 {
  Fp16() = default;
  explicit Fp16(double value);
  explicit operator float() const;

  uint16_t bits;
};

// The upper half of a binary32: 8 bits of exponent, 7 of fraction.
struct Bf16 {
  Bf16() = default;
  explicit Bf16(double value);
  explicit operator float() const;

  uint16_t bits;
};

}  // namespace serving::tensor
