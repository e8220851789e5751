// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "tensor/real16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace serving::tensor {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <typename Real>
double Value(uint32_t bits) {
  Real real;
  real.bits = static_cast<uint16_t>(bits);
  return static_cast<double>(static_cast<float>(real));
}

template <typename Real>
class Real16 : public testing::Test {};
using Both = testing::Types<Fp16, Bf16>;
TYPED_TEST_SUITE(Real16, Both);

TYPED_TEST(Real16, KeepsEveryValue) {
  for (uint32_t bits = 0; bits <= UINT16_MAX; ++bits) {
    const double value = Value<TypeParam>(bits);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(Value<TypeParam>(TypeParam(value).bits))) << bits;
    } else {
      EXPECT_EQ(TypeParam(value).bits, bits);
    }
  }
}

// Between each two neighbours, on both sides of zero.
TYPED_TEST(Real16, RoundsToNearestTiesToEven) {
  for (uint32_t bits = 0; std::isfinite(Value<TypeParam>(bits)); ++bits) {
    const double low = Value<TypeParam>(bits);
    double high = Value<TypeParam>(bits + 1);
    // The largest number's neighbour would be as far above it as its other one is below.
    if (std::isinf(high)) high = 2 * low - Value<TypeParam>(bits - 1);
    const double middle = low + (high - low) / 2;
    const auto even = static_cast<uint16_t>(bits % 2 == 0 ? bits : bits + 1);
    for (const uint16_t sign : {0, 0x8000}) {
      const double unit = sign == 0 ? 1 : -1;
      EXPECT_EQ(TypeParam(unit * middle).bits, sign | even) << middle;
      EXPECT_EQ(TypeParam(unit * std::nextafter(middle, 0)).bits, sign | bits) << middle;
      EXPECT_EQ(TypeParam(unit * std::nextafter(middle, kInfinity)).bits, sign | (bits + 1))
          << middle;
    }
  }
}

TYPED_TEST(Real16, OverflowsToInfinityAndUnderflowsToZero) {
  for (const double large : {1e300, 1e39, kInfinity}) {
    EXPECT_EQ(Value<TypeParam>(TypeParam(large).bits), kInfinity);
    EXPECT_EQ(Value<TypeParam>(TypeParam(-large).bits), -kInfinity);
  }
  for (const double small : {1e-300, 5e-324, 0.0}) {
    EXPECT_EQ(TypeParam(small).bits, 0);
    EXPECT_EQ(TypeParam(-small).bits, 0x8000);
  }
}

TEST(Fp16, HasTheValuesOfTheStandard) {
  EXPECT_EQ(Fp16(1).bits, 0x3c00);
  EXPECT_EQ(Fp16(-2).bits, 0xc000);
  EXPECT_EQ(Fp16(65504).bits, 0x7bff);
  EXPECT_EQ(Fp16(65519.99).bits, 0x7bff);
  EXPECT_EQ(Fp16(65520).bits, 0x7c00);
  EXPECT_EQ(Fp16(0.1).bits, 0x2e66);
  EXPECT_EQ(Fp16(std::ldexp(1, -24)).bits, 1);
  EXPECT_EQ(Fp16(std::nan("")).bits & 0x7fff, 0x7e00);
}

TEST(Bf16, HasTheValuesOfTheUpperHalf) {
  EXPECT_EQ(Bf16(1).bits, 0x3f80);
  EXPECT_EQ(Bf16(3.14).bits, 0x4049);
  EXPECT_EQ(Bf16(3.3895313892515355e38).bits, 0x7f7f);
  EXPECT_EQ(Bf16(3.4028234663852886e38).bits, 0x7f80);
  EXPECT_EQ(Bf16(std::nan("")).bits & 0x7fff, 0x7fc0);
}

}  // namespace
}  // namespace serving::tensor
