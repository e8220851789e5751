// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "frontend/routes.h"
#include "fuzz/targets.h"
#include "net/http1_chunked.h"
#include "net/http1_parser.h"

namespace serving::fuzz {
namespace {

using net::ChunkedDecoder;
using net::Http1HeadParser;

constexpr size_t kMaxHeadBytes = 4096;

std::vector<char> CharsOf(std::span<const uint8_t> data) { return {data.begin(), data.end()}; }

// All that a head says, as one text.
std::string Describe(const Http1HeadParser& parser, Http1HeadParser::State state) {
  // Which of several faults is named depends on which came first.
  if (state == Http1HeadParser::State::kBad) return "bad";
  if (state == Http1HeadParser::State::kNeedMore) return "more";
  const net::Http1Head& head = parser.head();
  std::string text = std::to_string(parser.size());
  for (const std::string_view part : {head.method, head.path, head.query}) {
    text.append("|").append(part);
  }
  for (const net::Header& header : head.headers) {
    text.append("|").append(header.name).append(":").append(header.value);
  }
  text += head.content_length ? std::to_string(*head.content_length) : "none";
  text += head.is_chunked ? "c" : "";
  text += head.keep_alive ? "k" : "";
  return text;
}

struct Decoded {
  std::string bytes;
  ChunkedDecoder::State state = ChunkedDecoder::State::kNeedMore;
  int error = 0;
  size_t left = 0;
};

Decoded Decode(std::span<const std::byte> data, size_t piece) {
  ChunkedDecoder decoder;
  Decoded decoded;
  while (!data.empty()) {
    std::span<const std::byte> part = data.first(std::min(piece, data.size()));
    data = data.subspan(part.size());
    for (;;) {
      decoded.state = decoder.Next(part);
      if (decoded.state != ChunkedDecoder::State::kData) break;
      const size_t take = static_cast<size_t>(std::min<uint64_t>(decoder.data_left(), part.size()));
      SERVING_CHECK(take > 0, "a chunk offers no bytes");
      decoded.bytes.append(reinterpret_cast<const char*>(part.data()), take);
      part = part.subspan(take);
      decoder.Took(take);
    }
    if (decoded.state == ChunkedDecoder::State::kBad) {
      decoded.error = decoder.error().status;
      return decoded;
    }
    if (decoded.state == ChunkedDecoder::State::kEnd) {
      decoded.left = part.size() + data.size();
      return decoded;
    }
    SERVING_CHECK(part.empty(), "the decoder wants more but has not used what it got");
  }
  return decoded;
}

}  // namespace

// A head means the same in whatever pieces it comes.
void FuzzHttp1Head(std::span<const uint8_t> data) {
  if (data.empty()) return;
  const size_t piece = 1 + data[0] % 16;
  data = data.subspan(1);
  std::vector<char> whole_bytes = CharsOf(data);
  Http1HeadParser whole(kMaxHeadBytes);
  const Http1HeadParser::State state = whole.Parse(whole_bytes);
  const std::string expected = Describe(whole, state);
  if (state == Http1HeadParser::State::kDone) {
    SERVING_CHECK(whole.size() <= data.size(), "a head is longer than its bytes");
    SERVING_CHECK(!whole.head().is_chunked || !whole.head().content_length,
                  "a head has a length and chunks");
  }
  std::vector<char> bytes = CharsOf(data);
  Http1HeadParser parser(kMaxHeadBytes);
  Http1HeadParser::State last = Http1HeadParser::State::kNeedMore;
  for (size_t size = std::min(piece, bytes.size());; size = std::min(size + piece, bytes.size())) {
    last = parser.Parse(std::span(bytes).first(size));
    if (last != Http1HeadParser::State::kNeedMore || size == bytes.size()) break;
  }
  SERVING_CHECK(Describe(parser, last) == expected, "a head means something else in pieces");
}

// A chunked body is the same in whatever pieces it comes.
void FuzzChunked(std::span<const uint8_t> data) {
  if (data.empty()) return;
  const size_t piece = 1 + data[0] % 16;
  const auto bytes = std::as_bytes(data.subspan(1));
  const Decoded whole = Decode(bytes, SIZE_MAX);
  const Decoded pieces = Decode(bytes, piece);
  SERVING_CHECK(whole.state == pieces.state && whole.error == pieces.error &&
                    whole.bytes == pieces.bytes && whole.left == pieces.left,
                "a chunked body means something else in pieces");
  SERVING_CHECK(whole.bytes.size() <= bytes.size(), "a chunked body grew");
}

// Paths and names of models.
void FuzzRoute(std::span<const uint8_t> data) {
  using frontend::Service;
  const std::string_view path(reinterpret_cast<const char*>(data.data()), data.size());
  for (const Service service : {Service::kHttp, Service::kGrpc, Service::kMetrics}) {
    const frontend::Route route = frontend::MatchRoute(service, path);
    const frontend::Route slow = frontend::MatchRouteByTable(service, path);
    SERVING_CHECK(
        route.row == slow.row && route.model == slow.model && route.version == slow.version,
        "the short way of routing goes elsewhere");
    SERVING_CHECK(route.model.find('/') == std::string_view::npos, "a name has a slash");
    SERVING_CHECK(std::ranges::all_of(route.version, [](char c) { return c >= '0' && c <= '9'; }),
                  "a version is no number");
  }
  if (const auto decoded = frontend::PercentDecode(path)) {
    SERVING_CHECK(decoded->size() <= path.size(), "a name grew");
  }
}

}  // namespace serving::fuzz
