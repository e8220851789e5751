// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/handler_harness.h"
#include "trace/sampler.h"

namespace serving::frontend {
namespace {

using serving::testing::FakeStream;
using serving::testing::HandlerTest;
using serving::testing::Messages;
using serving::testing::PlanOf;
using serving::testing::Told;

constexpr std::string_view kFour = "\x01\x02\x03\x04";

class StreamCalls : public HandlerTest {
 protected:
  using HandlerTest::HandlerTest;

  std::string Control(model::Servable* model, std::string_view json) {
    return model->Control(json).value();
  }
};

TEST_F(StreamCalls, AnswersEveryMessageHoweverItsBytesCome) {
  Load(PlanOf("identity", "echo"));
  const std::string bytes = Request("echo", "a", kFour) + Request("echo", "b", "") +
                            Request("echo", "", std::string(400, 'x'));
  for (const size_t piece : {size_t{1}, size_t{3}, size_t{7}, SIZE_MAX}) {
    FakeStream& stream = OpenInfer();
    EXPECT_TRUE(stream.may_be_slow);
    EXPECT_EQ(Write(stream, bytes, piece), "");
    ASSERT_TRUE(Until([&] { return ToldTo(stream).size() == 3; }));
    EXPECT_FALSE(stream.is_finished);
    End(stream);
    EXPECT_EQ(stream.Trailer("grpc-status"), "0");
    const auto told = ToldTo(stream);
    EXPECT_EQ(told[0].id, "a");
    EXPECT_EQ(told[0].model, "echo");
    EXPECT_EQ(told[0].data, kFour);
    EXPECT_EQ(told[0].marker, "true");
    EXPECT_EQ(told[1].id, "b");
    EXPECT_EQ(told[2].data, std::string(400, 'x'));
    EXPECT_EQ(stream.charged, 0u);
  }
}

TEST_F(StreamCalls, AnswersAThousandInOrderAndEndsAfterTheLast) {
  Load(PlanOf("identity", "echo"));
  FakeStream& stream = OpenInfer();
  std::string bytes;
  for (int i = 0; i < 1000; ++i) bytes += Request("echo", std::to_string(i), kFour);
  EXPECT_EQ(Write(stream, bytes), "");
  End(stream);
  ASSERT_TRUE(Until([&] { return stream.is_finished; }));
  const auto told = ToldTo(stream);
  ASSERT_EQ(told.size(), 1000u);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(told[static_cast<size_t>(i)].id, std::to_string(i));
  EXPECT_EQ(stream.Trailer("grpc-status"), "0");
}

TEST_F(StreamCalls, KeepsTheOrderOfModelsThatAnswerOnce) {
  model::Servable* gate = Load(PlanOf("gate", "gate", {{"closed", "true"}, {"async", "true"}}));
  Load(PlanOf("identity", "echo"));
  Load(PlanOf("stream", "many", {{"responses", "2"}}));
  FakeStream& stream = OpenInfer();
  Write(stream, Request("gate", "a", kFour) + Request("echo", "b", kFour) +
                    Request("nosuch", "c", kFour) + Request("many", "d", kFour) +
                    Request("many", "e", "\x01") + Request("echo", "f", kFour));
  End(stream);
  // Those of decoupled models wait for nobody, refusals neither.
  ASSERT_TRUE(Until([&] { return ToldTo(stream).size() == 3; }));
  const std::string before = Ids(ToldTo(stream));
  EXPECT_EQ(std::ranges::count(before, 'd'), 2);
  EXPECT_EQ(std::ranges::count(before, 'e'), 1);
  // The echoes are answered, the gate's is not: their answers are held.
  ASSERT_TRUE(Until([&] { return served[1].second->Statistics().success.count == 2; }));
  Wake();
  EXPECT_EQ(Ids(ToldTo(stream)), before);
  Control(gate, R"({"action":"open"})");
  ASSERT_TRUE(Until([&] { return stream.is_finished; }));
  EXPECT_EQ(Ids(ToldTo(stream)), before + "abcf");
  EXPECT_EQ(ToldTo(stream)[5].error, "Request for unknown model: 'nosuch' is not found");
  EXPECT_EQ(ToldTo(stream)[5].marker, "");
}

// It is gathered and in no queue yet when its client leaves.
TEST_F(StreamCalls, ARequestLeavesTheQueueWithAClientThatGoesInTheSameTurn) {
  model::Servable* gate = Load(PlanOf("gate", "gate", {{"closed", "true"}}));
  FakeStream& stays = OpenInfer();
  Write(stays, Request("gate", "a", kFour));
  Wake();
  Control(gate, R"({"action":"await","waiting":1})");
  FakeStream& streaming = OpenInfer();
  Write(streaming, Request("gate", "b", kFour) + Request("gate", "c", kFour));
  Vanish(streaming);
  FakeStream& asking = Open("/inference.GRPCInferenceService/ModelInfer");
  Write(asking, Request("gate", "d", kFour));
  End(asking);
  Vanish(asking);
  metrics::ModelStatistics statistics = gate->Statistics();
  EXPECT_EQ(statistics.received, 4u);
  EXPECT_EQ(statistics.queued, 0u);
  EXPECT_EQ(statistics.failures[static_cast<size_t>(metrics::FailureReason::kCanceled)], 3u);
  Control(gate, R"({"action":"open"})");
  ASSERT_TRUE(Until([&] { return ToldTo(stays).size() == 1; }));
  EXPECT_EQ(gate->Statistics().execution_count, 1u);
}

TEST_F(StreamCalls, SendsEmptyFinalsToWhoeverWantsThem) {
  Load(PlanOf("stream", "many", {{"responses", "1"}, {"empty_final", "true"}}));
  Load(PlanOf("stream", "none", {{"responses", "0"}}));
  FakeStream& stream = OpenInfer();
  const std::string wish = FlagParameter("triton_enable_empty_final_response", true);
  for (const std::string_view model : {"many", "none"}) {
    for (const std::string& parameters : {std::string(), wish}) {
      const size_t before = ToldTo(stream).size();
      Write(stream, Request(model, "i", kFour, parameters));
      ASSERT_TRUE(Until([&] { return CallOf(stream).messages->unanswered() == 0; }));
      std::string markers;
      for (size_t i = before; i < ToldTo(stream).size(); ++i) markers += ToldTo(stream)[i].marker;
      const bool is_wanted = !parameters.empty();
      EXPECT_EQ(markers, std::string(model == "many" ? "false" : "") + (is_wanted ? "true" : ""));
    }
  }
  End(stream);
  EXPECT_EQ(stream.Trailer("grpc-status"), "0");
}

TEST_F(StreamCalls, GoesOnBehindAnError) {
  Load(PlanOf("stream", "many", {{"fail_at", "2"}}));
  Load(PlanOf("poison", "poison", {{"message", "bad"}}));
  FakeStream& stream = OpenInfer();
  Write(stream, Request("many", "m", kFour) + Request("poison", "p", kFour));
  End(stream);
  ASSERT_TRUE(Until([&] { return stream.is_finished; }));
  EXPECT_EQ(stream.Trailer("grpc-status"), "0");
  std::vector<std::string> errors;
  for (const Told& told : ToldTo(stream)) {
    if (!told.error.empty()) errors.push_back(told.model + ": " + told.error + " " + told.marker);
  }
  std::ranges::sort(errors);
  EXPECT_EQ(errors, (std::vector<std::string>{"many: stream: told to fail here false",
                                              "poison: bad true"}));
  EXPECT_EQ(ToldTo(stream).size(), 4u);
}

TEST_F(StreamCalls, EndsWithTheErrorWhereTheClientAsksForIt) {
  model::Servable* gate = Load(PlanOf("gate", "gate", {{"closed", "true"}}));
  Load(PlanOf("stream", "many", {{"fail_at", "2"}}));
  FakeStream& stream = OpenInfer({{"triton_grpc_error", "true"}});
  // What could not run stays a message, as Triton has it.
  Write(stream, Request("nosuch", "n", kFour));
  EXPECT_EQ(ToldTo(stream).size(), 1u);
  Write(stream, Request("gate", "a", kFour));
  Write(stream, Request("many", "b", kFour));
  ASSERT_TRUE(Until([&] { return stream.is_finished; }));
  EXPECT_EQ(stream.Trailer("grpc-status"), "13");
  EXPECT_EQ(stream.Trailer("grpc-message"), "stream: told to fail here");
  EXPECT_EQ(Ids(ToldTo(stream)), "nb");
  Control(gate, R"({"action":"open"})");
}

TEST_F(StreamCalls, StopsReadingWhenTooMuchIsUnanswered) {
  model::Servable* gate = Load(PlanOf("gate", "gate", {{"closed", "true"}}));
  FakeStream& stream = OpenInfer();
  std::string one = Request("gate", "", kFour);
  std::string bytes;
  for (size_t i = 0; i < MessageStream::kMaxUnanswered + 10; ++i) bytes += one;
  std::string rest = Write(stream, bytes);
  EXPECT_EQ(rest.size(), 10 * one.size());
  Wake();
  EXPECT_EQ(Write(stream, rest), rest);
  EXPECT_FALSE(stream.is_resumed);
  Control(gate, R"({"action":"open"})");
  ASSERT_TRUE(Until([&] { return stream.is_resumed; }));
  while (!rest.empty()) {
    rest = Write(stream, rest);
    Wake();
  }
  End(stream);
  ASSERT_TRUE(Until([&] { return stream.is_finished; }));
  EXPECT_EQ(ToldTo(stream).size(), MessageStream::kMaxUnanswered + 10);
}

TEST_F(StreamCalls, StopsReadingWhenTooManyBytesAreUnanswered) {
  model::Servable* gate = Load(PlanOf("gate", "gate", {{"closed", "true"}}));
  FakeStream& stream = OpenInfer();
  const std::string large = Request("gate", "", std::string(6 << 20, 'x'));
  EXPECT_EQ(Write(stream, large + large + large + large), large);
  EXPECT_GT(stream.charged, 18u << 20);
  Control(gate, R"({"action":"open"})");
  ASSERT_TRUE(Until([&] { return CallOf(stream).messages->unanswered() == 0; }));
  EXPECT_EQ(stream.charged, 0u);
}

TEST_F(StreamCalls, HoldsAProducerWhoseClientDoesNotRead) {
  model::Servable* many = Load(PlanOf("stream", "many", {{"responses", "100000"}}));
  FakeStream& stream = OpenInfer();
  stream.takes_all = false;
  Write(stream, Request("many", "", std::string(40'000, 'x')));
  ResponseFlow& flow = *CallOf(stream).flow;
  ASSERT_TRUE(Until([&] { return flow.waiting() == 1; }));
  const auto sent = [&] { return Control(many, "{}"); };
  // Nothing more comes, however often the I/O thread looks.
  const std::string standing = sent();
  for (int i = 0; i < 1000; ++i) Wake();
  EXPECT_EQ(sent(), standing);
  EXPECT_EQ(flow.waiting(), 1u);
  EXPECT_LE(flow.bytes_on_their_way(), ResponseFlow::kMaxBytes);
  EXPECT_LE(stream.unsent_bytes(), ResponseFlow::kMaxBytes);
  EXPECT_GT(stream.unsent_bytes(), ResponseFlow::kMaxBytes / 2);
  // It goes on when there is room.
  const size_t before = stream.body.size();
  Take(stream);
  ASSERT_TRUE(Until([&] { return stream.body.size() > before && flow.waiting() == 1; }));
  EXPECT_LE(stream.unsent_bytes(), ResponseFlow::kMaxBytes);
  EXPECT_NE(sent(), standing);
  // A client that leaves takes the producer with it.
  Vanish(stream);
  ASSERT_TRUE(
      Until([&] { return Control(many, "{}").find("\"executed\":1") != std::string::npos; }));
}

TEST_F(StreamCalls, LetsAResponsePassThatIsLargerThanTheBound) {
  Load(PlanOf("stream", "many", {{"responses", "3"}}));
  FakeStream& stream = OpenInfer();
  stream.takes_all = false;
  Write(stream, Request("many", "", std::string(3 << 20, 'x')));
  ASSERT_TRUE(
      Until([&] { return ToldTo(stream).size() == 1 && CallOf(stream).flow->waiting() == 1; }));
  Take(stream);  // the second may come, and the final one waits for nobody
  End(stream);
  ASSERT_TRUE(Until([&] { return stream.is_finished; }));
  EXPECT_EQ(ToldTo(stream).size(), 3u);
}

TEST_F(StreamCalls, EndsAtItsDeadlineAndCancelsWhatRunsAndWhatWaits) {
  model::Servable* gate = Load(PlanOf("gate", "gate", {{"closed", "true"}}));
  FakeStream& stream = OpenInfer({{"grpc-timeout", "1H"}});
  Write(stream, Request("gate", "a", kFour) + Request("gate", "b", kFour));
  Wake();
  Control(gate, R"({"action":"await","waiting":1})");
  CallOf(stream).deadline =
      std::chrono::steady_clock::now();  // what began before it has passed goes on
  Expire(stream);
  EXPECT_EQ(stream.Trailer("grpc-status"), "4");
  EXPECT_EQ(stream.Trailer("grpc-message"), "Deadline Exceeded");
  const auto canceled = static_cast<size_t>(metrics::FailureReason::kCanceled);
  EXPECT_EQ(gate->Statistics().failures[canceled], 1u);
  Control(gate, R"({"action":"open"})");
}

TEST_F(StreamCalls, TakesEveryRequestOfAClientThatLeavesOutOfTheQueue) {
  model::Servable* gate = Load(PlanOf("gate", "gate", {{"closed", "true"}}));
  FakeStream& stream = OpenInfer();
  FakeStream& other = OpenInfer();
  Write(other, Request("gate", "first", kFour));
  Wake();
  Control(gate, R"({"action":"await","waiting":1})");
  for (int i = 0; i < 50; ++i) Write(stream, Request("gate", "", kFour));
  Write(other, Request("gate", "last", kFour));
  Wake();
  EXPECT_EQ(gate->Statistics().queued, 51u);
  EXPECT_EQ(frontend.in_flight(), 2u);
  Vanish(stream);
  EXPECT_EQ(gate->Statistics().queued, 1u);
  EXPECT_EQ(frontend.in_flight(), 1u);
  Control(gate, R"({"action":"open"})");
  ASSERT_TRUE(Until([&] { return Ids(ToldTo(other)) == "firstlast"; }));
  EXPECT_EQ(frontend.in_flight(), 0u);  // idle: a server that stops does not wait for it
}

TEST_F(StreamCalls, EndsQueuedRequestsAtTheirTime) {
  core::ModelPlan plan = PlanOf("gate", "gate", {{"closed", "true"}});
  plan.queue.default_timeout = base::Nanoseconds(1);
  model::Servable* gate = Load(plan);
  Load(PlanOf("gate", "slow", {{"closed", "true"}}));
  FakeStream& stream = OpenInfer();
  Write(stream, Request("gate", "a", kFour));
  EXPECT_NE(stream.timer, base::kNever);
  handler->OnTurnEnd();
  Expire(stream);
  ASSERT_TRUE(Until([&] { return !ToldTo(stream).empty(); }));
  EXPECT_EQ(ToldTo(stream)[0].error, "[request id: a] Request timeout expired");
  EXPECT_EQ(stream.timer, base::kNever);
  Control(gate, R"({"action":"open"})");
}

TEST_F(StreamCalls, ReadsNothingBehindWhatIsNoMessage) {
  Load(PlanOf("identity", "echo"));
  FakeStream& stream = OpenInfer();
  EXPECT_EQ(
      Write(stream, Request("echo", "a", kFour) + Framed("\xff\xff") + Request("echo", "b", kFour)),
      "");
  ASSERT_TRUE(Until([&] { return stream.is_finished; }));
  EXPECT_EQ(Ids(ToldTo(stream)), "a");
  EXPECT_EQ(stream.Trailer("grpc-status"), "0");
}

TEST_F(StreamCalls, RefusesBrokenFraming) {
  Load(PlanOf("identity", "echo"));
  const std::string whole = Request("echo", "a", kFour);
  const std::vector<std::pair<std::string, std::string>> table{
      {std::string("\x02\0\0\0\0", 5), "12"},       // unknown flag
      {Framed("x", true), "12"},                    // compressed, but no coding named
      {std::string("\0\x7f\xff\xff\xff", 5), "8"},  // over the limit
      {whole.substr(0, 3), "13"},
      {whole.substr(0, 9), "13"},
  };
  for (const auto& [bytes, status] : table) {
    FakeStream& stream = OpenInfer();
    Write(stream, whole + bytes);
    End(stream);
    ASSERT_TRUE(Until([&] { return stream.is_finished; }));
    EXPECT_EQ(stream.Trailer("grpc-status"), status);
  }
}

TEST_F(StreamCalls, EndsAnEmptyStreamWithOk) {
  FakeStream& stream = OpenInfer();
  End(stream);
  EXPECT_EQ(stream.Trailer("grpc-status"), "0");
  EXPECT_EQ(stream.body, "");
  EXPECT_FALSE(stream.has_head);
}

TEST_F(StreamCalls, TracesEachRequestOfAStream) {
  Load(PlanOf("identity", "echo"));
  Load(PlanOf("stream", "many", {{"responses", "2"}}));
  auto sampler =
      base::MakeRef<trace::Sampler>(1, trace::Level{.timestamps = true, .tensors = false}, 2, -1);
  frontend.SetTracing(base::MakeRef<trace::Plan>(sampler, false), [] {});
  Wake();
  FakeStream& stream = OpenInfer();
  for (const std::string_view id : {"a", "b", "c", "d"}) {
    Write(stream, Request(id == "d" ? "many" : "echo", id, kFour));
  }
  ASSERT_TRUE(Until([&] { return CallOf(stream).messages->unanswered() == 0; }));
  std::string ids;
  for (const auto& record : frontend.traces().TakeAll()) {
    ids += record->request_id;
    EXPECT_FALSE(record->stamps().empty());
  }
  EXPECT_EQ(ids, "bd");
}

TEST_F(StreamCalls, HoldsAProducerOfEventsToo) {
  model::Servable* many = Load(PlanOf("stream", "many", {{"responses", "100000"}}));
  FakeStream& stream = OpenPost("/v2/models/many/generate_stream");
  stream.takes_all = false;
  std::string body = R"({"INPUT0":[1)";
  for (int i = 0; i < 5000; ++i) body += ",1";
  Write(stream, body + "]}");
  End(stream);
  ResponseFlow& flow = *CallOf(stream).flow;
  // Events of small numbers take less than the room that is kept for them, so it may go on before
  // it stands.
  ASSERT_TRUE(Until(
      [&] { return flow.waiting() == 1 && stream.unsent_bytes() > ResponseFlow::kMaxBytes / 2; }));
  const std::string standing = Control(many, "{}");
  for (int i = 0; i < 1000; ++i) Wake();
  EXPECT_EQ(Control(many, "{}"), standing);
  EXPECT_LE(stream.unsent_bytes(), ResponseFlow::kMaxBytes);
  const size_t before = stream.body.size();
  Take(stream);
  ASSERT_TRUE(Until([&] { return stream.body.size() > before && flow.waiting() == 1; }));
  Vanish(stream);
  ASSERT_TRUE(
      Until([&] { return Control(many, "{}").find("\"executed\":1") != std::string::npos; }));
}

class ImpatientStreamCalls : public StreamCalls {
 protected:
  static FrontendOptions Impatient() {
    FrontendOptions options;
    options.limits.body_timeout = base::Nanoseconds(1);
    options.max_stream_responses = 4;
    return options;
  }
  ImpatientStreamCalls() : StreamCalls(Impatient()) {}
};

TEST_F(ImpatientStreamCalls, EndsAStreamWhoseMessageStopsHalfWay) {
  Load(PlanOf("identity", "echo"));
  FakeStream& stream = OpenInfer();
  const std::string bytes = Request("echo", "a", kFour);
  Write(stream, bytes);
  EXPECT_EQ(stream.timer, base::kNever);  // between messages it may last
  Write(stream, bytes.substr(0, 7));
  EXPECT_NE(stream.timer, base::kNever);
  Expire(stream);
  EXPECT_EQ(stream.Trailer("grpc-status"), "4");
  EXPECT_EQ(stream.Trailer("grpc-message"), "a message did not arrive in time");
}

TEST_F(ImpatientStreamCalls, HoldsAProducerByTheNumberOfItsResponses) {
  Load(PlanOf("stream", "many", {{"responses", "50"}}));
  FakeStream& stream = OpenInfer();
  stream.takes_all = false;
  Write(stream, Request("many", "", kFour));
  size_t seen = 0;
  while (seen < 48) {
    const auto waits_behind_four = [&] {
      return ToldTo(stream).size() == seen + 4 && CallOf(stream).flow->waiting() == 1;
    };
    ASSERT_TRUE(Until(waits_behind_four));
    for (int i = 0; i < 100; ++i) Wake();
    ASSERT_TRUE(waits_behind_four());
    seen += 4;
    Take(stream);
  }
  End(stream);
  ASSERT_TRUE(Until([&] { return stream.is_finished; }));
  EXPECT_EQ(ToldTo(stream).size(), 50u);
}

class Watch : public HandlerTest {
 protected:
  FakeStream& Of(std::string_view service) {
    FakeStream& stream = Open("/grpc.health.v1.Health/Watch");
    Write(stream, Framed(service.empty() ? std::string() : Field(1, service)));
    End(stream);
    return stream;
  }
  static std::string Statuses(const FakeStream& stream) {
    std::string statuses;
    for (const std::string& message : Messages(stream.body)) {
      statuses += static_cast<char>('0' + message.at(1));
    }
    return statuses;
  }
};

TEST_F(Watch, TellsTheStatusAtOnceAndEveryChange) {
  Publish(true);
  FakeStream& whole = Of("");
  FakeStream& infer = Of("inference.GRPCInferenceService");
  FakeStream& unknown = Of("nobody");
  EXPECT_EQ(frontend.in_flight(), 0u);
  for (const bool is_ready : {true, false, false, true}) Publish(is_ready);
  EXPECT_EQ(Statuses(whole), "121");
  EXPECT_EQ(Statuses(infer), "121");
  EXPECT_EQ(Statuses(unknown), "3");
  Vanish(infer);
  Publish(false);
  EXPECT_EQ(Statuses(whole), "1212");
}

TEST_F(Watch, TellsASlowReaderTheLatestOnly) {
  Publish(true);
  FakeStream& stream = Of("");
  stream.takes_all = false;
  Publish(false);
  for (int i = 0; i < 10; ++i) Publish(i % 2 == 0);
  Publish(true);
  EXPECT_EQ(Statuses(stream), "12");
  Take(stream);
  EXPECT_EQ(Statuses(stream), "121");
}

class Reflection : public HandlerTest {
 protected:
  FakeStream& OpenIt() { return Open("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"); }
  void Reply(base::Status status, std::string body) {
    auto reply = std::make_unique<ControlReply>();
    reply->grpc_status = std::move(status);
    reply->body = std::move(body);
    frontend.Reply(port.calls.back()->token, std::move(reply));
    Wake();
  }
};

TEST_F(Reflection, HandsOverOneMessageAfterTheOther) {
  FakeStream& stream = OpenIt();
  EXPECT_EQ(Write(stream, Framed("one") + Framed("two")), Framed("two"));
  ASSERT_EQ(port.calls.size(), 1u);
  EXPECT_EQ(port.calls[0]->body, "one");
  EXPECT_EQ(frontend.in_flight(), 1u);
  Reply({}, "first");
  EXPECT_TRUE(stream.is_resumed);
  EXPECT_EQ(Messages(stream.body), std::vector<std::string>{"first"});
  EXPECT_EQ(frontend.in_flight(), 0u);
  EXPECT_EQ(Write(stream, Framed("two")), "");
  End(stream);
  EXPECT_FALSE(stream.is_finished);
  Reply({}, "second");
  EXPECT_EQ(Messages(stream.body), (std::vector<std::string>{"first", "second"}));
  EXPECT_EQ(stream.Trailer("grpc-status"), "0");
}

TEST_F(Reflection, EndsWithAnErrorOfTypeScript) {
  FakeStream& stream = OpenIt();
  Write(stream, Framed("one"));
  Reply(base::Internal("Unable to parse request"), "");
  EXPECT_EQ(stream.Trailer("grpc-status"), "13");
  EXPECT_EQ(stream.Trailer("grpc-message"), "Unable to parse request");
}

}  // namespace
}  // namespace serving::frontend
