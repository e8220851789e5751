// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/routes.h"

#include <algorithm>

namespace serving::frontend {
namespace {

bool IsDigits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// `{x}` with the text that follows it in the same segment.
bool MatchName(std::string_view& pattern, std::string_view& path, Route& route) {
  const char what = pattern[1];
  pattern.remove_prefix(3);
  const std::string_view behind = pattern.substr(0, pattern.find_first_of("/[]"));
  const std::string_view segment = path.substr(0, path.find('/'));
  if (segment.size() <= behind.size() || !segment.ends_with(behind)) return false;
  const std::string_view name = segment.substr(0, segment.size() - behind.size());
  if (what == 'v' && !IsDigits(name)) return false;
  if (what == 'm') route.model = name;
  if (what == 'v') route.version = name;
  path.remove_prefix(segment.size());
  pattern.remove_prefix(behind.size());
  return true;
}

// Parts in brackets do not nest, and a name stands at the end of its segment or before literal
// text.
bool Matches(std::string_view pattern, std::string_view path, Route& route) {
  while (!pattern.empty()) {
    switch (pattern.front()) {
      case '[': {
        const Route before = route;
        const size_t end = pattern.find(']');
        const std::string_view rest = pattern.substr(end + 1);
        // With the part: the bracket's end is skipped where it is met.
        if (Matches(pattern.substr(1), path, route)) return true;
        route = before;
        pattern = rest;
        break;
      }
      case ']':
        pattern.remove_prefix(1);
        break;
      case '{':
        if (!MatchName(pattern, path, route)) return false;
        break;
      default:
        if (path.empty() || path.front() != pattern.front()) return false;
        pattern.remove_prefix(1);
        path.remove_prefix(1);
    }
  }
  return path.empty();
}

const RouteRow* FindInferRow(Service service) {
  const auto rows = RouteTable();
  return &*std::ranges::find_if(rows, [&](const RouteRow& row) {
    return row.service == service && row.kind == RouteKind::kInfer;
  });
}

// `/v2/models/{m}[/versions/{v}]/infer` in a few comparisons; false = not that path.
bool MatchHttpInfer(std::string_view path, Route& route) {
  constexpr std::string_view kPrefix = "/v2/models/";
  constexpr std::string_view kSuffix = "/infer";
  constexpr std::string_view kVersions = "/versions/";
  if (!path.starts_with(kPrefix) || !path.ends_with(kSuffix)) return false;
  path.remove_prefix(kPrefix.size());
  const size_t slash = path.find('/');
  if (slash == 0 || slash == std::string_view::npos) return false;
  route.model = path.substr(0, slash);
  path.remove_prefix(slash);
  if (path.size() > kSuffix.size()) {
    if (!path.starts_with(kVersions)) return false;
    path.remove_prefix(kVersions.size());
    path.remove_suffix(std::min(path.size(), kSuffix.size()));
    if (!IsDigits(path)) return false;
    route.version = path;
  }
  static const RouteRow* const row = FindInferRow(Service::kHttp);
  route.row = row;
  route.kind = RouteKind::kInfer;
  return true;
}

}  // namespace

bool AllowsMethod(const RouteRow& row, std::string_view method) {
  const Methods asked = method == "GET"      ? kGet
                        : method == "POST"   ? kPost
                        : method == "PUT"    ? kPut
                        : method == "DELETE" ? kDelete
                                             : 0;
  return (row.methods & asked) != 0;
}

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

Route MatchRouteByTable(Service service, std::string_view path) {
  for (const RouteRow& row : RouteTable()) {
    if (row.service != service) continue;
    Route route{.kind = row.kind, .row = &row, .model = {}, .version = {}};
    const bool found = service == Service::kGrpc ? path == row.pattern
                       : row.pattern == "*"      ? true
                                                 : Matches(row.pattern, path, route);
    if (found) return route;
  }
  return {};
}

Route MatchRoute(Service service, std::string_view path) {
  Route route;
  if (service == Service::kHttp && MatchHttpInfer(path, route)) return route;
  static const RouteRow* const grpc_infer = FindInferRow(Service::kGrpc);
  if (service == Service::kGrpc && path == grpc_infer->pattern) {
    return {.kind = RouteKind::kInfer, .row = grpc_infer, .model = {}, .version = {}};
  }
  return MatchRouteByTable(service, path);
}

}  // namespace serving::frontend
