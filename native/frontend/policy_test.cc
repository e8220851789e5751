// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/policy.h"

#include <gtest/gtest.h>

#include <vector>

namespace serving::frontend {
namespace {

Admission Admit(const Policy& policy, Service service, std::string_view path,
                std::vector<net::Header> headers) {
  net::RequestHead head;
  head.path = path;
  head.headers = headers;
  const bool is_grpc = path.starts_with("/inference.") || path.starts_with("/grpc.");
  const Service table = is_grpc                        ? Service::kGrpc
                        : service == Service::kMetrics ? Service::kMetrics
                                                       : Service::kHttp;
  return policy.Check(head, MatchRoute(table, path), service, is_grpc);
}

base::Status Ask(const Policy& policy, bool is_grpc, std::string_view path,
                 std::vector<net::Header> headers) {
  return Admit(policy, is_grpc ? Service::kGrpc : Service::kHttp, path, std::move(headers)).status;
}

GrantRef MakeGrant(std::vector<Scope> scopes, std::vector<std::string> models) {
  Grant::Scopes bits = 0;
  for (const Scope scope : scopes) bits |= Grant::Bit(scope);
  return base::MakeRef<Grant>(bits, std::move(models));
}

PolicySpec WithKey(std::string_view key, GrantRef grant) {
  PolicySpec spec;
  spec.needs_key = true;
  spec.keys.push_back({.digest = base::Sha256(key), .grant = std::move(grant)});
  spec.public_apis[static_cast<size_t>(Api::kHealth)] = true;
  return spec;
}

using base::StatusCode;

constexpr std::string_view kInfer = "/v2/models/m/infer";
constexpr std::string_view kGrpcInfer = "/inference.GRPCInferenceService/ModelInfer";

TEST(Policy, IsOpenUntilSomethingIsAskedFor) {
  EXPECT_TRUE(Policy::Open()->is_open());
  EXPECT_TRUE(Policy::Compile({}).value()->is_open());
  PolicySpec spec;
  spec.restricted.push_back({.is_grpc = false, .api = Api::kHealth, .header = "k", .value = "v"});
  EXPECT_FALSE(Policy::Compile(spec).value()->is_open());
}

TEST(Policy, RestrictsAnApiInTheWordsOfItsProtocol) {
  PolicySpec spec;
  spec.restricted.push_back(
      {.is_grpc = false, .api = Api::kInference, .header = "My-Key", .value = "secret"});
  spec.restricted.push_back({.is_grpc = true,
                             .api = Api::kInference,
                             .header = "triton-grpc-protocol-my-key",
                             .value = "other"});
  const PolicyRef policy = Policy::Compile(spec).Take();

  EXPECT_TRUE(Ask(*policy, false, kInfer, {{"my-key", "secret"}}).ok());
  EXPECT_TRUE(Ask(*policy, false, "/v2/health/live", {}).ok());
  for (const auto& headers : std::vector<std::vector<net::Header>>{{},
                                                                   {{"my-key", "secre"}},
                                                                   {{"my-key", "secret "}},
                                                                   {{"my-key", ""}},
                                                                   {{"key", "secret"}}}) {
    const base::Status status = Ask(*policy, false, kInfer, headers);
    EXPECT_EQ(status.code(), base::StatusCode::kPermissionDenied);
    EXPECT_EQ(status.message(), "This API is restricted, expecting header 'My-Key'");
  }
  // The first of two headers counts, as at Triton.
  EXPECT_FALSE(Ask(*policy, false, kInfer, {{"my-key", "x"}, {"my-key", "secret"}}).ok());
  EXPECT_TRUE(Ask(*policy, false, kInfer, {{"my-key", "secret"}, {"my-key", "x"}}).ok());

  EXPECT_TRUE(Ask(*policy, true, kGrpcInfer, {{"triton-grpc-protocol-my-key", "other"}}).ok());
  const base::Status status = Ask(*policy, true, kGrpcInfer, {{"my-key", "secret"}});
  EXPECT_EQ(status.code(), base::StatusCode::kUnavailable);
  EXPECT_EQ(status.message(),
            "This protocol is restricted, expecting header 'triton-grpc-protocol-my-key'");
}

TEST(Policy, RefusesTwoSecretsForOneApi) {
  PolicySpec spec;
  spec.restricted.push_back({.is_grpc = false, .api = Api::kTrace, .header = "a", .value = "v"});
  spec.restricted.push_back({.is_grpc = false, .api = Api::kTrace, .header = "b", .value = "v"});
  EXPECT_EQ(Policy::Compile(spec).status().message(), "the API 'trace' is restricted twice");
}

TEST(Policy, WantsAKeyForEverythingThatIsNotPublic) {
  const PolicyRef policy = Policy::Compile(WithKey("k1", MakeGrant({Scope::kInfer}, {"*"}))).Take();
  EXPECT_TRUE(Ask(*policy, false, "/v2/health/live", {}).ok());
  EXPECT_TRUE(Ask(*policy, true, "/grpc.health.v1.Health/Check", {}).ok());
  for (const RouteRow& row : RouteTable()) {
    if (row.api == Api::kHealth || row.kind == RouteKind::kNothing) continue;
    const Route route{.kind = row.kind, .row = &row, .model = "m", .version = {}};
    const auto refused = policy->Check({}, route, row.service, row.service == Service::kGrpc);
    EXPECT_EQ(refused.status.code(), StatusCode::kUnauthenticated) << row.pattern;
  }
  EXPECT_TRUE(Ask(*policy, false, kInfer, {{"authorization", "Bearer k1"}}).ok());
  EXPECT_TRUE(Ask(*policy, false, kInfer, {{"authorization", "bearer   k1"}}).ok());
  EXPECT_TRUE(Ask(*policy, false, kInfer, {{"x-api-key", "k1"}}).ok());
  EXPECT_TRUE(Ask(*policy, true, kGrpcInfer, {{"x-api-key", "k1"}}).ok());
  for (const auto& headers : std::vector<std::vector<net::Header>>{
           {{"authorization", "Bearer"}},
           {{"authorization", "Bearer "}},
           {{"authorization", "Basic k1"}},
           {{"authorization", "k1"}},
           {{"x-api-key", ""}},
           {{"x-api-key", "k2"}},
           {{"x-api-key", "k1 "}},
           {{"x-api-key", "a.b.c"}},
           {{"authorization", "Bearer k2"}, {"x-api-key", "k1"}}}) {
    EXPECT_EQ(Ask(*policy, false, kInfer, headers).code(), StatusCode::kUnauthenticated);
  }
}

TEST(Policy, HoldsAKeyToItsScopes) {
  const std::string_view load = "/v2/repository/models/m/load";
  struct Case {
    Scope scope;
    std::string_view infer, manage, metrics;
  };
  for (const auto& [scope, infer, manage, metrics] :
       {Case{Scope::kInfer, "", "manage", "metrics"}, Case{Scope::kManage, "infer", "", "metrics"},
        Case{Scope::kMetrics, "infer", "manage", ""}}) {
    const PolicyRef policy = Policy::Compile(WithKey("k", MakeGrant({scope}, {"*"}))).Take();
    const auto check = [&](Service service, std::string_view path, std::string_view lacks) {
      const base::Status status = Admit(*policy, service, path, {{"x-api-key", "k"}}).status;
      EXPECT_EQ(
          status.message(),
          lacks.empty() ? "" : "the API key or token lacks the scope '" + std::string(lacks) + "'")
          << path;
      EXPECT_EQ(status.code(), lacks.empty() ? StatusCode::kOk : StatusCode::kPermissionDenied);
    };
    check(Service::kHttp, kInfer, infer);
    check(Service::kHttp, load, manage);
    check(Service::kMetrics, "/metrics", metrics);
    check(Service::kHttp, "/v2/models/m/stats", metrics);
    check(Service::kGrpc, "/inference.GRPCInferenceService/LogSettings", manage);
  }
}

TEST(Policy, HoldsAKeyToItsModels) {
  const PolicyRef policy =
      Policy::Compile(WithKey("k", MakeGrant({Scope::kInfer, Scope::kManage, Scope::kMetrics},
                                             {"one", "team-*"})))
          .Take();
  const auto allowed = [&](Service service, std::string_view path) {
    return Admit(*policy, service, path, {{"x-api-key", "k"}}).status.code() == StatusCode::kOk;
  };
  EXPECT_TRUE(allowed(Service::kHttp, "/v2/models/one/infer"));
  EXPECT_TRUE(allowed(Service::kHttp, "/v2/models/o%6ee/infer"));
  EXPECT_TRUE(allowed(Service::kHttp, "/v2/models/team-a/versions/1/infer"));
  EXPECT_FALSE(allowed(Service::kHttp, "/v2/models/on/infer"));
  EXPECT_FALSE(allowed(Service::kHttp, "/v2/models/ones/infer"));
  EXPECT_FALSE(allowed(Service::kHttp, "/v2/models/tea%6d/infer"));
  EXPECT_FALSE(allowed(Service::kHttp, "/v2/models/two/config"));
  EXPECT_TRUE(allowed(Service::kHttp, "/v2/repository/models/one/load"));
  EXPECT_FALSE(allowed(Service::kHttp, "/v2/repository/models/two/load"));
  // About no model in particular: may be read, but not what shows or changes all of them.
  EXPECT_TRUE(allowed(Service::kHttp, "/v2"));
  EXPECT_FALSE(allowed(Service::kHttp, "/v2/models/stats"));
  EXPECT_FALSE(allowed(Service::kHttp, "/v2/repository/index"));
  EXPECT_FALSE(allowed(Service::kHttp, "/v2/logging"));
  EXPECT_FALSE(allowed(Service::kMetrics, "/metrics"));
  EXPECT_FALSE(allowed(Service::kGrpc, "/inference.GRPCInferenceService/RepositoryIndex"));
  // The message names it: the call keeps the grant and is asked again.
  const Admission grpc = Admit(*policy, Service::kGrpc, kGrpcInfer, {{"x-api-key", "k"}});
  ASSERT_TRUE(grpc.status.ok());
  EXPECT_TRUE(CheckModel(*grpc.grant, "one").ok());
  EXPECT_FALSE(CheckModel(*grpc.grant, "").ok());
  EXPECT_EQ(CheckModel(*grpc.grant, "two").message(),
            "the API key or token does not cover model 'two'");
}

TEST(Policy, LeavesTokensToOthersOnlyWhereTheyMayBeOne) {
  PolicySpec spec = WithKey("key", MakeGrant({Scope::kInfer}, {"*"}));
  spec.takes_tokens = true;
  const PolicyRef policy = Policy::Compile(std::move(spec)).Take();
  const auto token_of = [&](std::string_view given) {
    return Admit(*policy, Service::kHttp, kInfer, {{"x-api-key", given}});
  };
  EXPECT_EQ(token_of("eyJ.aa_-.c9").token, "eyJ.aa_-.c9");
  EXPECT_TRUE(token_of("key").token.empty());
  for (const std::string given : {"a.b", "a.b.c.d", "a.b.c=", "a b.c.d", "nope"}) {
    EXPECT_TRUE(token_of(given).token.empty()) << given;
    EXPECT_EQ(token_of(given).status.code(), StatusCode::kUnauthenticated) << given;
  }
  EXPECT_FALSE(token_of(std::string(9000, 'a') + ".b.c").status.ok());
}

TEST(Policy, SeparatesManagementFromTheRest) {
  PolicySpec spec;
  spec.has_management_port = true;
  const PolicyRef policy = Policy::Compile(std::move(spec)).Take();
  for (const RouteRow& row : RouteTable()) {
    if (row.service == Service::kMetrics) continue;
    const bool is_grpc = row.service == Service::kGrpc;
    const Route route{.kind = row.kind, .row = &row, .model = {}, .version = {}};
    EXPECT_EQ(policy->Check({}, route, row.service, is_grpc).status.ok(), !IsManagement(row))
        << row.pattern;
    EXPECT_EQ(policy->Check({}, route, Service::kManagement, is_grpc).status.ok(),
              row.api != Api::kInference)
        << row.pattern;
  }
}

TEST(Policy, KnowsOriginsByHeart) {
  PolicySpec spec;
  spec.cors_origins = {"https://a.example", "http://localhost:3000"};
  const PolicyRef policy = Policy::Compile(spec).Take();
  EXPECT_FALSE(policy->is_open());
  EXPECT_TRUE(policy->AllowsOrigin("https://a.example"));
  EXPECT_FALSE(policy->AllowsOrigin("https://a.example.evil"));
  EXPECT_FALSE(policy->AllowsOrigin("null"));
  spec.cors_origins.push_back("*");
  EXPECT_TRUE(Policy::Compile(spec).value()->AllowsOrigin("https://b.example"));
}

TEST(EqualInConstantTime, TellsTextsApart) {
  EXPECT_TRUE(EqualInConstantTime("", ""));
  EXPECT_TRUE(EqualInConstantTime("abc", "abc"));
  EXPECT_FALSE(EqualInConstantTime("abc", "abd"));
  EXPECT_FALSE(EqualInConstantTime("abc", "abcd"));
  EXPECT_FALSE(EqualInConstantTime("abc", std::string_view("abc\0", 4)));
}

}  // namespace
}  // namespace serving::frontend
