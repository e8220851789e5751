// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/forwarding.h"

#include <algorithm>
#include <optional>
#include <string_view>

namespace serving::frontend {
namespace {

// What the two protocols, or the server, read from a request's parameters.
constexpr std::string_view kReserved[] = {"sequence_id",       "sequence_start", "sequence_end",
                                          "priority",          "timeout",        "headers",
                                          "binary_data_output"};
constexpr std::string_view kTritonPrefix = "triton_";
// Metadata of its own meaning, which clients send to any server: passed over, not refused.
constexpr std::string_view kStreamErrors = "triton_grpc_error";

// What grpc keeps to itself: no metadata of the call.
bool IsTransportField(std::string_view name) {
  return name == "te" || name == "content-type" || name == "host" || name.starts_with("grpc-");
}

bool IsReserved(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return lower.starts_with(kTritonPrefix) ||
         std::ranges::find(kReserved, lower) != std::end(kReserved);
}

int Base64Digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return -1;
}

// With or without padding, as gRPC's binary metadata may be; what is no base64 stays as it is.
std::string DecodeBase64(std::string_view text) {
  std::string_view digits = text;
  while (digits.ends_with('=')) digits.remove_suffix(1);
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : digits) {
    const int digit = Base64Digit(c);
    if (digit < 0) return std::string(text);
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>(bits >> count & 0xff);
    }
  }
  return bytes;
}

}  // namespace

ForwardedHeaders HeadersToForward(const net::RequestHead& head, const base::Pattern& pattern,
                                  bool is_grpc) {
  ForwardedHeaders found;
  for (size_t i = 0; i < head.headers.size(); ++i) {
    const net::Header& header = head.headers[i];
    const std::string_view name =
        i < head.written_names.size() ? head.written_names[i] : header.name;
    if (is_grpc && (IsTransportField(name) || name == kStreamErrors)) continue;
    if (!pattern.MatchesPartOf(name)) continue;
    const bool is_binary = is_grpc && name.ends_with("-bin");
    found.emplace_back(name, is_binary ? DecodeBase64(header.value) : std::string(header.value));
  }
  if (is_grpc) {
    std::ranges::stable_sort(found, {}, &ForwardedHeaders::value_type::first);
  }
  return found;
}

base::Status CheckForwarded(const ForwardedHeaders& headers) {
  for (const auto& [name, value] : headers) {
    if (!IsReserved(name)) continue;
    return base::InvalidArgument("header '" + name +
                                 "' cannot be forwarded: the parameter of that name is reserved "
                                 "for Triton usage and should not be specified.");
  }
  return {};
}

void AddForwarded(const ForwardedHeaders& headers, core::InferRequest& request) {
  for (const auto& [name, value] : headers) {
    request.parameters.push_back(
        {.name = request.arena.Keep(name), .value = request.arena.Keep(value)});
  }
}

}  // namespace serving::frontend
