// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/routes.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace serving::frontend {
namespace {

// Every path a row's pattern stands for: with and without each part in brackets.
std::vector<std::string> Examples(std::string_view pattern) {
  if (pattern == "*") return {"/anything"};
  const size_t open = pattern.find('[');
  if (open != std::string_view::npos) {
    const size_t close = pattern.find(']');
    std::vector<std::string> examples;
    for (const std::string_view part :
         {std::string_view(), pattern.substr(open + 1, close - open - 1)}) {
      std::string one(pattern.substr(0, open));
      one.append(part).append(pattern.substr(close + 1));
      for (std::string& example : Examples(one)) examples.push_back(std::move(example));
    }
    return examples;
  }
  std::string text(pattern);
  for (const auto& [what, value] : {std::pair("{m}", "my.model"), {"{r}", "name"}, {"{v}", "12"}}) {
    for (size_t at = text.find(what); at != std::string::npos; at = text.find(what)) {
      text.replace(at, 3, value);
    }
  }
  return {text};
}

TEST(RouteTable, FindsEveryRowByItsOwnPattern) {
  for (const RouteRow& row : RouteTable()) {
    for (const std::string& path : Examples(row.pattern)) {
      const Route route = MatchRoute(row.service, path);
      ASSERT_EQ(route.row, &row) << path;
      EXPECT_EQ(route.kind, row.kind) << path;
      const bool names_model = row.pattern.find("{m}") != std::string_view::npos;
      EXPECT_EQ(route.model, names_model ? "my.model" : "") << path;
      EXPECT_EQ(route.version, path.find("/12") == std::string::npos ? "" : "12") << path;
    }
  }
}

TEST(RouteTable, HasAPolicyForEveryRow) {
  for (const RouteRow& row : RouteTable()) {
    EXPECT_NE(row.api, Api::kNone) << row.pattern;
    EXPECT_NE(row.scope, Scope::kNone) << row.pattern;
    // What anybody may use changes nothing and answers without a look at a model's data.
    EXPECT_FALSE(row.scope == Scope::kPublic && row.changes_state) << row.pattern;
    EXPECT_TRUE(!row.changes_state || row.scope == Scope::kManage) << row.pattern;
  }
}

TEST(MatchRoute, TakesTheShortWayOnlyWhereTheTableGoes) {
  for (const std::string path :
       {"/v2/models/m/infer", "/v2/models/m/versions/3/infer", "/v2/models//infer",
        "/v2/models/m/versions//infer", "/v2/models/m/versions/infer",
        "/v2/models/m/versions/3x/infer", "/v2/models/infer", "/v2/models/infer/infer",
        "/v2/models/m/versions/3/4/infer", "/v2/models/m//infer", "/v2/models/m/infer/",
        "/v2/models/versions/infer", "/v2/models/versions/versions/1/infer",
        "/v2/models/a%2Fb/infer", "/v2/models/m/x/infer"}) {
    const Route quick = MatchRoute(Service::kHttp, path);
    const Route slow = MatchRouteByTable(Service::kHttp, path);
    EXPECT_EQ(quick.row, slow.row) << path;
    EXPECT_EQ(quick.model, slow.model) << path;
    EXPECT_EQ(quick.version, slow.version) << path;
  }
}

TEST(MatchRoute, KnowsNoOtherPath) {
  for (const std::string path :
       {"", "//", "/v2/", "/v2/nope", "/v1", "/v1/models/", "/v2/models/", "/v2/models/m/",
        "/v2/models/m/nope", "/v2/models/m/versions/1/trace/setting", "/v2/models/m/versions/x",
        "/v2/health", "/v2/health/live/", "/v2/repository/models/m", "/v2/repository/a/b/index",
        "/metrics", "/V2", "//v2"}) {
    EXPECT_EQ(MatchRoute(Service::kHttp, path).row, nullptr) << path;
  }
  for (const std::string path :
       {"/inference.GRPCInferenceService/Nope", "/inference.GRPCInferenceService/", "ModelInfer",
        "/x.GRPCInferenceService/ModelInfer", "*"}) {
    EXPECT_EQ(MatchRoute(Service::kGrpc, path).row, nullptr) << path;
  }
}

TEST(MatchRoute, PutsStatisticsOfAllModelsBeforeAModelOfThatName) {
  EXPECT_EQ(MatchRoute(Service::kHttp, "/v2/models/stats").row->api, Api::kStatistics);
  EXPECT_EQ(MatchRoute(Service::kHttp, "/v2/models/stats/infer").model, "stats");
}

TEST(PercentDecode, ReadsEscapesAndRefusesBrokenOnes) {
  EXPECT_EQ(PercentDecode("a%20b%2f"), "a b/");
  EXPECT_EQ(PercentDecode("%4"), std::nullopt);
  EXPECT_EQ(PercentDecode("%zz"), std::nullopt);
}

}  // namespace
}  // namespace serving::frontend
