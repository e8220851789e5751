// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/pattern.h"
#include "frontend/forwarding.h"
#include "frontend/policy.h"
#include "fuzz/targets.h"

namespace serving::fuzz {
namespace {

constexpr size_t kLongestPattern = 64;
constexpr std::string_view kKey = "the-only-key-there-is";
constexpr std::string_view kSecret = "secret";

std::string_view TakeLine(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

frontend::PolicyRef MakePolicy() {
  using frontend::Api;
  frontend::PolicySpec spec;
  spec.restricted.push_back(
      {.is_grpc = false, .api = Api::kInference, .header = "k", .value = std::string(kSecret)});
  spec.restricted.push_back(
      {.is_grpc = true, .api = Api::kInference, .header = "k", .value = std::string(kSecret)});
  spec.needs_key = spec.takes_tokens = spec.has_management_port = true;
  spec.keys.push_back(
      {.digest = base::Sha256(kKey),
       .grant = base::MakeRef<frontend::Grant>(frontend::Grant::Bit(frontend::Scope::kInfer),
                                               std::vector<std::string>{"m", "team-*"})});
  return frontend::Policy::Compile(std::move(spec)).Take();
}

}  // namespace

// A pattern in the first line, names behind it.
void FuzzPattern(std::span<const uint8_t> data) {
  std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
  const std::string_view pattern = TakeLine(text).substr(0, kLongestPattern);
  const auto compiled = base::Pattern::Compile(pattern, true);
  const auto grouped = base::Pattern::Compile("(?:" + std::string(pattern) + ")", true);
  if (!compiled.ok()) {
    SERVING_CHECK(!compiled.status().message().empty(), "a refusal without a reason");
    return;
  }
  const bool found = compiled.value().MatchesPartOf(text);
  SERVING_CHECK(!grouped.ok() || grouped.value().MatchesPartOf(text) == found,
                "a group changes what a pattern finds");
  SERVING_CHECK(!compiled.value().MatchesPartOf("") ||
                    compiled.value().MatchesPartOf("") ==
                        base::Pattern::Compile(pattern, false).value().MatchesPartOf(""),
                "case matters to an empty text");
}

// A path in the first line, `name:value` in those behind it.
void FuzzAccess(std::span<const uint8_t> data) {
  static const frontend::PolicyRef policy = MakePolicy();
  std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
  net::RequestHead head;
  head.path = TakeLine(text);
  std::vector<net::Header> headers;
  bool has_key = false;
  while (!text.empty()) {
    const std::string_view line = TakeLine(text);
    const size_t colon = std::min(line.find(':'), line.size());
    headers.push_back({line.substr(0, colon), line.substr(std::min(colon + 1, line.size()))});
    has_key = has_key || headers.back().value.ends_with(kKey);
  }
  head.headers = headers;
  using frontend::Service;
  for (const Service service : {Service::kHttp, Service::kGrpc, Service::kManagement}) {
    const bool is_grpc = service == Service::kGrpc;
    const Service table = is_grpc ? Service::kGrpc : Service::kHttp;
    const frontend::Route route = frontend::MatchRoute(table, head.path);
    if (route.row == nullptr) continue;
    const frontend::Admission admission = policy->Check(head, route, service, is_grpc);
    if (!admission.status.ok() || !admission.token.empty()) continue;
    SERVING_CHECK(has_key && admission.grant, "a request without the key was let in");
    SERVING_CHECK(
        route.row->scope == frontend::Scope::kInfer || route.row->scope == frontend::Scope::kPublic,
        "a key went beyond its scopes");
    const std::string model = frontend::NameOfModel(route, service);
    SERVING_CHECK(model.empty() || route.row->scope == frontend::Scope::kPublic || model == "m" ||
                      model.starts_with("team-"),
                  "a key went beyond its models");
    SERVING_CHECK(route.row->api != frontend::Api::kInference || head.Find("k") == kSecret,
                  "a restricted API was open");
    SERVING_CHECK(service == Service::kManagement || !IsManagement(*route.row),
                  "management away from its port");
  }
  static const base::Pattern everything = base::Pattern::Compile("", true).Take();
  const auto forwarded = frontend::HeadersToForward(head, everything, true);
  SERVING_CHECK(forwarded.size() <= headers.size(), "headers came from nowhere");
}

}  // namespace serving::fuzz
