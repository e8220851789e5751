// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/http1_parser.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace serving::net {
namespace {

using State = Http1HeadParser::State;

constexpr size_t kLimit = 4096;

// What a parser made of a text, as values that outlive it.
struct Parsed {
  State state = State::kNeedMore;
  size_t size = 0;
  std::string method;
  std::string path;
  std::string query;
  std::vector<std::pair<std::string, std::string>> headers;
  Http1Head head;
  int status = 0;
};

Parsed Snapshot(const Http1HeadParser& parser, State state) {
  Parsed parsed;
  parsed.state = state;
  if (state == State::kBad) parsed.status = parser.error().status;
  if (state != State::kDone) return parsed;
  const Http1Head& head = parser.head();
  parsed.head = head;
  parsed.size = parser.size();
  parsed.method = head.method;
  parsed.path = head.path;
  parsed.query = head.query;
  for (const Header& header : head.headers) parsed.headers.emplace_back(header.name, header.value);
  return parsed;
}

// The bytes lie in a new place for each call, as they may in a connection.
Parsed Parse(std::string_view text, size_t step, size_t limit = kLimit) {
  Http1HeadParser parser(limit);
  State state = State::kNeedMore;
  std::string all;  // what the parser lower-cased stays lower-cased
  for (size_t size = std::min(step, text.size());; size = std::min(size + step, text.size())) {
    all += text.substr(all.size(), size - all.size());
    std::string moved(all);
    state = parser.Parse(moved);
    const Parsed parsed = Snapshot(parser, state);
    if (state != State::kNeedMore || size == text.size()) return parsed;
    all = moved;
  }
}

Parsed ParseWhole(std::string_view text) { return Parse(text, text.size()); }

std::string Get(std::string_view more) {
  return "GET / HTTP/1.1\r\nHost: h\r\n" + std::string(more) + "\r\n";
}

constexpr std::string_view kRequest =
    "POST /v2/models/m/infer?x=1&y HTTP/1.1\r\n"
    "Host: example:8000\r\n"
    "Content-Length:  42 \t\r\n"
    "X-Empty:\r\n"
    "INFERENCE-Header-Content-Length: 7\r\n"
    "Accept: a, b\r\n"
    "\r\n";

TEST(Http1HeadParser, ReadsAHeadInPiecesOfAnySize) {
  for (size_t step = 1; step <= kRequest.size(); ++step) {
    const Parsed parsed = Parse(kRequest, step);
    ASSERT_EQ(parsed.state, State::kDone) << step;
    EXPECT_EQ(parsed.size, kRequest.size());
    EXPECT_EQ(parsed.method, "POST");
    EXPECT_EQ(parsed.path, "/v2/models/m/infer");
    EXPECT_EQ(parsed.query, "x=1&y");
    EXPECT_EQ(parsed.head.content_length, 42u);
    EXPECT_TRUE(parsed.head.keep_alive);
    EXPECT_TRUE(parsed.head.has_body());
    const std::vector<std::pair<std::string, std::string>> expected{
        {"host", "example:8000"},
        {"content-length", "42"},
        {"x-empty", ""},
        {"inference-header-content-length", "7"},
        {"accept", "a, b"}};
    EXPECT_EQ(parsed.headers, expected);
  }
}

TEST(Http1HeadParser, WantsMoreAtEveryTruncation) {
  for (size_t size = 0; size < kRequest.size(); ++size) {
    EXPECT_EQ(ParseWhole(kRequest.substr(0, size)).state, State::kNeedMore) << size;
  }
}

TEST(Http1HeadParser, LeavesWhatFollowsAlone) {
  const std::string text = std::string(kRequest) + "BODY\r\n\r\n";
  EXPECT_EQ(ParseWhole(text).size, kRequest.size());
}

TEST(Http1HeadParser, ReadsOneHeadAfterAnother) {
  Http1HeadParser parser(kLimit);
  std::string first(kRequest);
  ASSERT_EQ(parser.Parse(first), State::kDone);
  parser.Reset();
  EXPECT_FALSE(parser.has_started());
  std::string second = Get("");
  ASSERT_EQ(parser.Parse(second), State::kDone);
  EXPECT_FALSE(parser.head().has_body());
  EXPECT_EQ(parser.head().headers.size(), 1u);
  EXPECT_EQ(parser.head().query, "");
}

TEST(Http1HeadParser, ReadsTargets) {
  const struct {
    std::string_view target, path, query;
  } cases[] = {{"/", "/", ""},
               {"/a?", "/a", ""},
               {"/a??b", "/a", "?b"},
               {"*", "*", ""},
               {"/a%20b", "/a%20b", ""},
               {"/m\xc3\xa9", "/m\xc3\xa9", ""},
               {"http://host:1/p?q", "/p", "q"},
               {"http://host", "/", ""},
               {"http://host?q", "/", "q"},
               {"/x://y", "/x://y", ""}};
  for (const auto& test : cases) {
    const Parsed parsed =
        ParseWhole("GET " + std::string(test.target) + " HTTP/1.1\r\nHost: h\r\n\r\n");
    ASSERT_EQ(parsed.state, State::kDone) << test.target;
    EXPECT_EQ(parsed.path, test.path);
    EXPECT_EQ(parsed.query, test.query);
  }
}

TEST(Http1HeadParser, KnowsWhetherTheConnectionStays) {
  EXPECT_TRUE(ParseWhole(Get("")).head.keep_alive);
  EXPECT_TRUE(ParseWhole(Get("Connection: keep-alive\r\n")).head.keep_alive);
  EXPECT_FALSE(ParseWhole(Get("Connection: close\r\n")).head.keep_alive);
  EXPECT_FALSE(ParseWhole(Get("Connection: upgrade,  CLOSE\r\n")).head.keep_alive);
  EXPECT_FALSE(ParseWhole("GET / HTTP/1.0\r\n\r\n").head.keep_alive);
  EXPECT_TRUE(ParseWhole("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").head.keep_alive);
  EXPECT_FALSE(
      ParseWhole("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n").head.keep_alive);
}

TEST(Http1HeadParser, KnowsBodies) {
  EXPECT_FALSE(ParseWhole(Get("Content-Length: 0\r\n")).head.has_body());
  EXPECT_TRUE(ParseWhole(Get("Transfer-Encoding: CHUNKED\r\n")).head.is_chunked);
  EXPECT_TRUE(
      ParseWhole(Get("Content-Length: 1\r\nExpect: 100-Continue\r\n")).head.expects_continue);
  EXPECT_EQ(ParseWhole(Get("Content-Length: 18446744073709551615\r\n")).head.content_length,
            UINT64_MAX);
}

TEST(Http1HeadParser, SkipsEmptyLinesBeforeTheRequestLine) {
  EXPECT_EQ(Parse("\r\n\r\n" + Get(""), 1).state, State::kDone);
  EXPECT_EQ(Parse("\r\n\r\n\r\n\r\n\r\n" + Get(""), 1).status, 400);
}

TEST(Http1HeadParser, RefusesWhatIsMalformed) {
  const struct {
    std::string text;
    int status;
  } cases[] = {
      {"GET / HTTP/1.1\nHost: h\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: h\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: h\r\n\n", 400},
      {"GET /\r\n\r\n", 400},
      {"GET\r\n", 400},
      {" GET / HTTP/1.1\r\n", 400},
      {"GET  HTTP/1.1\r\n", 400},
      {"GET / HTTP/1.1 \r\n", 400},
      {"GET /a b HTTP/1.1\r\n", 400},
      {"GET /\ta HTTP/1.1\r\n", 400},
      {"G(T / HTTP/1.1\r\n", 400},
      {"GET / http/1.1\r\n", 400},
      {"GET / HTTP/11\r\n", 400},
      {"GET / HTTP/1.10\r\n", 400},
      {"GET / HTTP/2.0\r\n", 505},
      {"GET / HTTP/1.2\r\n", 505},
      {"GET index HTTP/1.1\r\n", 400},
      {"GET ://h/ HTTP/1.1\r\n", 400},
      {"CONNECT host:443 HTTP/1.1\r\n", 400},
      {std::string("GET /\0 HTTP/1.1\r\n", 17), 400},
      {"\x16\x03\x01\x02", 400},
      {"GET / HTTP/1.1\r\nHost : h\r\n", 400},
      {"GET / HTTP/1.1\r\nHost\t: h\r\n", 400},
      {"GET / HTTP/1.1\r\n: h\r\n", 400},
      {"GET / HTTP/1.1\r\nHost\r\n", 400},
      {"GET / HTTP/1.1\r\nH\xc3\xb6st: h\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: h\r\n folded\r\n", 400},
      {"GET / HTTP/1.1\r\n\tHost: h\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\rb\r\n", 400},
      {std::string("GET / HTTP/1.1\r\nHost: a\0b\r\n", 27), 400},
      {"GET / HTTP/1.1\r\nHost: a\x7f\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\x01\r\n", 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
      {Get("Content-Length: 1\r\nContent-Length: 1\r\n"), 400},
      {Get("Content-Length: 1\r\nContent-Length: 2\r\n"), 400},
      {Get("Content-Length: 1, 1\r\n"), 400},
      {Get("Content-Length: -1\r\n"), 400},
      {Get("Content-Length: +1\r\n"), 400},
      {Get("Content-Length: 0x1\r\n"), 400},
      {Get("Content-Length: 1 1\r\n"), 400},
      {Get("Content-Length:\r\n"), 400},
      {Get("Content-Length: 18446744073709551616\r\n"), 400},
      {Get("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), 400},
      {Get("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"), 400},
      {Get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
      {Get("Transfer-Encoding: gzip, chunked\r\n"), 501},
      {Get("Transfer-Encoding: identity\r\n"), 501},
      {Get("Transfer-Encoding: \x0b"
           "chunked\r\n"),
       400},
      {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {Get("Expect: 200-ok\r\n"), 417},
  };
  for (const auto& test : cases) {
    for (const size_t step : {size_t{1}, size_t{5}, test.text.size()}) {
      const Parsed parsed = Parse(test.text, step);
      EXPECT_EQ(parsed.state, State::kBad) << testing::PrintToString(test.text) << step;
      EXPECT_EQ(parsed.status, test.status) << testing::PrintToString(test.text);
    }
  }
}

TEST(Http1HeadParser, BoundsTheRequestLineAndTheHeaders) {
  const std::string long_target = "GET /" + std::string(kLimit, 'a');
  EXPECT_EQ(Parse(long_target, 100).status, 414);
  EXPECT_EQ(ParseWhole(long_target + " HTTP/1.1\r\n").status, 414);
  const std::string long_header = "GET / HTTP/1.1\r\nHost: " + std::string(kLimit, 'a');
  EXPECT_EQ(Parse(long_header, 100).status, 431);
  EXPECT_EQ(ParseWhole(long_header + "\r\n\r\n").status, 431);
  std::string just_fits = Get("");
  just_fits.insert(just_fits.size() - 2,
                   "X: " + std::string(kLimit - just_fits.size() - 5, 'a') + "\r\n");
  ASSERT_EQ(just_fits.size(), kLimit);
  EXPECT_EQ(ParseWhole(just_fits).state, State::kDone);
}

TEST(Http1HeadParser, BoundsTheNumberOfHeaders) {
  std::string text = "GET / HTTP/1.1\r\nHost: h\r\n";
  for (int i = 0; i < 600; ++i) text += "a:b\r\n";
  EXPECT_EQ(ParseWhole(text).status, 431);
}

TEST(Http1HeadParser, JudgesDamagedHeadsAlikeInPiecesOfAnySize) {
  std::mt19937 random(1);
  for (int round = 0; round < 5000; ++round) {
    std::string text(kRequest);
    for (size_t n = 1 + random() % 3; n > 0; --n) {
      const size_t at = random() % text.size();
      switch (random() % 4) {
        case 0:
          text.erase(at, 1 + random() % 3);
          break;
        case 1:
          text.insert(at, 1, "\r\n :\t,"[random() % 6]);
          break;
        default:
          text[at] = static_cast<char>(random());
      }
    }
    const Parsed whole = ParseWhole(text);
    const Parsed pieces = Parse(text, 1);
    ASSERT_EQ(whole.state, pieces.state) << testing::PrintToString(text);
    ASSERT_EQ(whole.size, pieces.size);
    ASSERT_EQ(whole.headers, pieces.headers);
  }
}

TEST(Http1HeadParser, TextAfterTheLimitDoesNotCount) {
  const std::string text = Get("") + std::string(2 * kLimit, 'x') + "\n";
  EXPECT_EQ(ParseWhole(text).state, State::kDone);
}

}  // namespace
}  // namespace serving::net
