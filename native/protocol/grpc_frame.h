// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/clock.h"

namespace serving::protocol {

inline constexpr size_t kGrpcPrefixBytes = 5;

// The prefix of each message on a gRPC stream: compressed flag, then the length, big-endian.
struct GrpcPrefix {
  bool compressed = false;
  uint32_t length = 0;
};

// Nothing when the flag byte is neither 0 nor 1.
std::optional<GrpcPrefix> ParseGrpcPrefix(std::span<const std::byte, kGrpcPrefixBytes> bytes);
std::array<std::byte, kGrpcPrefixBytes> WriteGrpcPrefix(GrpcPrefix prefix);

// Value of the grpc-timeout header: 1 to 8 digits and one of H M S m u n. Nothing when malformed.
std::optional<base::Nanoseconds> ParseGrpcTimeout(std::string_view text);

}  // namespace serving::protocol
