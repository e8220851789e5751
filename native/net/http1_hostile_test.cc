// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// What is known to have brought HTTP/1.1 servers down, or to pass one request off as two.

#include <gtest/gtest.h>

#include <string>

#include "net/testing.h"

namespace serving::net {
namespace {

using namespace std::string_literals;

const std::string kSmuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

class Http1Hostile : public testing::Test {
 protected:
  void Start(const Limits& limits = {}) {
    server.emplace(limits);
    port = server->Listen();
  }
  void SetUp() override { Start(); }
  void TearDown() override {
    EXPECT_EQ(server->Count("request GET /smuggled"), 0u);
    Client client(port);
    client.Send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(ReadResponse(client).body, "hello");
    server->Stop();
  }

  // The answer to these bytes and a further request behind them; the connection must end with it.
  int StatusOf(const std::string& text) {
    Client client(port);
    client.Send(text + kSmuggled);
    const int status = ReadResponse(client).status;
    EXPECT_EQ(client.ReceiveAll(), "") << text;
    return status;
  }

  std::optional<TestServer> server;
  uint16_t port = 0;
};

TEST_F(Http1Hostile, TwoLengthsForOneBody) {
  const std::string lengths[] = {
      "Content-Length: 4\r\nContent-Length: 4\r\n",
      "Content-Length: 4\r\nContent-Length: 0\r\n",
      "Content-Length: 4\r\ncontent-length: 40\r\n",
      "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
      "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
      "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
      "Transfer-Encoding: chunked\r\nTRANSFER-ENCODING: chunked\r\n",
  };
  for (const std::string& length : lengths) {
    EXPECT_EQ(StatusOf("POST /echo HTTP/1.1\r\nHost: x\r\n" + length + "\r\n0\r\n\r\n"), 400)
        << length;
  }
}

TEST_F(Http1Hostile, LengthsThatAnotherReaderTakesForSomethingElse) {
  const std::string lengths[] = {"+4",
                                 "-4",
                                 "0x4",
                                 "4,4",
                                 "4, 4",
                                 "4 4",
                                 "4;",
                                 "\"4\"",
                                 "4.0",
                                 "4e0",
                                 "",
                                 " ",
                                 "٤",
                                 "04",
                                 "004",
                                 "00",
                                 "4\t5",
                                 "1_0",
                                 "four",
                                 "4\v",
                                 "4\0"s,
                                 "18446744073709551616",
                                 "99999999999999999999999999999999"};
  for (const std::string& length : lengths) {
    EXPECT_EQ(
        StatusOf("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: " + length + "\r\n\r\nbody"),
        400)
        << length;
  }
}

TEST_F(Http1Hostile, TransferCodingsThatAnotherReaderTakesForSomethingElse) {
  const std::string codings[] = {"chunked, identity",
                                 "identity, chunked",
                                 "identity",
                                 "chunked, chunked",
                                 "chunked,",
                                 ",chunked",
                                 "xchunked",
                                 "chunkedx",
                                 "chunk",
                                 "gzip, chunked",
                                 "chunked;q=1",
                                 "\"chunked\"",
                                 "",
                                 "chunked chunked"};
  for (const std::string& coding : codings) {
    EXPECT_EQ(StatusOf("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: " + coding +
                       "\r\n\r\n0\r\n\r\n"),
              501)
        << coding;
  }
  EXPECT_EQ(StatusOf("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400);
}

TEST_F(Http1Hostile, HeadersThatAnotherReaderTakesForSomethingElse) {
  const std::string headers[] = {
      "Transfer-Encoding : chunked\r\n",     // space before the colon
      "Content-Length : 4\r\n",              //
      "Content-Length\t: 4\r\n",             //
      " Content-Length: 4\r\n",              // folded onto the line before
      "X: a\r\n Content-Length: 4\r\n",      //
      "X: a\r\n\tContent-Length: 4\r\n",     //
      "Transfer-Encoding:\r\n chunked\r\n",  //
      "X: a\nContent-Length: 4\r\n",         // bare LF
      "X: a\rContent-Length: 4\r\n",         // bare CR
      "X: a\r\r\n",                          //
      "X: a\0b\r\n"s,                        // NUL
      "X\0: a\r\n"s,                         //
      "Content-Length\0: 4\r\n"s,            //
      "X: a\x7f\r\n",                        // other control characters
      "X: a\x01\r\n",                        //
      "Content Length: 4\r\n",               // names that are none
      ": 4\r\n",                             //
      "Content-Length\r\n",                  //
      "Content-Length=4\r\n",                //
      "X(): 4\r\n",                          //
      "Host: y\r\n",                         // two hosts
  };
  for (const std::string& header : headers) {
    EXPECT_EQ(StatusOf("POST /echo HTTP/1.1\r\nHost: x\r\n" + header + "\r\nbody"), 400) << header;
  }
}

TEST_F(Http1Hostile, LinesThatEndInABareLineFeed) {
  EXPECT_EQ(StatusOf("GET /hello HTTP/1.1\nHost: x\n\n"), 400);
  EXPECT_EQ(StatusOf("GET /hello HTTP/1.1\r\nHost: x\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET /hello HTTP/1.1\r\nHost: x\r\n\n"), 400);
}

TEST_F(Http1Hostile, ChunksThatAnotherReaderTakesForSomethingElse) {
  const std::string bodies[] = {
      "+4\r\nbody\r\n0\r\n\r\n",      "0x4\r\nbody\r\n0\r\n\r\n",    "-4\r\nbody\r\n0\r\n\r\n",
      " 4\r\nbody\r\n0\r\n\r\n",      "4 \r\nbody\r\n0\r\n\r\n",     "4\nbody\r\n0\r\n\r\n",
      "4\r\nbody\n0\r\n\r\n",         "4\r\nbodyy\r\n0\r\n\r\n",     "\r\nbody\r\n0\r\n\r\n",
      "4\rbody\r\n0\r\n\r\n",         "4;a\nb\r\nbody\r\n0\r\n\r\n", "4,\r\nbody\r\n0\r\n\r\n",
      "10000000000000004\r\nbody",    "fffffffffffffffff\r\nbody",   "4\r\nbody\r\n0\r\n\n",
      "4\r\nbody\r\n0\r\nX: a\n\r\n", "4;a\0\r\nbody\r\n0\r\n\r\n"s};
  for (const std::string& body : bodies) {
    EXPECT_EQ(
        StatusOf("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + body),
        400)
        << body;
  }
}

TEST_F(Http1Hostile, ChunkFlood) {
  const std::string head = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::string chunks;
  for (int i = 0; i < 65'536; ++i) chunks += "1\r\nx\r\n";
  Client most(port);
  most.Send(head + chunks + "0\r\n\r\n");
  EXPECT_EQ(ReadResponse(most).body.size(), 65'536u);
  EXPECT_EQ(StatusOf(head + chunks + "1\r\nx\r\n0\r\n\r\n"), 400);
}

TEST_F(Http1Hostile, ChunkExtensionFlood) {
  const std::string head = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(StatusOf(head + "1;" + std::string(5'000, 'e') + "\r\nx\r\n0\r\n\r\n"), 400);
  std::string chunks;
  for (int i = 0; i < 100; ++i) chunks += "1;" + std::string(1'000, 'e') + "\r\nx\r\n";
  EXPECT_EQ(StatusOf(head + chunks + "0\r\n\r\n"), 400);
}

TEST_F(Http1Hostile, TrailerFlood) {
  EXPECT_EQ(StatusOf("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" +
                     std::string(17'000, 'x') + ": a\r\n\r\n"),
            431);
}

TEST_F(Http1Hostile, TooManyHeaders) {
  std::string headers;
  for (int i = 0; i < 600; ++i) headers += "X: a\r\n";
  EXPECT_EQ(StatusOf("GET /hello HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n"), 431);
}

TEST_F(Http1Hostile, SlowLoris) {
  Limits limits;
  limits.head_timeout = std::chrono::milliseconds(80);
  limits.body_timeout = std::chrono::milliseconds(80);
  Start(limits);
  Client head(port);
  head.Send("GET /hello HTTP/1.1\r\nHost: x\r\nX: ");
  EXPECT_EQ(ReadResponse(head).status, 408);
  Client body(port);
  body.Send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx");
  EXPECT_EQ(ReadResponse(body).status, 408);
  Client chunks(port);
  chunks.Send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
  EXPECT_EQ(ReadResponse(chunks).status, 408);
}

}  // namespace
}  // namespace serving::net
