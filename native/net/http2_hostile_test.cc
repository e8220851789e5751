// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// What is known to have brought HTTP/2 servers down, or to pass one request off as two.

#include <gtest/gtest.h>

#include <string>

#include "net/testing.h"

namespace serving::net {
namespace {

using namespace std::string_literals;

constexpr uint8_t kData = 0;
constexpr uint8_t kHeaders = 1;
constexpr uint8_t kPriority = 2;
constexpr uint8_t kReset = 3;
constexpr uint8_t kSettings = 4;
constexpr uint8_t kPing = 6;
constexpr uint8_t kWindowUpdate = 8;
constexpr uint8_t kContinuation = 9;

constexpr int kProtocolError = 1;
constexpr int kFlowControlError = 3;
constexpr int kStreamClosed = 5;
constexpr int kEnhanceYourCalm = 11;

// 0x82 GET, 0x86 http, 0x44 :path, 0x41 :authority
const std::string kGetHold = "\x82\x86\x44\x05/hold\x41\x01h";

class Http2Hostile : public testing::Test {
 protected:
  // Few resets, so that fewer are a flood.
  static Limits FewResets() {
    Limits limits;
    limits.max_resets = 2'000;
    limits.resets_per_second = 200;
    return limits;
  }
  void Start(const Limits& limits = FewResets()) {
    server.emplace(limits);
    port = server->Listen();
  }
  void SetUp() override { Start(); }
  void TearDown() override {
    // Whatever came, the next one is served.
    Http2Client client(port);
    EXPECT_EQ(client.Wait(client.Request("GET", "/hello")).body, "hello");
    server->Stop();
    EXPECT_EQ(TestBuffer::live(), 0);
  }

  // What the server says before it closes a connection that brings these frames.
  Goaway EndOf(std::string_view frames) {
    Client client(port);
    client.Send(std::string(kHttp2Preface) + RawFrame(kSettings, 0, 0, ""));
    while (!frames.empty()) {
      const size_t sent = client.TrySend(frames);
      if (sent == 0 && !client.AwaitRoom()) break;
      frames.remove_prefix(sent);
    }
    const std::optional<Goaway> goaway = GoawayIn(client.ReceiveAll());
    EXPECT_TRUE(goaway);
    return goaway.value_or(Goaway());
  }
  static std::string Many(int times, std::string_view frame) {
    std::string frames;
    for (int i = 0; i < times; ++i) frames += frame;
    return frames;
  }

