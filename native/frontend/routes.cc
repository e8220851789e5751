// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/routes.h"

#include <algorithm>

namespace serving::frontend {
namespace {

bool TakePrefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// Up to the next '/', which stays.
std::string_view TakeSegment(std::string_view& text) {
  const std::string_view segment = text.substr(0, text.find('/'));
  text.remove_prefix(segment.size());
  return segment;
}

bool IsDigits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::optional<std::string> PercentDecode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const int high = HexDigit(text[i + 1]);
    const int low = HexDigit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

Route MatchHttp(std::string_view path) {
  if (!TakePrefix(path, "/v2/")) return {};
  if (TakePrefix(path, "models/")) {
    Route route;
    route.model = TakeSegment(path);
    if (route.model.empty()) return {};
    if (TakePrefix(path, "/versions/")) {
      route.version = TakeSegment(path);
      if (!IsDigits(route.version)) return {};
    }
    if (path == "/infer") {
      route.kind = RouteKind::kInfer;
    } else if (path == "/generate") {
      route.kind = RouteKind::kGenerate;
    } else if (path == "/generate_stream") {
      route.kind = RouteKind::kGenerateStream;
    } else if (path == "/ready") {
      route.kind = RouteKind::kModelReady;
    }
    return route;
  }
  if (path == "health/live") return {.kind = RouteKind::kLive, .model = {}, .version = {}};
  if (path == "health/ready") return {.kind = RouteKind::kReady, .model = {}, .version = {}};
  return {};
}

Route MatchGrpc(std::string_view path) {
  const auto kind_of = [](std::string_view method) {
    if (method == "ModelInfer") return RouteKind::kInfer;
    if (method == "ServerLive") return RouteKind::kLive;
    if (method == "ServerReady") return RouteKind::kReady;
    if (method == "ModelReady") return RouteKind::kModelReady;
    return RouteKind::kControl;
  };
  if (TakePrefix(path, "/inference.GRPCInferenceService/")) {
    return {.kind = kind_of(path), .model = {}, .version = {}};
  }
  if (path == "/grpc.health.v1.Health/Check") {
    return {.kind = RouteKind::kHealthCheck, .model = {}, .version = {}};
  }
  return {};
}

Route MatchMetrics(std::string_view path) {
  const bool is_metrics = path == "/metrics" || path == "/metrics/";
  return {
      .kind = is_metrics ? RouteKind::kMetrics : RouteKind::kNothing, .model = {}, .version = {}};
}

}  // namespace serving::frontend
