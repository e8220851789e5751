// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/grpc_frame.h"

namespace serving::protocol {
namespace {

// Nanoseconds of one unit letter; 0 for no unit.
int64_t UnitNanoseconds(char unit) {
  switch (unit) {
    case 'H':
      return 3'600'000'000'000;
    case 'M':
      return 60'000'000'000;
    case 'S':
      return 1'000'000'000;
    case 'm':
      return 1'000'000;
    case 'u':
      return 1'000;
    case 'n':
      return 1;
    default:
      return 0;
  }
}

}  // namespace

std::optional<GrpcPrefix> ParseGrpcPrefix(std::span<const std::byte, kGrpcPrefixBytes> bytes) {
  const auto at = [&](size_t i) { return static_cast<uint32_t>(bytes[i]); };
  if (at(0) > 1) return std::nullopt;
  return GrpcPrefix{at(0) == 1, at(1) << 24 | at(2) << 16 | at(3) << 8 | at(4)};
}

std::array<std::byte, kGrpcPrefixBytes> WriteGrpcPrefix(GrpcPrefix prefix) {
  const auto byte = [](uint32_t value) { return static_cast<std::byte>(value); };
  return {byte(prefix.compressed ? 1 : 0), byte(prefix.length >> 24), byte(prefix.length >> 16),
          byte(prefix.length >> 8), byte(prefix.length)};
}

std::optional<base::Nanoseconds> ParseGrpcTimeout(std::string_view text) {
  constexpr size_t kMaxDigits = 8;
  if (text.size() < 2 || text.size() > kMaxDigits + 1) return std::nullopt;
  const int64_t unit = UnitNanoseconds(text.back());
  if (unit == 0) return std::nullopt;
  int64_t value = 0;
  for (const char c : text.substr(0, text.size() - 1)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  // 99999999 hours pass 2^63 nanoseconds: such a deadline never comes.
  int64_t nanoseconds;
  if (__builtin_mul_overflow(value, unit, &nanoseconds)) return base::Nanoseconds::max();
  return base::Nanoseconds(nanoseconds);
}

}  // namespace serving::protocol