  std::optional<TestServer> server;
  uint16_t port = 0;
};

TEST_F(Http2Hostile, RapidReset) {
  std::string frames;
  for (uint32_t stream = 1; stream < 6'001; stream += 2) {
    frames += RawFrame(kHeaders, 5, stream, kGetHold) + RawFrame(kReset, 0, stream, "\0\0\0\x08"s);
  }
  const Goaway end = EndOf(frames);
  EXPECT_EQ(end.error, kEnhanceYourCalm);
  EXPECT_EQ(end.text, "too many streams reset");
  EXPECT_LT(server->Count("request GET /hold"), 2'100u);
}

TEST_F(Http2Hostile, ResetsThatTheServerIsMadeToSend) {
  std::string frames;
  // More than the other flood: those over the greatest number of streams are refused.
  for (uint32_t stream = 1; stream < 16'001; stream += 2) {
    frames += RawFrame(kHeaders, 5, stream, kGetHold) +
              RawFrame(kWindowUpdate, 0, stream, "\x7f\xff\xff\xff"s);
  }
  EXPECT_EQ(EndOf(frames).error, kEnhanceYourCalm);
  EXPECT_LT(server->Count("request GET /hold"), 2'100u);
}

TEST_F(Http2Hostile, ClientsMayCancelSomeCalls) {
  Http2Client client(port);
  for (int i = 0; i < 500; ++i) client.Reset(client.Request("GET", "/hold"), 8);
  EXPECT_EQ(client.Wait(client.Request("GET", "/hello")).body, "hello");
}

TEST_F(Http2Hostile, ClientsMayGiveUpAnyNumberOfCallsWhoseTimeIsOver) {
  Http2Client client(port);
  for (int i = 0; i < 6'000; ++i) client.Reset(client.Request("GET", "/hold?due"), 8);
  EXPECT_EQ(client.Wait(client.Request("GET", "/hello")).body, "hello");
}

TEST_F(Http2Hostile, EachAnswerMakesRoomForOneMoreReset) {
  Http2Client client(port);
  for (int i = 0; i < 3'000; ++i) {
    client.Reset(client.Request("GET", "/hold"), 8);
    ASSERT_EQ(client.Wait(client.Request("GET", "/hello")).body, "hello") << i;
  }
}

TEST_F(Http2Hostile, ContinuationFlood) {
  const std::string open = RawFrame(kHeaders, 1, 1, kGetHold);
  EXPECT_EQ(EndOf(open + Many(100'000, RawFrame(kContinuation, 0, 1, ""))).error, kEnhanceYourCalm);
  EXPECT_EQ(
      EndOf(open + Many(20, RawFrame(kContinuation, 0, 1, std::string(16'000, '\x82')))).error,
      kEnhanceYourCalm);
  EXPECT_EQ(server->Count("request GET /hold"), 0u);
}

TEST_F(Http2Hostile, FieldBlocksMayComeInSomePieces) {
  Client client(port);
  std::string frames = RawFrame(kHeaders, 1, 1, kGetHold.substr(0, 1));
  for (size_t i = 1; i < 8; ++i) frames += RawFrame(kContinuation, 0, 1, kGetHold.substr(i, 1));
  frames += RawFrame(kContinuation, 4, 1, kGetHold.substr(8));
  client.Send(std::string(kHttp2Preface) + RawFrame(kSettings, 0, 0, "") + frames);
  EXPECT_TRUE(server->WaitFor("end /hold"));
}

TEST_F(Http2Hostile, HpackBomb) {
  // One entry of 4,000 bytes in the table, then thousands of references of one byte each.
  std::string block = kGetHold + "\x40\x01x\x7f\xa1\x1e"s + std::string(4'000, 'a');
  EXPECT_EQ(EndOf(RawFrame(kHeaders, 1, 1, block) +
                  RawFrame(kContinuation, 4, 1, std::string(16'000, '\xbe')))
                .error,
            kEnhanceYourCalm);
  EXPECT_EQ(server->Count("request GET /hold"), 0u);
}

TEST_F(Http2Hostile, TooManyFields) {
  Http2Client client(port);
  Http2Client::Fields fields;
  for (int i = 0; i < 600; ++i) fields.emplace_back("x", "");
  EXPECT_EQ(client.Wait(client.Request("GET", "/hello", {}, fields)).status, 431);
  EXPECT_EQ(server->Count("request GET /hello"), 0u);
}

TEST_F(Http2Hostile, FloodsOfFramesThatMoveNothingOn) {
  const std::string open = RawFrame(kHeaders, 4, 1, kGetHold);
  const std::string frames[] = {
      RawFrame(kSettings, 0, 0, ""),
      RawFrame(kSettings, 1, 0, ""),
      RawFrame(kPing, 0, 0, "12345678"),
      RawFrame(kPing, 1, 0, "12345678"),
      RawFrame(kPriority, 0, 3, "\0\0\0\1\1"s),
      RawFrame(kData, 0, 1, ""),
      RawFrame(kWindowUpdate, 0, 0, "\0\0\0\1"s),
      RawFrame(kWindowUpdate, 0, 1, "\0\0\0\1"s),
      RawFrame(kWindowUpdate, 0, 0, "\0\0\0\1"s) + RawFrame(kPing, 0, 0, "12345678"),
      RawFrame(0x77, 0, 0, "unknown"),
  };
  for (const std::string& frame : frames) {
    const Goaway end = EndOf(open + Many(10'000, frame));
    EXPECT_EQ(end.error, kEnhanceYourCalm);
    EXPECT_EQ(end.text, "too many frames that move nothing on") << static_cast<int>(frame[3]);
  }
}

TEST_F(Http2Hostile, WorkEarnsSuchFrames) {
  Http2Client client(port);
  EXPECT_EQ(client.Wait(client.Request("GET", "/hello")).body, "hello");
  for (int round = 0; round < 300; ++round) {
    client.SendRaw(Many(20, RawFrame(kPing, 0, 0, "12345678")));
    EXPECT_EQ(client.Wait(client.Request("GET", "/hello")).body, "hello");
  }
}

TEST_F(Http2Hostile, WindowOverflowOfAStreamEndsItAlone) {
  Http2Client client(port);
  const int32_t held = client.Request("GET", "/hold");
  ASSERT_TRUE(server->WaitFor("end /hold"));
  client.SendRaw(RawFrame(kWindowUpdate, 0, static_cast<uint32_t>(held), "\x7f\xff\xff\xff"s));
  EXPECT_EQ(client.Wait(held).reset, static_cast<uint32_t>(kFlowControlError));
  EXPECT_TRUE(server->WaitFor("closed /hold not answered"));
  EXPECT_EQ(client.Wait(client.Request("GET", "/hello")).body, "hello");
}

TEST_F(Http2Hostile, WindowOverflowOfTheConnectionEndsIt) {
  EXPECT_EQ(EndOf(RawFrame(kWindowUpdate, 0, 0, "\x7f\xff\xff\xff"s)).error, kFlowControlError);
}

TEST_F(Http2Hostile, WindowsThatStayShut) {
  Limits limits;
  limits.write_timeout = std::chrono::milliseconds(80);
  Start(limits);
  Http2Client client(port, 0, false);
  std::vector<int32_t> streams;
  for (int i = 0; i < 50; ++i) streams.push_back(client.Request("GET", "/large?1000000"));
  for (const int32_t stream : streams) EXPECT_EQ(client.Wait(stream).reset, 8u);
  EXPECT_TRUE(server->WaitFor("closed /large not answered", 50));
}

TEST_F(Http2Hostile, FramesOnStreamsThatAreOver) {
  // `/` is not there: answered at once.
  const std::string get = RawFrame(kHeaders, 5, 3, "\x82\x86\x84\x41\x01h");
  Client client(port);
  client.Send(std::string(kHttp2Preface) + RawFrame(kSettings, 0, 0, "") + get);
  ASSERT_TRUE(server->WaitFor("closed / answered"));
  client.Send(RawFrame(kData, 0, 3, "more"));
  const std::string refused = RawFrame(kReset, 0, 3, "\0\0\0\x05"s);
  EXPECT_TRUE(client.ReceiveUntil(refused).ends_with(refused));
  client.Send(get);
  EXPECT_EQ(GoawayIn(client.ReceiveAll()).value_or(Goaway()).error, kStreamClosed);
  EXPECT_EQ(EndOf(get + RawFrame(kHeaders, 5, 1, "\x82\x86\x84\x41\x01h")).error, kProtocolError);
  EXPECT_EQ(EndOf(get + RawFrame(kData, 0, 1, "idle")).error, kStreamClosed);
}

TEST_F(Http2Hostile, FloodsOfDataOnStreamsThatAreOver) {
  const std::string frames = RawFrame(kHeaders, 4, 1, kGetHold) +
                             RawFrame(kReset, 0, 1, "\0\0\0\x08"s) +
                             Many(10'000, RawFrame(kData, 0, 1, "x"));
  EXPECT_EQ(EndOf(frames).error, kEnhanceYourCalm);
}

TEST_F(Http2Hostile, PrioritiesThatDependOnThemselves) {
  EXPECT_EQ(EndOf(RawFrame(kPriority, 0, 5, "\x80\0\0\5\1"s)).error, kProtocolError);
}

TEST_F(Http2Hostile, BodiesThatGoOnBehindTheirAnswer) {
  Http2Client client(port);
  const int32_t stream = client.Request("POST", "/early", std::string(1'000, 'x'), {}, false);
  ASSERT_TRUE(client.Until([&] { return client.response(stream).body == "big"; }));
  EXPECT_TRUE(server->WaitFor("closed /early answered"));
  EXPECT_FALSE(client.response(stream).reset);
  client.Continue(stream, std::string(1'000'000, 'x'), false);
  EXPECT_EQ(client.Wait(stream).reset, 0u);
}

TEST_F(Http2Hostile, RequestsInRequests) {
  // A line break in a value, a name with a space, a length that is none and one that is wrong, and
  // a transfer coding: all that a proxy which speaks HTTP/1.1 behind could take for another
  // request.
  const auto field = [](std::string_view name, std::string_view value) {
    return "\x40"s + static_cast<char>(name.size()) + std::string(name) +
           static_cast<char>(value.size()) + std::string(value);
  };
  const std::string fields[] = {field("x", "a\r\nb: c"),
                                field("x", "a\0b"s),
                                field("x y", "a"),
                                field("X", "a"),
                                field("x\r\ny", "a"),
                                field("transfer-encoding", "chunked"),
                                field("connection", "close"),
                                field("content-length", "+4"),
                                field("content-length", "5") + field("content-length", "6"),
                                field("content-length", "3")};
  for (const std::string& wrong : fields) {
    Client client(port);
    client.Send(std::string(kHttp2Preface) + RawFrame(kSettings, 0, 0, "") +
                RawFrame(kHeaders, 4, 1, kGetHold + wrong) + RawFrame(kData, 1, 1, "body"));
    const std::string refused = RawFrame(kReset, 0, 1, "\0\0\0\1"s);
    EXPECT_TRUE(client.ReceiveUntil(refused).ends_with(refused)) << wrong;
  }
  EXPECT_EQ(server->Count("end /hold"), 0u);
}

TEST_F(Http2Hostile, SlowLoris) {
  server->Stop();
  Limits limits;
  limits.head_timeout = std::chrono::milliseconds(80);
  Start(limits);
  const std::string block = RawFrame(kHeaders, 0, 1, kGetHold);
  for (const std::string& start : {
           "\0"s,                                                     // of a frame's head
           RawFrame(kSettings, 0, 0, "\0\4\0\0\0\1"s).substr(0, 12),  // of a frame
           RawFrame(kHeaders, 0x25, 1, "\0\0\0\0\x0f"s + kGetHold).substr(0, 9),
           RawFrame(kHeaders, 5, 1, kGetHold).substr(0, 14),
           block,  // the rest never comes
           block + RawFrame(kContinuation, 4, 1, "\x40\1a\1b"s).substr(0, 10),
       }) {
    const Goaway end = EndOf(start);
    EXPECT_EQ(end.error, kEnhanceYourCalm);
    EXPECT_EQ(end.text, "a frame did not come in time");
  }
  EXPECT_EQ(server->Count("request GET /hold"), 0u);
}

TEST_F(Http2Hostile, SlowLorisByteByByte) {
  server->Stop();
  Limits limits;
  limits.head_timeout = std::chrono::milliseconds(80);
  Start(limits);
  Client client(port);
  client.Send(std::string(kHttp2Preface) + RawFrame(kSettings, 0, 0, ""));
  client.Send(RawFrame(kHeaders, 5, 1, std::string(1000, '\x82')).substr(0, 9));
  size_t sent = 1;
  for (int i = 0; i < 500 && sent > 0; ++i) {
    sent = client.TrySend("\x82");
    Http2Client other(port);
    EXPECT_EQ(other.Wait(other.Request("GET", "/timer")).body, "rang");  // 20 ms
  }
  EXPECT_EQ(sent, 0u);
}

TEST_F(Http2Hostile, ARefusedHeaderBlockIsOver) {
  server->Stop();
  Limits limits;
  limits.head_timeout = std::chrono::milliseconds(80);
  Start(limits);
  Client client(port);
  client.Send(std::string(kHttp2Preface) + RawFrame(kSettings, 0, 0, "") +
              RawFrame(kHeaders, 5, 1, kGetHold + "\x40\1X\1a"s));  // no name of HTTP/2
  for (int i = 0; i < 10; ++i) {
    Http2Client other(port);
    EXPECT_EQ(other.Wait(other.Request("GET", "/timer")).body, "rang");
  }
  client.Send(RawFrame(kHeaders, 5, 3, kGetHold));
  EXPECT_TRUE(server->WaitFor("request GET /hold"));
}

}  // namespace
}  // namespace serving::net
