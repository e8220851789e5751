// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace serving::base {

// FIPS 180-4.
using Sha256Digest = std::array<uint8_t, 32>;

Sha256Digest Sha256(std::string_view text);

}  // namespace serving::base
