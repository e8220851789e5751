// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "frontend/route_table.h"

namespace serving::frontend {

// Names are views into the path.
struct Route {
  RouteKind kind = RouteKind::kUnknown;
  const RouteRow* row = nullptr;  // null when unknown
  std::string_view model;
  std::string_view version;
};

bool AllowsMethod(const RouteRow& row, std::string_view method);

// The text with its %XX replaced; nothing when one is cut off or no hexadecimal number.
std::optional<std::string> PercentDecode(std::string_view text);

// The first row of the service whose pattern is the whole path.
Route MatchRoute(Service service, std::string_view path);

// All rows one after the other, without the short way for infer calls: what MatchRoute must agree
// with.
Route MatchRouteByTable(Service service, std::string_view path);

}  // namespace serving::frontend
