// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/answer_head.h"

#include <string_view>
#include <vector>

namespace serving::frontend {
namespace {

// What scripts may read beside the few that every browser shows.
constexpr std::string_view kExposed =
    "inference-header-content-length, content-encoding, retry-after, www-authenticate, "
    "server-timing, endpoint-load-metrics";

}  // namespace

void SendHttpHead(Call& call, int status, std::span<const net::Header> headers,
                  std::optional<uint64_t> content_length) {
  call.answer_status = status;
  if (!call.varies_by_origin && call.allowed_origin.empty()) [[likely]] {
    call.stream->SendHead(status, headers, content_length);
    return;
  }
  std::vector<net::Header> all(headers.begin(), headers.end());
  if (call.varies_by_origin) all.push_back({"vary", "origin"});
  if (!call.allowed_origin.empty()) {
    all.push_back({"access-control-allow-origin", call.allowed_origin});
    all.push_back({"access-control-expose-headers", kExposed});
  }
  call.stream->SendHead(status, all, content_length);
}

}  // namespace serving::frontend
