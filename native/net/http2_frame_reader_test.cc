// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/http2_frame_reader.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "net/http2_closed_streams.h"
#include "net/testing.h"

namespace serving::net {
namespace {

using namespace std::string_literals;

struct Seen {
  uint32_t length;
  int type;
  int flags;
  int32_t stream_id;
  uint32_t value;

  bool operator==(const Seen&) const = default;
};

// Reads `bytes` in pieces of that size; also checks that every byte is either payload that was cut
// off, a head in place, or a head that was held.
std::vector<Seen> Read(std::string_view bytes, size_t piece) {
  Http2FrameReader reader;
  std::vector<Seen> seen;
  std::string fed;  // what a library behind the reader would get
  while (!bytes.empty()) {
    const auto data = std::as_bytes(std::span(bytes.substr(0, piece)));
    std::span<const std::byte> rest = data;
    const std::byte* unfed = data.data();
    const auto feed = [&fed](std::span<const std::byte> part) {
      fed.append(reinterpret_cast<const char*>(part.data()), part.size());
    };
    while (reader.Next(rest)) {
      const Http2FrameHead& head = reader.head();
      seen.push_back({head.length, head.type, head.flags, head.stream_id, head.value});
      if (!reader.held().empty()) {
        feed(reader.held());
        unfed = rest.data();
      }
    }
    feed({unfed, rest.data()});
    bytes.remove_prefix(data.size());
  }
  seen.push_back({static_cast<uint32_t>(fed.size()), 0, 0, 0, 0});
  return seen;
}

TEST(Http2FrameReader, FindsTheSameHeadsInPiecesOfAnySize) {
  const std::string bytes =
      std::string(kHttp2Preface) + RawFrame(4, 0, 0, "") + RawFrame(1, 4, 1, "headers") +
      RawFrame(0, 1, 1, std::string(70'000, 'x')) + RawFrame(8, 0, 0x8000'0001u, "\xff\0\0\1"s) +
      RawFrame(2, 0, 3, "\x80\0\0\3\1"s) + RawFrame(8, 0, 0, "\1\2\3") + RawFrame(0, 1, 3, "") +
      RawFrame(2, 0, 5, "\0\0\0\4\1"s) + RawFrame(6, 1, 0, "12345678");
  const std::vector<Seen> expected{
      {0, 4, 0, 0, 0},      {7, 1, 4, 1, 0},
      {70'000, 0, 1, 1, 0}, {4, 8, 0, 1, 0x7f00'0001},
      {5, 2, 0, 3, 3},      {3, 8, 0, 0, 0},
      {0, 0, 1, 3, 0},      {5, 2, 0, 5, 4},
      {8, 6, 1, 0, 0},      {static_cast<uint32_t>(bytes.size()), 0, 0, 0, 0}};
  for (const size_t piece :
       {1u, 2u, 3u, 5u, 8u, 9u, 10u, 12u, 13u, 14u, 24u, 33u, 1'000u, 100'000u})
    EXPECT_EQ(Read(bytes, piece), expected) << piece;
}

TEST(Http2FrameReader, AgreesWithItselfOnRandomBytes) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::string bytes(kHttp2Preface);
    for (size_t i = random() % 400; i > 0; --i) {
      bytes += static_cast<char>(random() % 4 == 0 ? random() : 0);
    }
    std::vector<Seen> whole = Read(bytes, bytes.size());
    std::vector<Seen> pieces = Read(bytes, 1 + random() % 20);
    EXPECT_EQ(whole, pieces);
  }
}

TEST(Http2ClosedStreams, KnowsWhoEndedAStream) {
  using Past = Http2ClosedStreams::Past;
  Http2ClosedStreams closed;
  EXPECT_EQ(closed.Of(1), Past::kNeverOpened);
  closed.EndedByPeer(1);
  closed.EndedByServer(3);
  EXPECT_EQ(closed.Of(1), Past::kEndedByPeer);
  EXPECT_EQ(closed.Of(3), Past::kEndedByServer);
  EXPECT_EQ(closed.Of(2), Past::kNeverOpened);
}

TEST(Http2ClosedStreams, IsInDoubtLenientWithWhatItEndedLongAgo) {
  using Past = Http2ClosedStreams::Past;
  Http2ClosedStreams closed;
  for (int32_t id = 1; id < 1000; id += 2) closed.EndedByServer(id);
  EXPECT_EQ(closed.Of(1), Past::kEndedByServer);
  EXPECT_EQ(closed.Of(999), Past::kEndedByServer);
  closed.EndedByPeer(1001);
  for (int32_t id = 1003; id < 1100; id += 2) closed.EndedByPeer(id);
  EXPECT_EQ(closed.Of(1099), Past::kEndedByPeer);
  EXPECT_EQ(closed.Of(1001), Past::kNeverOpened);
}

}  // namespace
}  // namespace serving::net
