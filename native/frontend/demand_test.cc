// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "testing/handler_harness.h"

namespace serving::frontend {
namespace {

using serving::testing::FakeStream;
using serving::testing::HandlerTest;
using serving::testing::PlanOf;

constexpr std::string_view kFour = "\x01\x02\x03\x04";
constexpr std::string_view kInfer = "/inference.GRPCInferenceService/ModelInfer";

class DemandTest : public HandlerTest {
 protected:
  DemandTest() { PublishOnDemand(nullptr); }

  // A table whose models are loaded on demand; `m` serves when there is a model.
  void PublishOnDemand(model::Servable* model) {
    auto table = base::MakeRef<engine::DispatchTable>();
    table->is_on_demand = true;
    if (model != nullptr) {
      engine::DispatchModel entry;
      entry.versions.push_back(
          {.version = 1, .model = base::Ref<model::Servable>::Share(model), .is_ready = true});
      table->Add("m", std::move(entry));
    }
    frontend.Publish(table, [] {});
    Wake();
  }

  // A complete infer request for `m`.
  FakeStream& Ask() {
    FakeStream& stream = Open(kInfer);
    EXPECT_EQ(Write(stream, Request("m", "a", kFour)), "");
    End(stream);
    return stream;
  }

  void Answer(size_t demand, base::Status status) {
    auto reply = std::make_unique<ControlReply>();
    reply->grpc_status = std::move(status);
    frontend.Reply(port.calls.at(demand)->token, std::move(reply));
    Wake();
  }
};

TEST_F(DemandTest, ACallWaitsForItsModelAndIsServedThen) {
  FakeStream& stream = Ask();
  ASSERT_EQ(port.calls.size(), 1u);
  EXPECT_TRUE(port.calls[0]->is_demand);
  EXPECT_EQ(port.calls[0]->path, "m");
  EXPECT_GT(port.calls[0]->demand_bytes, kFour.size());
  EXPECT_FALSE(stream.is_finished);
  PublishOnDemand(Load(PlanOf("identity", "m")));
  Answer(0, {});
  ASSERT_TRUE(Until([&] { return stream.is_finished; }));
  EXPECT_EQ(stream.Trailer("grpc-status"), "0");
}

TEST_F(DemandTest, ARefusalIsTheAnswer) {
  FakeStream& stream = Ask();
  Answer(0, base::Unavailable("no room for it"));
  EXPECT_EQ(stream.Trailer("grpc-status"), "14");
  EXPECT_EQ(stream.Trailer("grpc-message"), "no room for it");
}

TEST_F(DemandTest, AModelThatIsGoneAgainIsAskedForThreeTimes) {
  FakeStream& stream = Ask();
  for (size_t demand = 0; demand < 3; ++demand) {
    ASSERT_EQ(port.calls.size(), demand + 1);
    EXPECT_FALSE(stream.is_finished);
    Answer(demand, {});
  }
  EXPECT_EQ(port.calls.size(), 3u);
  EXPECT_EQ(stream.Trailer("grpc-status"), "5");
}

TEST_F(DemandTest, ALateReplyFindsNobody) {
  FakeStream& left = Ask();
  Vanish(left);
  Answer(0, {});
  FakeStream& expired = Ask();
  CallOf(expired).deadline = std::chrono::steady_clock::now();
  Expire(expired);
  EXPECT_EQ(expired.Trailer("grpc-status"), "4");
  PublishOnDemand(Load(PlanOf("identity", "m")));
  Answer(1, {});
  EXPECT_EQ(expired.Trailer("grpc-status"), "4");
}

TEST_F(DemandTest, WhoLeavesIsToldOnce) {
  Vanish(Ask());
  FakeStream& stream = OpenInfer();
  EXPECT_EQ(Write(stream, Request("m", "a", kFour)), "");
  Vanish(stream);
  FakeStream& expired = Ask();
  CallOf(expired).deadline = std::chrono::steady_clock::now();
  Expire(expired);
  ASSERT_EQ(port.calls.size(), 3u);
  std::vector<CallToken> tokens;
  for (const auto& call : port.calls) tokens.push_back(call->token);
  EXPECT_EQ(port.cancelled, tokens);
}

TEST_F(DemandTest, AStreamWaitsWithOneMessageAndReadsNoFurther) {
  FakeStream& stream = OpenInfer();
  EXPECT_EQ(Write(stream, Request("m", "a", kFour)), "");
  const std::string second = Request("m", "b", kFour);
  EXPECT_EQ(Write(stream, second), second);
  ASSERT_EQ(port.calls.size(), 1u);
  EXPECT_EQ(port.calls[0]->path, "m");
  EXPECT_GT(port.calls[0]->demand_bytes, kFour.size());
  PublishOnDemand(Load(PlanOf("identity", "m")));
  Answer(0, {});
  EXPECT_EQ(Write(stream, second), "");
  End(stream);
  ASSERT_TRUE(Until([&] { return stream.is_finished; }));
  EXPECT_EQ(Ids(ToldTo(stream)), "ab");
  EXPECT_EQ(ToldTo(stream)[0].data, kFour);
  EXPECT_EQ(stream.Trailer("grpc-status"), "0");
  EXPECT_EQ(stream.charged, 0u);
  EXPECT_EQ(port.calls.size(), 1u);
}

TEST_F(DemandTest, AStreamThatHasSentItsLastMessageWaitsToo) {
  FakeStream& stream = OpenInfer();
  EXPECT_EQ(Write(stream, Request("m", "a", kFour)), "");
  End(stream);
  EXPECT_FALSE(stream.is_finished);
  PublishOnDemand(Load(PlanOf("identity", "m")));
  Answer(0, {});
  ASSERT_TRUE(Until([&] { return stream.is_finished; }));
  EXPECT_EQ(Ids(ToldTo(stream)), "a");
}

TEST_F(DemandTest, ARefusalIsAMessageOfTheStream) {
  FakeStream& stream = OpenInfer();
  EXPECT_EQ(Write(stream, Request("m", "a", kFour)), "");
  Answer(0, base::Unavailable("no room for it"));
  ASSERT_EQ(ToldTo(stream).size(), 1u);
  EXPECT_EQ(ToldTo(stream)[0].error, "no room for it");
  // The next message asks anew.
  EXPECT_EQ(Write(stream, Request("m", "b", kFour)), "");
  ASSERT_EQ(port.calls.size(), 2u);
  for (size_t demand = 1; demand <= 3; ++demand) Answer(demand, {});
  EXPECT_EQ(port.calls.size(), 4u);
  EXPECT_EQ(ToldTo(stream)[1].error, "Request for unknown model: 'm' is not found");
  Vanish(Ask());
  Answer(4, {});
  End(stream);
  EXPECT_EQ(stream.Trailer("grpc-status"), "0");
}

TEST_F(DemandTest, AReadyCallWaitsToo) {
  FakeStream& stream = Open("/inference.GRPCInferenceService/ModelReady");
  EXPECT_EQ(Write(stream, Framed(Field(1, "m"))), "");
  End(stream);
  ASSERT_EQ(port.calls.size(), 1u);
  PublishOnDemand(Load(PlanOf("identity", "m")));
  Answer(0, {});
  EXPECT_EQ(stream.Trailer("grpc-status"), "0");
}

TEST_F(DemandTest, NobodyIsAskedWithoutTheMode) {
  Publish(true);
  FakeStream& stream = Ask();
  EXPECT_EQ(port.calls.size(), 0u);
  EXPECT_EQ(stream.Trailer("grpc-status"), "5");
}

}  // namespace
}  // namespace serving::frontend
