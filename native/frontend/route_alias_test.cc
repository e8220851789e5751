// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/route_alias.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace serving::frontend {
namespace {

// A request head that lives as long as the test.
class Head {
 public:
  Head(std::string_view method, std::string_view path, std::vector<net::Header> headers = {})
      : headers_(std::move(headers)) {
    head_.method = method;
    head_.path = path;
    head_.headers = headers_;
  }
  const net::RequestHead& get() const { return head_; }

 private:
  std::vector<net::Header> headers_;
  net::RequestHead head_;
};

RouteAliasesRef Aliases() {
  return RouteAliases::Make({.ping_is_live = true,
                             .invocations_model = "default",
                             .invocations_kind = RouteKind::kGenerate,
                             .loaded = {"abc"},
                             .health_route = "/health",
                             .predict_route = "/predict",
                             .predict_model = "only"});
}

TEST(RouteAliases, MapsSagemakerPaths) {
  const RouteAliasesRef aliases = Aliases();
  struct Case {
    std::string_view method;
    std::string_view path;
    RouteKind kind;
    std::string_view model;
  };
  const Case cases[] = {
      {"GET", "/ping", RouteKind::kLive, ""},
      {"POST", "/invocations", RouteKind::kGenerate, "default"},
      {"POST", "/models/abc/invoke", RouteKind::kInfer, "abc"},
      {"GET", "/models", RouteKind::kControl, ""},
      {"POST", "/models/", RouteKind::kControl, ""},
      {"DELETE", "/models/abc", RouteKind::kControl, "abc"},
  };
  for (const Case& each : cases) {
    Alias alias;
    aliases->Resolve(Service::kSagemaker, Head(each.method, each.path).get(), alias);
    ASSERT_NE(alias.route.row, nullptr) << each.path;
    EXPECT_EQ(alias.route.kind, each.kind) << each.path;
    EXPECT_EQ(alias.route.model, each.model) << each.path;
    EXPECT_EQ(alias.is_mme, each.path.ends_with("/invoke"));
  }
}

TEST(RouteAliases, RefusesWhatSagemakerDoesNotKnow) {
  const RouteAliasesRef aliases = Aliases();
  const std::pair<std::string_view, int> cases[] = {{"/models/other/invoke", 404},
                                                    {"/models/a/b", 400},
                                                    {"/v2", 400},
                                                    {"/modelsabc", 400},
                                                    {"", 400},
                                                    {"/invocations/", 400}};
  for (const auto& [path, refusal] : cases) {
    Alias alias;
    aliases->Resolve(Service::kSagemaker, Head("POST", path).get(), alias);
    EXPECT_EQ(alias.route.row, nullptr) << path;
    EXPECT_EQ(alias.refusal, refusal) << path;
  }
  Alias put;
  aliases->Resolve(Service::kSagemaker, Head("PUT", "/models/abc").get(), put);
  EXPECT_EQ(put.route.row, nullptr);
}

TEST(RouteAliases, TakesTheTargetModelFromItsHeader) {
  const RouteAliasesRef aliases = Aliases();
  Alias alias;
  const Head head("POST", "/models/abc/invoke", {{"x-amzn-sagemaker-target-model", "m.tar.gz"}});
  aliases->Resolve(Service::kSagemaker, head.get(), alias);
  EXPECT_EQ(alias.route.model, "m.tar.gz");
}

TEST(RouteAliases, MapsVertexAiPaths) {
  const RouteAliasesRef aliases = Aliases();
  Alias health;
  aliases->Resolve(Service::kVertexAi, Head("GET", "/health").get(), health);
  EXPECT_EQ(health.route.kind, RouteKind::kReady);
  Alias predict;
  aliases->Resolve(Service::kVertexAi, Head("POST", "/predict").get(), predict);
  EXPECT_EQ(predict.route.kind, RouteKind::kInfer);
  EXPECT_EQ(predict.route.model, "only");
  Alias unknown;
  aliases->Resolve(Service::kVertexAi, Head("GET", "/v2").get(), unknown);
  EXPECT_EQ(unknown.route.row, nullptr);
}

TEST(RouteAliases, RedirectsWithTheMethodOfTheRoute) {
  const RouteAliasesRef aliases = Aliases();
  struct Case {
    std::string_view target;
    std::string_view method;  // empty: the request's own
    Api api;                  // kNone: refused
  };
  const Case cases[] = {
      {"v2", "GET", Api::kMetadata},
      {"v2/models/m/infer", "", Api::kInference},
      {"v2/models/m/versions/2/config", "GET", Api::kModelConfig},
      {"v2/repository/index", "", Api::kModelRepository},
      {"v2/systemsharedmemory/status", "GET", Api::kSharedMemory},
      {"metrics", "GET", Api::kMetrics},
      {"v2/systemsharedmemory/region/x/register", "", Api::kNone},
      {"v2/cudasharedmemory/unregister", "", Api::kNone},
      {"v2/logging", "", Api::kNone},
      {"v2/trace/setting", "", Api::kNone},
      {"v2/test/m", "", Api::kNone},
      {"/v2", "", Api::kNone},
      {"", "", Api::kNone},
      {"v1/models/m:predict", "", Api::kNone},
  };
  for (const Case& each : cases) {
    Alias alias;
    const Head head("POST", "/predict", {{"x-vertex-ai-triton-redirect", each.target}});
    aliases->Resolve(Service::kVertexAi, head.get(), alias);
    ASSERT_EQ(alias.route.row == nullptr, each.api == Api::kNone) << each.target;
    EXPECT_EQ(alias.refusal, 400);
    if (alias.route.row == nullptr) continue;
    EXPECT_EQ(alias.route.row->api, each.api) << each.target;
    EXPECT_EQ(alias.method, each.method) << each.target;
    EXPECT_EQ(alias.path, "/" + std::string(each.target));
  }
  Alias get;
  const Head head("GET", "/predict", {{"x-vertex-ai-triton-redirect", "v2"}});
  aliases->Resolve(Service::kVertexAi, head.get(), get);
  EXPECT_EQ(get.route.row, nullptr);
  EXPECT_EQ(get.refusal, 405);
}

TEST(RouteAliases, WithoutRoutesOfVertexAiNothingIsMeant) {
  const RouteAliasesRef aliases = RouteAliases::Make({});
  Alias alias;
  aliases->Resolve(Service::kVertexAi, Head("GET", "/").get(), alias);
  EXPECT_EQ(alias.route.row, nullptr);
}

TEST(IsOutOfMemory, LooksForTheWordsOfTheLibraries) {
  EXPECT_TRUE(IsOutOfMemory("RuntimeError: CUDA out of memory. Tried to allocate 2 GiB"));
  EXPECT_TRUE(IsOutOfMemory("write: No space left on device"));
  EXPECT_FALSE(IsOutOfMemory("unexpected inference input 'x'"));
}

}  // namespace
}  // namespace serving::frontend
