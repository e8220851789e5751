// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/http1_chunked.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>

namespace serving::net {
namespace {

struct Decoded {
  ChunkedDecoder::State state = ChunkedDecoder::State::kNeedMore;
  std::string body;
  std::string rest;
  int status = 0;
};

// Gives `text` to a decoder in pieces of `piece` bytes and takes body bytes `take` at a time.
Decoded Decode(std::string_view text, size_t piece, size_t take = SIZE_MAX) {
  ChunkedDecoder decoder;
  Decoded decoded;
  for (size_t at = 0; at < text.size(); at += piece) {
    std::span<const std::byte> data = std::as_bytes(std::span(text.substr(at, piece)));
    while (true) {
      decoded.state = decoder.Next(data);
      if (decoded.state != ChunkedDecoder::State::kData) break;
      const size_t n = std::min({data.size(), static_cast<size_t>(decoder.data_left()), take});
      decoded.body.append(reinterpret_cast<const char*>(data.data()), n);
      data = data.subspan(n);
      decoder.Took(n);
    }
    if (decoded.state == ChunkedDecoder::State::kBad) {
      decoded.status = decoder.error().status;
      return decoded;
    }
    if (decoded.state == ChunkedDecoder::State::kEnd) {
      decoded.rest.append(reinterpret_cast<const char*>(data.data()), data.size());
      decoded.rest += text.substr(std::min(text.size(), at + piece));
      return decoded;
    }
    EXPECT_TRUE(data.empty());
  }
  return decoded;
}

constexpr std::string_view kBody =
    "5\r\nhello\r\n00a;name=\"value\";x\r\n, chunked \r\n5\r\nworld\r\n0\r\nX-Sum: 1\r\nY: "
    "2\r\n\r\nNEXT";

TEST(ChunkedDecoder, ReadsABodyInPiecesOfAnySize) {
  for (size_t piece = 1; piece <= kBody.size(); ++piece) {
    for (const size_t take : {size_t{1}, size_t{3}, SIZE_MAX}) {
      const Decoded decoded = Decode(kBody, piece, take);
      ASSERT_EQ(decoded.state, ChunkedDecoder::State::kEnd) << piece;
      EXPECT_EQ(decoded.body, "hello, chunked world");
      EXPECT_EQ(decoded.rest, "NEXT");
    }
  }
}

TEST(ChunkedDecoder, WantsMoreAtEveryTruncation) {
  for (size_t size = 0; size < kBody.size() - 4; ++size) {
    EXPECT_EQ(Decode(kBody.substr(0, size), 1000).state, ChunkedDecoder::State::kNeedMore) << size;
  }
}

TEST(ChunkedDecoder, RefusesWhatIsMalformed) {
  for (const std::string_view text : {"\r\n",
                                      "g\r\n",
                                      "-1\r\n",
                                      "+1\r\n",
                                      "0x1\r\n",
                                      " 1\r\n",
                                      "1 \r\na\r\n",
                                      "1\nA\r\n",
                                      "1\r\nAB\r\n",
                                      "1\r\nA\n",
                                      "1\r\nA\r\r\n",
                                      "1;\x01\r\n",
                                      "1;a\nb\r\n",
                                      "0\r\n\n",
                                      "0\r\nX: 1\n\r\n",
                                      "0\r\nX:\x7f\r\n\r\n",
                                      "0\r\n\rX",
                                      "11111111111111111\r\n",
                                      "0\r\nX: 1\rY\r\n",
                                      ";\r\n",
                                      "fffffffffffffffff\r\n"}) {
    EXPECT_EQ(Decode(text, 1).state, ChunkedDecoder::State::kBad) << text;
    EXPECT_EQ(Decode(text, 1).status, 400) << text;
  }
}

TEST(ChunkedDecoder, JudgesDamagedBodiesAlikeInPiecesOfAnySize) {
  std::mt19937 random(1);
  for (int round = 0; round < 5000; ++round) {
    std::string text(kBody);
    for (size_t n = 1 + random() % 3; n > 0; --n) {
      text[random() % text.size()] = "\r\n0123456789abcdef;: x"[random() % 22];
    }
    const Decoded whole = Decode(text, text.size());
    const Decoded pieces = Decode(text, 1, 1);
    ASSERT_EQ(whole.state, pieces.state) << testing::PrintToString(text);
    ASSERT_EQ(whole.body, pieces.body);
    ASSERT_EQ(whole.rest, pieces.rest);
    ASSERT_EQ(whole.status, pieces.status);
  }
}

TEST(ChunkedDecoder, TakesTheLargestSize) {
  EXPECT_EQ(Decode("ffffffffffffffff\r\nx", 1).state, ChunkedDecoder::State::kNeedMore);
}

TEST(ChunkedDecoder, BoundsTheNumberOfChunks) {
  std::string text;
  for (uint64_t i = 0; i < ChunkedDecoder::kMaxChunks; ++i) text += "1\r\nx\r\n";
  EXPECT_EQ(Decode(text + "0\r\n\r\n", 4096).state, ChunkedDecoder::State::kEnd);
  EXPECT_EQ(Decode(text + "1\r\nx\r\n0\r\n\r\n", 4096).state, ChunkedDecoder::State::kBad);
}

TEST(ChunkedDecoder, BoundsExtensionsAndTrailers) {
  const std::string line(ChunkedDecoder::kMaxLineBytes, 'x');
  EXPECT_EQ(Decode("1;" + line + "\r\n", 100).state, ChunkedDecoder::State::kNeedMore);
  EXPECT_EQ(Decode("1;" + line + "x\r\n", 100).state, ChunkedDecoder::State::kBad);
  std::string many;
  for (int i = 0; i < 200; ++i) many += "1;" + std::string(400, 'x') + "\r\ny\r\n";
  EXPECT_EQ(Decode(many, 4096).state, ChunkedDecoder::State::kBad);
  const std::string trailers = "0\r\nX: " + std::string(ChunkedDecoder::kMaxTrailerBytes, 'x');
  EXPECT_EQ(Decode(trailers, 4096).status, 431);
}

}  // namespace
}  // namespace serving::net
