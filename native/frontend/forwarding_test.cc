// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/forwarding.h"

#include <gtest/gtest.h>

namespace serving::frontend {
namespace {

ForwardedHeaders Forward(std::string_view pattern, bool is_grpc, std::vector<net::Header> headers,
                         std::vector<std::string_view> written = {}) {
  net::RequestHead head;
  head.headers = headers;
  head.written_names = written;
  return HeadersToForward(head, base::Pattern::Compile(pattern, true).value(), is_grpc);
}

using Pairs = ForwardedHeaders;

TEST(HeadersToForward, KeepsOrderAndCaseOfHttp) {
  EXPECT_EQ(Forward("x-", false, {{"x-b", "1"}, {"x-a", "2"}, {"x-b", "3"}, {"other", "x-"}},
                    {"X-B", "x-a", "x-b", "other"}),
            (Pairs{{"X-B", "1"}, {"x-a", "2"}, {"x-b", "3"}}));
  EXPECT_EQ(Forward("(?-i)X", false, {{"x-b", "1"}, {"x-a", "2"}}, {"X-B", "x-a"}),
            (Pairs{{"X-B", "1"}}));
  // HTTP/2 has no other case.
  EXPECT_EQ(Forward("(?-i)X", false, {{"x-b", "1"}}), Pairs{});
}

TEST(HeadersToForward, SortsMetadataAndLeavesOutWhatIsGrpcs) {
  EXPECT_EQ(Forward("", true,
                    {{"te", "trailers"},
                     {"content-type", "application/grpc"},
                     {"x-b", "1"},
                     {"user-agent", "u"},
                     {"x-a", "2"},
                     {"grpc-timeout", "1S"},
                     {"triton_grpc_error", "true"},
                     {"x-b", ""},
                     {"x-a-bin", "AAH/"}}),
            (Pairs{{"user-agent", "u"},
                   {"x-a", "2"},
                   {"x-a-bin", std::string("\0\1\xff", 3)},
                   {"x-b", "1"},
                   {"x-b", ""}}));
  EXPECT_EQ(Forward("bin", true, {{"a-bin", "YQ"}, {"b-bin", "YWI="}, {"c-bin", "no!"}}),
            (Pairs{{"a-bin", "a"}, {"b-bin", "ab"}, {"c-bin", "no!"}}));
}

TEST(CheckForwarded, RefusesParametersWithAMeaningOfTheirOwn) {
  EXPECT_TRUE(CheckForwarded({}).ok());
  EXPECT_TRUE(CheckForwarded({{"x", "1"}, {"x-triton_", "1"}, {"timeouts", "1"}}).ok());
  for (const char* name :
       {"sequence_id", "sequence_start", "sequence_end", "priority", "timeout", "headers",
        "binary_data_output", "triton_enable_empty_final_response", "Priority"}) {
    const base::Status status = CheckForwarded({{"x", "1"}, {name, "1"}});
    EXPECT_EQ(status.code(), base::StatusCode::kInvalidArgument) << name;
    EXPECT_NE(status.message().find("'" + std::string(name) + "'"), std::string::npos);
  }
}

TEST(AddForwarded, PutsTextsBehindTheParametersThatAreThere) {
  core::InferRequest request;
  request.parameters.push_back({.name = "x", .value = int64_t{5}});
  {
    const ForwardedHeaders headers{{"x", "1"}, {"y", std::string(5000, 'z')}};
    AddForwarded(headers, request);
  }
  ASSERT_EQ(request.parameters.size(), 3u);
  EXPECT_EQ(std::get<int64_t>(request.parameters[0].value), 5);
  EXPECT_EQ(request.parameters[1].name, "x");
  EXPECT_EQ(std::get<std::string_view>(request.parameters[1].value), "1");
  EXPECT_EQ(std::get<std::string_view>(request.parameters[2].value), std::string(5000, 'z'));
}

}  // namespace
}  // namespace serving::frontend
