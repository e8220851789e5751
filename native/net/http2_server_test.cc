// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// HTTP/2 over real sockets.

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "net/testing.h"

namespace serving::net {
namespace {

using std::chrono::milliseconds;

class Http2Server : public testing::Test {
 protected:
  void Start(const Limits& limits = {}) {
    server.emplace(limits);
    port = server->Listen();
  }
  void SetUp() override { Start(); }
  void TearDown() override {
    server->Stop();
    EXPECT_EQ(TestBuffer::live(), 0);
  }

  std::optional<TestServer> server;
  uint16_t port = 0;
};

TEST_F(Http2Server, Answers) {
  Http2Client client(port);
  Response response = client.Wait(client.Request("GET", "/hello?q", {}, {{"x-name", "v"}}));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "hello");
  EXPECT_EQ(response.headers["content-length"], "5");
  EXPECT_EQ(response.headers["date"].size(), 29u);
  EXPECT_EQ(response.reset, 0u);
  EXPECT_EQ(server->last_head(), "GET /hello ? q service 0");
  const std::vector<std::pair<std::string, std::string>> expected{{"x-name", "v"},
                                                                  {"host", "test"}};
  EXPECT_EQ(server->last_headers(), expected);
  EXPECT_TRUE(server->WaitFor("closed /hello answered"));
  EXPECT_EQ(server->Count("end /hello"), 1u);
}

TEST_F(Http2Server, EchoesBodiesOfManySizes) {
  Http2Client client(port);
  for (const size_t size : {1u, 100u, 16'384u, 16'385u, 65'535u, 65'536u, 1'000'000u}) {
    const std::string body = Pattern(size);
    EXPECT_TRUE(client.Wait(client.Request("POST", "/echo", body)).body == body) << size;
  }
}

TEST_F(Http2Server, SendsTrailers) {
  Http2Client client(port);
  Response response = client.Wait(client.Request("POST", "/grpc", "message"));
  EXPECT_EQ(response.body, "message");
  EXPECT_EQ(response.headers["content-type"], "application/grpc");
  EXPECT_FALSE(response.headers.contains("date"));
  EXPECT_EQ(response.trailers["grpc-status"], "0");
  EXPECT_EQ(response.trailers["grpc-message"], "fine");
  Response empty = client.Wait(client.Request("POST", "/grpc"));
  EXPECT_EQ(empty.body, "");
  EXPECT_EQ(empty.trailers["grpc-status"], "0");
}

TEST_F(Http2Server, RefusesWithTrailersOnly) {
  Http2Client client(port);
  Response response = client.Wait(client.Request("POST", "/refuse-grpc", "message"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers["grpc-status"], "5");
  EXPECT_TRUE(response.trailers.empty());
  EXPECT_EQ(response.reset, 0u);
}

TEST_F(Http2Server, SendsNoBodyToHead) {
  Http2Client client(port);
  Response response = client.Wait(client.Request("HEAD", "/hello"));
  EXPECT_EQ(response.headers["content-length"], "5");
  EXPECT_EQ(response.body, "");
}

TEST_F(Http2Server, AnswersManyStreamsAtOnce) {
  Http2Client client(port);
  std::vector<int32_t> streams;
  for (int i = 0; i < 200; ++i)
    streams.push_back(client.Request("POST", "/echo", Pattern(static_cast<size_t>(i) * 97)));
  for (int i = 0; i < 200; ++i) {
    EXPECT_TRUE(client.Wait(streams[static_cast<size_t>(i)]).body ==
                Pattern(static_cast<size_t>(i) * 97));
  }
  EXPECT_TRUE(server->WaitFor("closed /echo answered", 200));
}

TEST_F(Http2Server, ALateStreamOvertakesAHeldOne) {
  Http2Client client(port);
  const int32_t held = client.Request("GET", "/hold");
  EXPECT_EQ(client.Wait(client.Request("GET", "/hello")).body, "hello");
  server->Answer();
  EXPECT_EQ(client.Wait(held).body, "held");
}

TEST_F(Http2Server, EndStreamIsAHalfCloseThatIsAnswered) {
  Http2Client client(port);
  const int32_t stream = client.Request("POST", "/hold", "abc", {}, false);
  ASSERT_TRUE(server->WaitFor("request POST /hold"));
  client.Continue(stream, "def", true);
  ASSERT_TRUE(server->WaitFor("end /hold"));
  server->Answer();
  EXPECT_EQ(client.Wait(stream).body, "abcdef");
}

TEST_F(Http2Server, ResetsCancelOneStreamOnly) {
  Http2Client client(port);
  const int32_t held = client.Request("GET", "/hold");
  const int32_t half = client.Request("POST", "/echo", "abc", {}, false);
  ASSERT_TRUE(server->WaitFor("end /hold"));
  ASSERT_TRUE(server->WaitFor("request POST /echo"));
  client.Reset(held, 8);
  client.Reset(half, 8);
  EXPECT_TRUE(server->WaitFor("closed /hold not answered"));
  EXPECT_TRUE(server->WaitFor("closed /echo not answered"));
  EXPECT_EQ(client.Wait(client.Request("GET", "/hello")).body, "hello");
}

TEST_F(Http2Server, AConnectionThatEndsCancelsItsStreams) {
  {
    Http2Client client(port);
    client.Request("GET", "/hold");
    client.Request("GET", "/hold");
    ASSERT_TRUE(server->WaitFor("end /hold", 2));
  }
  EXPECT_TRUE(server->WaitFor("closed /hold not answered", 2));
}

TEST_F(Http2Server, AnEarlyAnswerRefusesTheRestOfTheBody) {
  Http2Client client(port);
  const int32_t stream = client.Request("POST", "/early", std::string(1000, 'x'), {}, false);
  Response response = client.Wait(stream);
  EXPECT_EQ(response.status, 413);
  EXPECT_EQ(response.body, "big");
  EXPECT_EQ(response.reset, 0u);
  EXPECT_TRUE(server->WaitFor("closed /early answered"));
  EXPECT_EQ(client.Wait(client.Request("GET", "/hello")).body, "hello");
}

TEST_F(Http2Server, MovesLargeBodiesBothWays) {
  Http2Client client(port, 16 << 20);
  const std::string body = Pattern(20'000'001);
  EXPECT_TRUE(client.Wait(client.Request("POST", "/echo", body)).body == body);
  EXPECT_TRUE(client.Wait(client.Request("GET", "/large?20000001")).body == body);
}

TEST_F(Http2Server, TakesBodiesInPiecesThatTheExchangeChooses) {
  Http2Client client(port);
  const std::string body = Pattern(40'000);
  EXPECT_TRUE(client.Wait(client.Request("POST", "/trickle", body)).body == body);
}

TEST_F(Http2Server, APausedBodyClosesItsWindow) {
  Limits limits;
  limits.stream_window_bytes = 100'000;
  Start(limits);
  Http2Client client(port);
  const std::string body = Pattern(1'000'000);
  const int32_t paused = client.Request("POST", "/pause", body);
  ASSERT_TRUE(client.Until([&] { return client.unsent(paused) <= body.size() - 100'000; }));
  ASSERT_TRUE(server->WaitFor("paused /pause"));
  // Other streams go on; the paused one gets no further than its window.
  EXPECT_EQ(client.Wait(client.Request("POST", "/echo", "other")).body, "other");
  EXPECT_EQ(client.unsent(paused), body.size() - 100'000);
  server->Resume();
  EXPECT_TRUE(client.Wait(paused).body == body);
}

TEST_F(Http2Server, PausedBodiesOfOneConnectionAreBounded) {
  Http2Client client(port);
  std::vector<int32_t> streams;
  for (int i = 0; i < 4; ++i)
    streams.push_back(client.Request("POST", "/pause", Pattern(2'000'000)));
  ASSERT_TRUE(server->WaitFor("paused /pause"));
  server->Resume();
  for (const int32_t stream : streams) EXPECT_TRUE(client.Wait(stream).body == Pattern(2'000'000));
}

TEST_F(Http2Server, APausedStreamThatIsResetGivesItsWindowBack) {
  Limits limits;
  limits.stream_window_bytes = 100'000;
  limits.connection_window_bytes = 250'000;
  Start(limits);
  Http2Client client(port);
  for (size_t round = 1; round <= 5; ++round) {
    const int32_t stream = client.Request("POST", "/pause", Pattern(100'000), {}, false);
    ASSERT_TRUE(client.Until([&] { return client.unsent(stream) == 0; }));
    ASSERT_TRUE(server->WaitFor("paused /pause", round));
    EXPECT_EQ(client.Wait(client.Request("POST", "/echo", "more")).body, "more");
    client.Reset(stream, 8);
    EXPECT_TRUE(server->WaitFor("closed /pause not answered", round));
  }
}

TEST_F(Http2Server, ASlowReaderBoundsWhatIsUnsent) {
  Http2Client client(port, 65'535, false);
  const int32_t stream = client.Request("GET", "/stream?50");
  ASSERT_TRUE(client.Until([&] { return client.response(stream).body.size() == 65'535; }));
  EXPECT_EQ(server->Count("drained /stream"), 0u);
  while (client.response(stream).body.size() < 50u * 64 * 1024) {
    const size_t before = client.response(stream).body.size();
    client.Update(stream, 30'000);
    ASSERT_TRUE(client.Until([&] { return client.response(stream).body.size() > before; }));
  }
  EXPECT_LE(server->most_unsent(), 2u * 64 * 1024);
}

TEST_F(Http2Server, RefusesLongHeaderLists) {
  Limits limits;
  limits.max_header_bytes = 8 * 1024;
  Start(limits);
  Http2Client client(port);
  const Http2Client::Fields long_fields{{"x", std::string(5'000, 'a')},
                                        {"y", std::string(5'000, 'b')}};
  EXPECT_EQ(client.Wait(client.Request("GET", "/hello", {}, long_fields)).status, 431);
  EXPECT_EQ(server->Count("request GET /hello"), 0u);
  EXPECT_EQ(client.Wait(client.Request("GET", "/hello")).status, 200);
}

TEST_F(Http2Server, RefusesStreamsOverTheAnnouncedNumber) {
  Limits limits;
  limits.max_streams_per_connection = 4;
  Start(limits);
  // 0x82 GET, 0x86 http, 0x44 :path, 0x41 :authority
  constexpr std::string_view kGetHold = "\x82\x86\x44\x05/hold\x41\x01h";
  std::string opening = std::string(kHttp2Preface) + RawFrame(4, 0, 0, "");
  for (uint32_t stream = 1; stream <= 9; stream += 2) opening += RawFrame(1, 5, stream, kGetHold);
  Client client(port);
  client.Send(opening);
  ASSERT_TRUE(server->WaitFor("end /hold", 4));
  const std::string refused = RawFrame(3, 0, 9, std::string_view("\0\0\0\x07", 4));
  EXPECT_TRUE(client.ReceiveUntil(refused).ends_with(refused));
  EXPECT_EQ(server->Count("request GET /hold"), 4u);
}

TEST_F(Http2Server, CalmsPeersThatResetTooMuch) {
  Limits limits;
  limits.max_resets = 2'000;
  Start(limits);
  Http2Client client(port);
  for (int i = 0; i < 3000; ++i) client.Reset(client.Request("GET", "/hold"), 8);
  EXPECT_TRUE(client.UntilClosed());
  EXPECT_EQ(client.goaway(), 11u);
}

TEST_F(Http2Server, ClosesAfterProtocolErrors) {
  const struct {
    std::string frames;
    int error;
  } cases[] = {{RawFrame(6, 0, 1, "12345678"), 1},                         // PING on a stream
               {RawFrame(6, 0, 0, "1234567"), 6},                          // PING of 7 bytes
               {RawFrame(2, 0, 0, std::string_view("\0\0\0\1\1", 5)), 1},  // PRIORITY of no stream
               {RawFrame(0, 0, 1, "body"), 1},                             // DATA of an idle stream
               {RawFrame(1, 4, 2, "\x82"), 1}};  // HEADERS of an even stream
  for (const auto& test : cases) {
    Client client(port);
    client.Send(std::string(kHttp2Preface) + RawFrame(4, 0, 0, "") + test.frames);
    EXPECT_EQ(GoawayIn(client.ReceiveAll()).value_or(Goaway()).error, test.error);
    EXPECT_FALSE(client.was_reset());
  }
}

TEST_F(Http2Server, ClosesWhenAStreamThatHasEndedIsOpenedAgain) {
  const std::string get = RawFrame(1, 5, 1, "\x82\x86\x84\x41\x01h");
  Client client(port);
  client.Send(std::string(kHttp2Preface) + RawFrame(4, 0, 0, "") + get);
  ASSERT_TRUE(server->WaitFor("closed / answered"));
  client.Send(get);
  EXPECT_EQ(GoawayIn(client.ReceiveAll()).value_or(Goaway()).error, 5);
}

TEST_F(Http2Server, ClosesWhenTheFirstFrameIsNotSettings) {
  Client client(port);
  client.Send(std::string(kHttp2Preface) + RawFrame(6, 0, 0, "12345678"));
  client.ReceiveAll();
}

TEST_F(Http2Server, ReadsThePrefaceInPieces) {
  Client client(port);
  const std::string opening = std::string(kHttp2Preface) + RawFrame(4, 0, 0, "") +
                              RawFrame(1, 5, 1, "\x82\x86\x84\x41\x01h");
  for (const char c : opening) client.Send({&c, 1});
  EXPECT_TRUE(server->WaitFor("closed / answered"));
}

TEST_F(Http2Server, FloodsOfPingsEndWhenTheAnswersAreNotRead) {
  Client client(port, 4096);
  client.Send(std::string(kHttp2Preface) + RawFrame(4, 0, 0, ""));
  std::string pings;
  for (int i = 0; i < 10'000; ++i) pings += RawFrame(6, 0, 0, "12345678");
  // Until the server has had enough, a send would block for ever if it merely stopped to read: both
  // are an end.
  size_t sent = 0;
  size_t without_progress = 0;
  while (without_progress < 2000 && sent < (200u << 20)) {
    const size_t n = client.TrySend(pings);
    without_progress = n == 0 ? without_progress + 1 : 0;
    sent += n;
  }
  EXPECT_LT(sent, 200u << 20);
}

TEST_F(Http2Server, StopListeningSendsGoaway) {
  Http2Client client(port);
  const int32_t held = client.Request("GET", "/hold");
  ASSERT_TRUE(server->WaitFor("end /hold"));
  server->server().StopListening();
  ASSERT_TRUE(client.Until([&] { return client.goaway() && client.goaway_last_stream() == held; }));
  EXPECT_EQ(client.goaway(), 0u);
  server->Answer();
  EXPECT_EQ(client.Wait(held).body, "held");
  EXPECT_TRUE(client.UntilClosed());
  EXPECT_TRUE(server->WaitFor("closed /hold answered"));
}

TEST_F(Http2Server, StopEndsEverything) {
  Http2Client client(port);
  client.Request("GET", "/hold");
  client.Request("POST", "/echo", "abc", {}, false);
  client.Request("GET", "/large?30000000");
  ASSERT_TRUE(server->WaitFor("end /hold"));
  ASSERT_TRUE(server->WaitFor("request POST /echo"));
  ASSERT_TRUE(server->WaitFor("end /large"));
  server->Stop();
  EXPECT_EQ(server->Count("closed /hold not answered"), 1u);
  EXPECT_EQ(server->Count("closed /echo not answered"), 1u);
  EXPECT_EQ(server->Count("closed /large not answered"), 1u);
}

TEST_F(Http2Server, TimersRing) {
  Http2Client client(port);
  EXPECT_EQ(client.Wait(client.Request("GET", "/timer")).body, "rang");
}

TEST_F(Http2Server, EndsSlowBodies) {
  Limits limits;
  limits.body_timeout = milliseconds(80);
  Start(limits);
  Http2Client client(port);
  const int32_t slow = client.Request("POST", "/echo", "abc", {}, false);
  EXPECT_EQ(client.Wait(slow).reset, 8u);
  EXPECT_TRUE(server->WaitFor("closed /echo not answered"));
  EXPECT_EQ(client.Wait(client.Request("GET", "/hello")).body, "hello");
}

TEST_F(Http2Server, EndsBodiesThatComeTooSlowlyAfterTheirGrace) {
  Limits limits;
  limits.min_body_bytes_per_second = 100;
  TestClock clock;
  TestServer slow_server(limits, 1, &clock);
  Http2Client client(slow_server.Listen());
  const int32_t slow = client.Request("POST", "/echo", std::string(500, 'x'), {}, false);
  const int32_t paused = client.Request("POST", "/pause", "abc", {}, false);
  ASSERT_TRUE(slow_server.WaitFor("request POST /echo"));
  ASSERT_TRUE(slow_server.WaitFor("paused /pause"));
  clock.Advance(std::chrono::milliseconds(6'500));
  slow_server.Wake();
  EXPECT_EQ(client.Wait(slow).reset, 8u);
  EXPECT_TRUE(slow_server.WaitFor("closed /echo not answered"));
  // Our own pause is not the peer's fault.
  slow_server.Resume();
  ASSERT_TRUE(slow_server.WaitFor("takes /pause"));
  clock.Advance(std::chrono::seconds(2));
  slow_server.Wake();
  client.Continue(paused, "def", true);
  EXPECT_EQ(client.Wait(paused).body, "abcdef");
}

TEST_F(Http2Server, SurvivesRandomFrames) {
  std::mt19937 random(1);
  const std::string block = "\x82\x86\x44\x05/hold\x41\x01h";
  for (int round = 0; round < 150; ++round) {
    std::string bytes = std::string(kHttp2Preface) + RawFrame(4, 0, 0, "");
    for (int i = 0; i < 30; ++i) {
      std::string payload = random() % 2 == 0 ? block : std::string(random() % 40, '\0');
      for (size_t n = random() % 4; n > 0 && !payload.empty(); --n) {
        payload[random() % payload.size()] = static_cast<char>(random());
      }
      const auto type = static_cast<uint8_t>(random() % 11);
      bytes += RawFrame(type, static_cast<uint8_t>(random()), random() % 12, payload);
    }
    Client client(port);
    client.Send(bytes);
  }
  Http2Client client(port);
  EXPECT_EQ(client.Wait(client.Request("GET", "/hello")).body, "hello");
  EXPECT_TRUE(server->WaitForConnections(1));
}

TEST_F(Http2Server, EndsStreamsWhosePeerOpensNoWindow) {
  Limits limits;
  limits.write_timeout = milliseconds(80);
  Start(limits);
  Http2Client client(port, 1000, false);
  const int32_t stalled = client.Request("GET", "/large?100000");
  EXPECT_EQ(client.Wait(stalled).reset, 8u);
  EXPECT_TRUE(server->WaitFor("closed /large not answered"));
}

TEST_F(Http2Server, EndsIdleConnections) {
  Limits limits;
  limits.idle_timeout = milliseconds(80);
  Start(limits);
  Http2Client client(port);
  EXPECT_EQ(client.Wait(client.Request("GET", "/hello")).body, "hello");
  EXPECT_TRUE(client.UntilClosed());
  EXPECT_EQ(client.goaway(), 0u);
}

TEST_F(Http2Server, EndsHeaderBlocksThatDoNotEnd) {
  Limits limits;
  limits.head_timeout = milliseconds(80);
  Start(limits);
  Client client(port);
  client.Send(std::string(kHttp2Preface) + RawFrame(4, 0, 0, "") + RawFrame(1, 1, 1, "\x82\x86"));
  client.ReceiveAll();
}

// A long upload has no answer yet; that its windows are opened is sign enough.
TEST_F(Http2Server, OpenedWindowsForgivePings) {
  Limits limits;
  limits.stream_window_bytes = 65'535;
  server->Stop();
  server.emplace(limits);
  ListenerOptions options;
  options.keepalive.min_ping_interval = std::chrono::hours(1);
  options.keepalive.max_ping_strikes = 2;
  port = server->Listen(options);
  const std::string pings = RawFrame(6, 0, 0, "12345678") + RawFrame(6, 0, 0, "12345678");
  Client client(port);
  client.Send(std::string(kHttp2Preface) + RawFrame(4, 0, 0, "") +
              RawFrame(1, 4, 1, "\x83\x86\x44\x05/echo\x41\x01h"));
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 3; ++j) client.Send(RawFrame(0, 0, 1, std::string(16'000, 'x')));
    client.Send(RawFrame(0, 0, 1, "y"));
    server->Wake();
    client.Send(pings);
    server->Wake();
  }
  client.Send(RawFrame(0, 1, 1, "z"));
  EXPECT_TRUE(server->WaitFor("end /echo"));
  client.Send(pings + pings);
  const std::optional<Goaway> end = GoawayIn(client.ReceiveAll());
  ASSERT_TRUE(end);
  EXPECT_EQ(end->text, "too_many_pings");
}

}  // namespace
}  // namespace serving::net
