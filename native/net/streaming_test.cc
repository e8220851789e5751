// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// Answers that are sent in pieces, and requests that come in pieces meanwhile.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/testing.h"

namespace serving::net {
namespace {

constexpr std::string_view kChat =
    "POST /chat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";

class Streaming : public testing::Test {
 protected:
  void Start(const Limits& limits = {}, const base::Clock* with_clock = nullptr) {
    server.emplace(limits, 1, with_clock);
    port = server->Listen();
  }
  void SetUp() override { Start(); }
  void TearDown() override {
    server->Stop();
    EXPECT_EQ(TestBuffer::live(), 0);
  }

  TestClock clock;  // for those that move it; outlives the server
  std::optional<TestServer> server;
  uint16_t port = 0;
};

TEST_F(Streaming, AnAbortedHttp2AnswerEndsWithAReset) {
  Http2Client client(port);
  Response response = client.Wait(client.Request("GET", "/abort?100000"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, Pattern(100'000));
  EXPECT_EQ(response.reset, 2u);
  EXPECT_TRUE(server->WaitFor("closed /abort not answered"));
  EXPECT_EQ(client.Wait(client.Request("GET", "/abort?0")).reset, 8u);
  EXPECT_EQ(client.Wait(client.Request("GET", "/hello")).body, "hello");
}

TEST_F(Streaming, AnAbortedChunkedAnswerLacksItsLastChunk) {
  Client client(port);
  client.Send("GET /abort?10 HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string answer = client.ReceiveAll();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\na\r\n" + Pattern(10) + "\r\n")) << answer;
  EXPECT_TRUE(server->WaitFor("closed /abort not answered"));
}

TEST_F(Streaming, AnAbortedBodyThatEndsWithTheConnectionEndsWithAReset) {
  Client client(port);
  client.Send("GET /abort?10 HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(client.ReceiveUntil("\r\n\r\n" + Pattern(10)).ends_with(Pattern(10)));
  client.ReceiveAll();
  EXPECT_TRUE(client.was_reset());
  EXPECT_TRUE(server->WaitFor("closed /abort not answered"));
}

TEST_F(Streaming, AnAbortBeforeTheHeadClosesAfterTheAnswersBeforeIt) {
  Client client(port);
  client.Send(
      "GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /abort?0 HTTP/1.1\r\nHost: x\r\n\r\n"
      "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(ReadResponse(client).body, "hello");
  EXPECT_EQ(client.ReceiveAll(), "");
  EXPECT_TRUE(server->WaitFor("closed /abort not answered"));
}

TEST_F(Streaming, PiecesLeaveAtTheEndOfTheirTurnAndTheRequestGoesOnMeanwhile) {
  Http2Client http2(port);
  const int32_t chat = http2.Request("POST", "/chat", "one", {}, false);
  ASSERT_TRUE(http2.Until([&] { return http2.response(chat).body == "one"; }));
  http2.Continue(chat, "two", false);
  ASSERT_TRUE(http2.Until([&] { return http2.response(chat).body == "onetwo"; }));
  http2.Continue(chat, "three", true);
  EXPECT_EQ(http2.Wait(chat).body, "onetwothree");

  Client http1(port);
  http1.Send(kChat);
  http1.ReceiveUntil("\r\n\r\n");
  http1.Send("3\r\none\r\n");
  EXPECT_EQ(http1.ReceiveExactly(8), "3\r\none\r\n");
  http1.Send("5\r\nthree\r\n0\r\n\r\n");
  EXPECT_EQ(http1.ReceiveExactly(15), "5\r\nthree\r\n0\r\n\r\n");
}

TEST_F(Streaming, DrainedIsSaidOnceForEveryTimeThatAllHasLeft) {
  Http2Client http2(port, 4 << 20);
  EXPECT_EQ(http2.Wait(http2.Request("GET", "/stream?20")).body.size(), 20u * 65'536);
  EXPECT_EQ(server->Count("drained /stream"), 19u);
  Client http1(port);
  http1.Send("GET /stream?20 HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(ReadResponse(http1).body.size(), 20u * 65'536);
  EXPECT_EQ(server->Count("drained /stream"), 38u);
}

TEST_F(Streaming, BytesThatThePeersWindowHoldsBackCountAsUnsent) {
  Http2Client client(port, 10, false);
  const int32_t stream = client.Request("GET", "/abort?1000");
  ASSERT_TRUE(client.Until([&] { return client.response(stream).body.size() == 10; }));
  // The socket is empty, the window is not open: nothing has drained.
  EXPECT_EQ(client.Wait(client.Request("GET", "/hello")).body.size(), 5u);
  EXPECT_EQ(server->Count("drained /abort"), 0u);
  EXPECT_EQ(server->most_unsent(), 1'000u);
  client.Update(stream, 989);
  ASSERT_TRUE(client.Until([&] { return client.response(stream).body.size() == 999; }));
  EXPECT_EQ(client.Wait(client.Request("GET", "/hello")).body.size(), 5u);
  EXPECT_EQ(server->Count("drained /abort"), 0u);
  client.Update(stream, 1);
  EXPECT_EQ(client.Wait(stream).reset, 2u);
  EXPECT_EQ(server->Count("drained /abort"), 1u);
}

TEST_F(Streaming, APausedBodyAsLargeAsItsWindowLetsTheOtherStreamsGoOn) {
  Http2Client client(port);
  const std::string body = Pattern(12 << 20);
  const int32_t paused = client.Request("POST", "/pause", body);
  ASSERT_TRUE(client.Until([&] { return client.unsent(paused) == 0; }));
  for (int i = 0; i < 3; ++i) {
    const std::string other = Pattern(6 << 20);
    EXPECT_TRUE(client.Wait(client.Request("POST", "/echo", other)).body == other);
  }
  server->Resume();
  EXPECT_TRUE(client.Wait(paused).body == body);
}

TEST_F(Streaming, WhatAThreadHoldsForPausedBodiesIsBounded) {
  Limits limits;
  limits.stream_window_bytes = limits.connection_window_bytes = 64 << 20;
  Start(limits);
  std::vector<std::unique_ptr<Http2Client>> clients;
  std::vector<int32_t> streams;
  const std::string body = Pattern(50 << 20);
  size_t unsent = 0;
  for (int i = 0; i < 2; ++i) {
    clients.push_back(std::make_unique<Http2Client>(port));
    streams.push_back(clients.back()->Request("POST", "/pause", body));
  }
  ASSERT_TRUE(server->WaitFor("paused /pause", 2));
  // Both push until nothing moves any more, with a thread that has seen all there is to read.
  int turns_without_progress = 0;
  while (turns_without_progress < 5) {
    size_t left = 0;
    for (size_t i = 0; i < 2; ++i) {
      ASSERT_TRUE(
          clients[i]->Until([pumped = false]() mutable { return std::exchange(pumped, true); }));
      left += clients[i]->unsent(streams[i]);
    }
    server->Wake();
    turns_without_progress = left == unsent ? turns_without_progress + 1 : 0;
    unsent = left;
  }
  // 32 MiB, what lies in sockets, and not the whole of both.
  EXPECT_GT(unsent, 40u << 20);
  EXPECT_LT(unsent, 75u << 20);
  server->Resume();
  for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(clients[i]->Wait(streams[i]).body == body);
}

TEST_F(Streaming, SlowBodiesMayTakeForEverWhereAllowed) {
  Limits limits;
  limits.body_timeout = std::chrono::seconds(10);
  limits.min_body_bytes_per_second = 100;
  Start(limits, &clock);
  Http2Client http2(port);
  const int32_t chat = http2.Request("POST", "/chat", "a", {}, false);
  Client http1(port);
  http1.Send(kChat);
  http1.ReceiveUntil("\r\n\r\n");
  ASSERT_TRUE(http2.Until([&] { return http2.response(chat).body == "a"; }));
  for (int i = 0; i < 10; ++i) {
    clock.Advance(std::chrono::seconds(60));
    server->Wake();
  }
  http2.Continue(chat, "b", true);
  EXPECT_EQ(http2.Wait(chat).body, "ab");
  http1.Send("1\r\nb\r\n");
  EXPECT_EQ(http1.ReceiveExactly(6), "1\r\nb\r\n");
}

}  // namespace
}  // namespace serving::net
