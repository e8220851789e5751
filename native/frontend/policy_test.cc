// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/policy.h"

#include <gtest/gtest.h>

#include <vector>

namespace serving::frontend {
namespace {

base::Status Ask(const Policy& policy, bool is_grpc, std::string_view path,
                 std::vector<net::Header> headers) {
  net::RequestHead head;
  head.path = path;
  head.headers = headers;
  const Route route = MatchRoute(is_grpc ? Service::kGrpc : Service::kHttp, path);
  return policy.Check(head, route, is_grpc);
}

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

TEST(EqualInConstantTime, TellsTextsApart) {
  EXPECT_TRUE(EqualInConstantTime("", ""));
  EXPECT_TRUE(EqualInConstantTime("abc", "abc"));
  EXPECT_FALSE(EqualInConstantTime("abc", "abd"));
  EXPECT_FALSE(EqualInConstantTime("abc", "abcd"));
  EXPECT_FALSE(EqualInConstantTime("abc", std::string_view("abc\0", 4)));
}

}  // namespace
}  // namespace serving::frontend
