// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// HTTP/1.1 over real sockets.

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "net/testing.h"

namespace serving::net {
namespace {

using std::chrono::milliseconds;

std::string Get(std::string_view path, std::string_view more = {}) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: h\r\n" + std::string(more) + "\r\n";
}

std::string Post(std::string_view path, std::string_view body, std::string_view more = {}) {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(more) + "\r\n" + std::string(body);
}

class Http1Server : public testing::Test {
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

TEST_F(Http1Server, AnswersAndKeepsTheConnection) {
  Client client(port);
  for (int i = 0; i < 3; ++i) {
    client.Send(Get("/hello"));
    Response response = ReadResponse(client);
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "hello");
    EXPECT_EQ(response.headers["content-length"], "5");
    EXPECT_EQ(response.headers["date"].size(), 29u);
    EXPECT_FALSE(response.headers.contains("connection"));
  }
  EXPECT_TRUE(server->WaitFor("closed /hello answered", 3));
  EXPECT_EQ(server->Count("end /hello"), 3u);
}

TEST_F(Http1Server, HandsTheHeadOver) {
  Client client(port);
  client.Send(Post("/echo?a=b&c", "xyz", "X-Name: Value\r\n"));
  EXPECT_EQ(ReadResponse(client).body, "xyz");
  EXPECT_EQ(server->last_head(), "POST /echo ? a=b&c length 3 body service 0");
  const std::vector<std::pair<std::string, std::string>> expected{
      {"host", "h"}, {"content-length", "3"}, {"x-name", "Value"}};
  EXPECT_EQ(server->last_headers(), expected);
}

TEST_F(Http1Server, ReadsRequestsInPiecesOfAnySize) {
  const std::string request = Post("/echo", "body of some bytes") + Get("/hello");
  for (const size_t step : {1u, 2u, 3u, 7u, 50u}) {
    Client client(port);
    for (size_t at = 0; at < request.size(); at += step) client.Send(request.substr(at, step));
    EXPECT_EQ(ReadResponse(client).body, "body of some bytes");
    EXPECT_EQ(ReadResponse(client).body, "hello");
  }
}

TEST_F(Http1Server, AnswersPipelinedRequestsInOrder) {
  Client client(port);
  std::string requests;
  for (int i = 0; i < 300; ++i)
    requests += i % 3 == 0 ? Get("/hello") : Post("/echo", std::to_string(i));
  client.Send(requests);
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(ReadResponse(client).body, i % 3 == 0 ? "hello" : std::to_string(i));
  }
}

TEST_F(Http1Server, ALaterAnswerWaitsForTheEarlierOne) {
  Client client(port);
  client.Send(Get("/hold") + Get("/hello") + Get("/large?300000") + Post("/echo", "last"));
  ASSERT_TRUE(server->WaitFor("end /echo"));
  EXPECT_FALSE(client.HasInput());
  server->Answer();
  EXPECT_EQ(ReadResponse(client).body, "held");
  EXPECT_EQ(ReadResponse(client).body, "hello");
  EXPECT_EQ(ReadResponse(client).body, Pattern(300000));
  EXPECT_EQ(ReadResponse(client).body, "last");
}

TEST_F(Http1Server, ParsesABoundedNumberOfRequestsAhead) {
  Client client(port);
  std::string requests;
  for (int i = 0; i < 100; ++i) requests += Get("/hold");
  client.Send(requests);
  ASSERT_TRUE(server->WaitFor("end /hold", 16));
  // A turn of another connection later there are still no more.
  Client other(port);
  other.Send(Get("/hello"));
  ReadResponse(other);
  EXPECT_EQ(server->Count("end /hold"), 16u);
  for (int answered = 0; answered < 100; ++answered) {
    server->Answer();
    EXPECT_EQ(ReadResponse(client).body, "held");
  }
}

TEST_F(Http1Server, ReadsChunkedBodies) {
  Client client(port);
  const std::string request =
      "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;x=y\r\nhello\r\n7\r\n, world\r\n0\r\nX: y\r\n\r\n";
  client.Send(request + request);
  EXPECT_EQ(ReadResponse(client).body, "hello, world");
  EXPECT_EQ(ReadResponse(client).body, "hello, world");
  EXPECT_EQ(server->last_head(), "POST /echo ?  body service 0");
  for (const char c : request) client.Send({&c, 1});
  EXPECT_EQ(ReadResponse(client).body, "hello, world");
}

