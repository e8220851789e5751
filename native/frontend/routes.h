// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace serving::frontend {

// What a listener serves; the tag that net hands back with every request.
enum class Service : uint16_t { kHttp, kGrpc, kMetrics };

enum class RouteKind : uint8_t {
  kControl,         // TypeScript answers
  kInfer,           // /v2/models/{m}[/versions/{v}]/infer, ModelInfer
  kGenerate,        // /v2/models/{m}[/versions/{v}]/generate
  kGenerateStream,  // …/generate_stream
  kLive,            // health, answered from the dispatch table
  kReady,
  kModelReady,
  kHealthCheck,  // grpc.health.v1
  kMetrics,
  kNothing,  // metrics port, any other path: 200 and an empty body, as Triton
};

// Names are views into the path.
struct Route {
  RouteKind kind = RouteKind::kControl;
  std::string_view model;
  std::string_view version;
};

// The text with its %XX replaced; nothing when one is cut off or no hexadecimal number.
std::optional<std::string> PercentDecode(std::string_view text);

// Full match on the path, no trailing slash tolerated (except /metrics/), versions are digits, a
// model name is anything without '/'.
Route MatchHttp(std::string_view path);
Route MatchGrpc(std::string_view path);
Route MatchMetrics(std::string_view path);

}  // namespace serving::frontend
