// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "frontend/call.h"
#include "net/exchange.h"

namespace serving::frontend {

// The head of every HTTP answer, with what the call's origin adds to it: CORS. One branch where
// nothing is added.
void SendHttpHead(Call& call, int status, std::span<const net::Header> headers,
                  std::optional<uint64_t> content_length);

}  // namespace serving::frontend