TEST_F(Http1Server, RefusesMalformedChunks) {
  Client client(port);
  client.Send(
      "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n");
  const Response response = ReadResponse(client);
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.body, "{\"error\":\"the chunked body is malformed\"}");
  EXPECT_EQ(client.ReceiveAll(), "");
  EXPECT_TRUE(server->WaitFor("closed /echo not answered"));
  EXPECT_EQ(server->Count("end /echo"), 0u);
}

TEST_F(Http1Server, AnswersChunkedWithoutALength) {
  Client client(port);
  client.Send(Post("/echo-chunked", "some bytes"));
  Response response = ReadResponse(client);
  EXPECT_EQ(response.headers["transfer-encoding"], "chunked");
  EXPECT_FALSE(response.headers.contains("content-length"));
  EXPECT_EQ(response.body, "some bytes");
  client.Send(Get("/stream?5"));
  std::string expected;
  for (int i = 0; i < 5; ++i) expected += Pattern(64 * 1024);
  EXPECT_EQ(ReadResponse(client).body, expected);
  client.Send(Get("/hello"));
  EXPECT_EQ(ReadResponse(client).body, "hello");
}

TEST_F(Http1Server, AsksForABodyThatWaits) {
  Client client(port);
  const std::string head =
      "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
  client.Send(head);
  EXPECT_EQ(client.ReceiveUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("hello");
  EXPECT_EQ(ReadResponse(client).body, "hello");
  client.Send(head + "at on");  // does not wait
  EXPECT_EQ(ReadResponse(client).body, "at on");
}

TEST_F(Http1Server, RefusesABodyThatWaitsWithoutAskingForIt) {
  Client client(port);
  client.Send(
      "POST /early HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  Response response = ReadResponse(client);
  EXPECT_EQ(response.status, 413);
  EXPECT_EQ(response.headers["connection"], "close");
  EXPECT_EQ(client.ReceiveAll(), "");
}

TEST_F(Http1Server, DropsTheSmallRestOfAnEarlyAnsweredBody) {
  Client client(port);
  client.Send(Post("/early", std::string(20'000, 'x')) + Get("/hello"));
  Response response = ReadResponse(client);
  EXPECT_EQ(response.status, 413);
  EXPECT_FALSE(response.headers.contains("connection"));
  EXPECT_EQ(ReadResponse(client).body, "hello");
  EXPECT_EQ(server->Count("end /early"), 0u);
  EXPECT_TRUE(server->WaitFor("closed /early answered"));
}

TEST_F(Http1Server, ClosesAfterAnsweringALargeBodyEarly) {
  Client client(port);
  client.Send("POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n" +
              std::string(500'000, 'x'));
  Response response = ReadResponse(client);
  EXPECT_EQ(response.status, 413);
  EXPECT_EQ(response.headers["connection"], "close");
  EXPECT_EQ(client.ReceiveAll(), "");
  EXPECT_FALSE(client.was_reset());
  EXPECT_TRUE(server->WaitFor("closed /early answered"));
}

TEST_F(Http1Server, ClosesWhereAskedTo) {
  Client close_client(port);
  close_client.Send(Get("/hello", "Connection: close\r\n") + Get("/echo"));
  Response response = ReadResponse(close_client);
  EXPECT_EQ(response.headers["connection"], "close");
  EXPECT_EQ(close_client.ReceiveAll(), "");
  EXPECT_EQ(server->Count("request GET /echo"), 0u);

  Client old_client(port);
  old_client.Send("GET /hello HTTP/1.0\r\n\r\n");
  EXPECT_EQ(ReadResponse(old_client).headers["connection"], "close");
  EXPECT_EQ(old_client.ReceiveAll(), "");

  Client old_keeping(port);
  for (int i = 0; i < 2; ++i) {
    old_keeping.Send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_EQ(ReadResponse(old_keeping).headers["connection"], "keep-alive");
  }
}

TEST_F(Http1Server, EndsBodiesWithoutLengthByClosingForHttp10) {
  Client client(port);
  client.Send(
      "POST /echo-chunked HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc");
  Response response = ReadResponse(client);
  EXPECT_FALSE(response.headers.contains("transfer-encoding"));
  EXPECT_EQ(response.body, "abc");
}

TEST_F(Http1Server, SendsNoBodyToHead) {
  Client client(port);
  client.Send("HEAD /hello HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(ReadResponse(client, true).headers["content-length"], "5");
  client.Send("HEAD /echo-chunked HTTP/1.1\r\nHost: h\r\n\r\n" + Get("/hello"));
  EXPECT_EQ(ReadResponse(client, true).status, 200);
  EXPECT_EQ(ReadResponse(client).body, "hello");
}

TEST_F(Http1Server, ClosesWhenAnAnswerIsShorterThanAnnounced) {
  Client client(port);
  client.Send(Get("/short") + Get("/hello"));
  const std::string all = client.ReceiveAll();
  EXPECT_TRUE(all.ends_with("\r\n\r\nten bytes.")) << all;
}

TEST_F(Http1Server, RefusesBadHeadsBehindGoodRequests) {
  Client client(port);
  client.Send(Get("/hold") + "GET / HTTP/1.1\r\nHost : h\r\n\r\n" + Get("/hello"));
  ASSERT_TRUE(server->WaitFor("end /hold"));
  server->Answer();
  EXPECT_EQ(ReadResponse(client).body, "held");
  Response response = ReadResponse(client);
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.headers["connection"], "close");
  EXPECT_EQ(client.ReceiveAll(), "");
  EXPECT_EQ(server->Count("request GET /hello"), 0u);
}

TEST_F(Http1Server, RefusesWhatIsNotHttp) {
  Client client(port);
  client.Send("\x16\x03\x01\x02\x03\x04\x05");
  EXPECT_EQ(ReadResponse(client).status, 400);
  EXPECT_EQ(client.ReceiveAll(), "");
}

TEST_F(Http1Server, ClosesWithoutAWordWhereAFrameIsExpectedAsMuchAsText) {
  ListenerOptions options;
  options.allow_http1 = false;
  const uint16_t http2_only = server->Listen(options);
  for (const uint16_t to : {port, http2_only}) {
    for (const std::string_view text :
         {"PRI * HTTP/2.0\r\n\r\nXX", "SSH-2.0-x\r\n", "INVALID CONNECTION PREFACE\r\n\r\n"}) {
      Client client(to);
      client.Send(text);
      EXPECT_EQ(client.ReceiveAll(), "") << text;
    }
  }
  options.allow_http1 = true;
  options.allow_http2 = false;
  Client client(server->Listen(options));
  client.Send("SSH-2.0-x\r\n");
  EXPECT_EQ(ReadResponse(client).status, 400);
}

TEST_F(Http1Server, BoundsHeads) {
  Client client(port);
  client.Send("GET / HTTP/1.1\r\nHost: " + std::string(70'000, 'x'));
  EXPECT_EQ(ReadResponse(client).status, 431);
  Client other(port);
  other.Send("GET /" + std::string(70'000, 'x'));
  EXPECT_EQ(ReadResponse(other).status, 414);
}

TEST_F(Http1Server, AnEndBeforeTheRequestIsCompleteClosesSilently) {
  for (const std::string& text :
       {std::string(), std::string("GET /he"), Post("/echo", "12345").substr(0, 53)}) {
    Client client(port);
    client.Send(text);
    client.EndSending();
    EXPECT_EQ(client.ReceiveAll(), "");
  }
}

TEST_F(Http1Server, AnEndBehindACompleteRequestCancelsIt) {
  Client client(port);
  client.Send(Get("/hold"));
  ASSERT_TRUE(server->WaitFor("end /hold"));
  client.EndSending();
  EXPECT_TRUE(server->WaitFor("closed /hold not answered"));
  EXPECT_EQ(client.ReceiveAll(), "");
}

TEST_F(Http1Server, AnEndIsSeenWhileNothingIsRead) {
  Client full(port);
  std::string requests;
  for (int i = 0; i < 20; ++i) requests += Get("/hold");
  full.Send(requests);
  ASSERT_TRUE(server->WaitFor("end /hold", 16));
  full.EndSending();
  EXPECT_TRUE(server->WaitFor("closed /hold not answered", 16));

  Client closing(port);
  closing.Send(Get("/hold", "Connection: close\r\n"));
  ASSERT_TRUE(server->WaitFor("end /hold", 17));
  closing.EndSending();
  EXPECT_TRUE(server->WaitFor("closed /hold not answered", 17));

  Client paused(port);
  paused.Send(Post("/pause", std::string(1000, 'x')));
  ASSERT_TRUE(server->WaitFor("paused /pause"));
  paused.EndSending();
  EXPECT_TRUE(server->WaitFor("closed /pause not answered"));
}

TEST_F(Http1Server, AResetCancels) {
  Client client(port);
  client.Send(Get("/hold"));
  ASSERT_TRUE(server->WaitFor("end /hold"));
  client.Reset();
  EXPECT_TRUE(server->WaitFor("closed /hold not answered"));
}

TEST_F(Http1Server, MovesLargeBodiesBothWays) {
  Client client(port);
  const std::string body = Pattern(5'000'001);
  client.Send(Post("/echo", body) + Get("/large?5000001"));
  EXPECT_TRUE(ReadResponse(client).body == body);
  EXPECT_TRUE(ReadResponse(client).body == body);
  client.Send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4c4b41\r\n" +
              body + "\r\n0\r\n\r\n");
  EXPECT_TRUE(ReadResponse(client).body == body);
}

TEST_F(Http1Server, TakesBodiesInPiecesThatTheExchangeChooses) {
  Client client(port);
  const std::string body = Pattern(40'000);
  client.Send(Post("/trickle", body));
  EXPECT_TRUE(ReadResponse(client).body == body);
}

TEST_F(Http1Server, APausedBodyIsNotRead) {
  Client client(port);
  const std::string body = Pattern(32 << 20);
  const std::string request = Post("/pause", body);
  size_t sent = client.TrySend(request);
  ASSERT_TRUE(server->WaitFor("paused /pause"));
  // The kernel's buffers fill up, ours do not: at some point the socket takes no more.
  size_t without_progress = 0;
  while (sent < request.size() && without_progress < 1000) {
    const size_t n = client.TrySend(std::string_view(request).substr(sent));
    without_progress = n == 0 ? without_progress + 1 : 0;
    sent += n;
  }
  EXPECT_LT(sent, request.size());
  server->Resume();
  client.Send(std::string_view(request).substr(sent));
  EXPECT_TRUE(ReadResponse(client).body == body);
}

TEST_F(Http1Server, PausedChunkedBodiesGoOn) {
  Client client(port);
  client.Send(
      "POST /pause HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n" +
      Get("/hello"));
  ASSERT_TRUE(server->WaitFor("paused /pause"));
  server->Resume();
  EXPECT_EQ(ReadResponse(client).body, "abcdef");
  EXPECT_EQ(ReadResponse(client).body, "hello");
}

TEST_F(Http1Server, ASlowReaderBoundsWhatIsUnsent) {
  Client client(port, 4096);
  client.Send(Get("/stream?400"));  // 25 MiB
  ASSERT_TRUE(server->WaitFor("drained /stream", 3));
  Response response = ReadResponse(client);
  EXPECT_EQ(response.body.size(), 400u * 64 * 1024);
  EXPECT_LE(server->most_unsent(), 2u * 64 * 1024);
}

TEST_F(Http1Server, UnreadAnswersStopTheReadingUntilTheyAreRead) {
  Limits limits;
  limits.max_queued_write_bytes = 100'000;
  Start(limits);
  Client client(port, 4096);
  constexpr size_t kRequests = 30;
  const std::string body(1 << 20, 'x');
  std::thread sender([&] {
    for (size_t i = 0; i < kRequests; ++i) client.Send(Post("/echo", body));
  });
  // Some answers fit into the kernel's buffers; the next one waits and with it all reading.
  ASSERT_TRUE(server->WaitFor("end /echo"));
  for (int i = 0; i < 20; ++i) {
    Client other(port);
    other.Send(Get("/hello"));
    ReadResponse(other);
  }
  EXPECT_LE(server->Count("request POST /echo"), 12u);
  for (size_t i = 0; i < kRequests; ++i) EXPECT_EQ(ReadResponse(client).body.size(), body.size());
  sender.join();
}

TEST_F(Http1Server, TimersRing) {
  Client client(port);
  client.Send(Get("/timer"));
  EXPECT_EQ(ReadResponse(client).body, "rang");
}

TEST_F(Http1Server, EndsSlowHeads) {
  Limits limits;
  limits.head_timeout = milliseconds(80);
  Start(limits);
  Client silent(port);
  Client opening(port);
  opening.Send("P");
  EXPECT_EQ(opening.ReceiveAll(), "");
  Client slow(port);
  slow.Send(Get("/hello") + "GET /hello HTT");
  EXPECT_EQ(ReadResponse(slow).body, "hello");
  EXPECT_EQ(ReadResponse(slow).status, 408);
  EXPECT_EQ(slow.ReceiveAll(), "");
  silent.Send(Get("/hello"));  // the limit counts from the first byte
  EXPECT_EQ(ReadResponse(silent).status, 200);
}

TEST_F(Http1Server, EndsSlowBodies) {
  Limits limits;
  limits.body_timeout = milliseconds(80);
  Start(limits);
  Client client(port);
  client.Send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nsome");
  EXPECT_EQ(ReadResponse(client).status, 408);
  EXPECT_EQ(client.ReceiveAll(), "");
  EXPECT_TRUE(server->WaitFor("closed /echo not answered"));
}

TEST_F(Http1Server, EndsIdleConnectionsButNotWaitingOnes) {
  Limits limits;
  limits.idle_timeout = milliseconds(80);
  Start(limits);
  Client untouched(port);
  Client used(port);
  Client waiting(port);
  waiting.Send(Get("/hold"));
  used.Send(Get("/hello"));
  ReadResponse(used);
  EXPECT_EQ(untouched.ReceiveAll(), "");
  EXPECT_EQ(used.ReceiveAll(), "");
  server->Answer();
  EXPECT_EQ(ReadResponse(waiting).body, "held");
}

TEST_F(Http1Server, EndsPeersThatTakeNothing) {
  Limits limits;
  limits.write_timeout = milliseconds(80);
  Start(limits);
  Client client(port, 4096);
  client.Send(Get("/large?50000000"));
  EXPECT_TRUE(server->WaitFor("closed /large not answered"));
}

TEST_F(Http1Server, EndsBodiesThatComeTooSlowlyAfterTheirGrace) {
  Limits limits;
  limits.min_body_bytes_per_second = 100;
  TestClock clock;
  TestServer slow_server(limits, 1, &clock);
  Client client(slow_server.Listen());
  // Two bodies of 700 bytes: after 6 s one has passed 600, the other has not.
  const std::string head = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 800\r\n\r\n";
  client.Send(head + std::string(700, 'x'));
  ASSERT_TRUE(slow_server.WaitFor("request POST /echo"));
  clock.Advance(std::chrono::milliseconds(6'500));
  slow_server.Wake();
  client.Send(std::string(100, 'x'));
  EXPECT_EQ(ReadResponse(client).status, 200);
  client.Send(head + std::string(500, 'x'));
  ASSERT_TRUE(slow_server.WaitFor("request POST /echo", 2));
  clock.Advance(std::chrono::milliseconds(4'500));
  slow_server.Wake();
  client.Send(std::string(1, 'x'));
  EXPECT_FALSE(client.HasInput());
  clock.Advance(std::chrono::seconds(2));
  slow_server.Wake();
  EXPECT_EQ(ReadResponse(client).status, 408);
  EXPECT_EQ(client.ReceiveAll(), "");
  EXPECT_TRUE(slow_server.WaitFor("closed /echo not answered"));
}

TEST_F(Http1Server, OurOwnPausesAreNotThePeersSlowness) {
  Limits limits;
  limits.min_body_bytes_per_second = 100;
  TestClock clock;
  TestServer slow_server(limits, 1, &clock);
  Client client(slow_server.Listen());
  client.Send(Post("/pause", "abcdef").substr(0, 55));
  ASSERT_TRUE(slow_server.WaitFor("paused /pause"));
  clock.Advance(std::chrono::seconds(60));
  slow_server.Wake();
  slow_server.Resume();
  ASSERT_TRUE(slow_server.WaitFor("takes /pause"));
  clock.Advance(std::chrono::seconds(2));
  slow_server.Wake();
  client.Send("def");
  EXPECT_EQ(ReadResponse(client).body, "abcdef");
}

TEST_F(Http1Server, BytesThatTheKernelStillGathersCountForTheSpeed) {
  Limits limits;
  limits.min_body_bytes_per_second = 100;
  TestClock clock;
  TestServer slow_server(limits, 1, &clock);
  Client client(slow_server.Listen());
  const std::string request = Post("/echo", std::string(1 << 20, 'x'));
  client.Send(std::string_view(request).substr(0, 300'000));
  ASSERT_TRUE(slow_server.WaitFor("request POST /echo"));
  slow_server.Wake();
  client.Send(std::string_view(request).substr(300'000, 100'000));
  clock.Advance(std::chrono::seconds(3'500));
  slow_server.Wake();
  client.Send(std::string_view(request).substr(400'000));
  EXPECT_EQ(ReadResponse(client).status, 200);
}

TEST_F(Http1Server, LargeBodiesMayEndByteByByte) {
  Client client(port);
  const std::string body = Pattern(2 << 20);
  const std::string request = Post("/echo", body);
  const size_t slow_from = request.size() - 50;
  client.Send(std::string_view(request).substr(0, 300'000));
  client.Send(std::string_view(request).substr(300'000, slow_from - 300'000));
  for (size_t at = slow_from; at < request.size(); ++at) client.Send({&request[at], 1});
  EXPECT_TRUE(ReadResponse(client).body == body);
}

TEST_F(Http1Server, SlowReadersThatGoOnReadingMayStay) {
  Limits limits;
  limits.write_timeout = std::chrono::seconds(1);
  TestClock clock;
  TestServer patient_server(limits, 1, &clock);
  Client client(patient_server.Listen(), 4096);
  client.Send(Get("/large?80000000"));
  ASSERT_TRUE(patient_server.WaitFor("end /large"));
  size_t got = 0;
  while (got < 80'000'000) {
    // More than all buffers of the kernel hold: the server has written between two steps of the
    // clock.
    const size_t n = client.ReceiveExactly(10'000'000).size();
    ASSERT_GT(n, 0u);
    got += n;
    clock.Advance(milliseconds(600));
    patient_server.Wake();
  }
}

TEST_F(Http1Server, StopEndsEverything) {
  Client held(port);
  held.Send(Get("/hold"));
  Client half(port);
  half.Send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nsome");
  Client large(port, 4096);
  large.Send(Get("/large?50000000"));
  ASSERT_TRUE(server->WaitFor("end /hold"));
  ASSERT_TRUE(server->WaitFor("request POST /echo"));
  ASSERT_TRUE(server->WaitFor("end /large"));
  server->Stop();
  EXPECT_EQ(server->Count("closed /hold not answered"), 1u);
  EXPECT_EQ(server->Count("closed /echo not answered"), 1u);
  EXPECT_EQ(server->Count("closed /large not answered"), 1u);
  EXPECT_EQ(server->Count("stopped"), 1u);
  EXPECT_EQ(held.ReceiveAll(), "");
}

TEST_F(Http1Server, AnswersSayCloseOnceListeningHasStopped) {
  Client client(port);
  client.Send(Get("/hello"));
  ReadResponse(client);
  client.Send(Get("/hold"));
  ASSERT_TRUE(server->WaitFor("end /hold"));
  server->server().StopListening();
  server->Answer();
  Response response = ReadResponse(client);
  EXPECT_EQ(response.body, "held");
  EXPECT_EQ(response.headers["connection"], "close");
  EXPECT_EQ(client.ReceiveAll(), "");
}

}  // namespace
}  // namespace serving::net
