// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/http1_chunked.h"

namespace serving::net {
namespace {

int HexValue(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsText(uint8_t c) { return (c >= 0x20 && c != 0x7f) || c == '\t'; }

}  // namespace

ChunkedDecoder::State ChunkedDecoder::Bad(int status, std::string_view text) {
  error_ = {status, text};
  return State::kBad;
}

ChunkedDecoder::State ChunkedDecoder::Next(std::span<const std::byte>& data) {
  while (true) {
    if (part_ == Part::kData) {
      if (data_left_ > 0) return data.empty() ? State::kNeedMore : State::kData;
      part_ = Part::kDataCr;
    }
    if (part_ == Part::kEnd) return State::kEnd;
    if (data.empty()) return State::kNeedMore;
    const auto c = static_cast<uint8_t>(data.front());
    data = data.subspan(1);
    if (!Step(c)) return State::kBad;
  }
}

bool ChunkedDecoder::Step(uint8_t c) {
  switch (part_) {
    case Part::kSize:
      return ReadSize(c);
    case Part::kExtension:
      if (c == '\r') {
        part_ = Part::kSizeLf;
        return true;
      }
      if (!IsText(c)) {
        Bad(400, "a chunk's extension holds a control character");
        return false;
      }
      if (++line_bytes_ > kMaxLineBytes || ++extension_bytes_ > kMaxExtensionBytes) {
        Bad(400, "the chunk extensions are too long");
        return false;
      }
      return true;
    case Part::kSizeLf:
      if (c != '\n') break;
      if (data_left_ == 0) {
        part_ = Part::kTrailerStart;
        return true;
      }
      if (++chunks_ > kMaxChunks) {
        Bad(400, "the body comes in more than 65536 chunks");
        return false;
      }
      part_ = Part::kData;
      return true;
    case Part::kDataCr:
      if (c != '\r') break;
      part_ = Part::kDataLf;
      return true;
    case Part::kDataLf:
      if (c != '\n') break;
      part_ = Part::kSize;
      digits_ = 0;
      line_bytes_ = 0;
      return true;
    case Part::kTrailerStart:
    case Part::kTrailer:
    case Part::kTrailerLf:
      return ReadTrailer(c);
    case Part::kEndLf:
      if (c != '\n') break;
      part_ = Part::kEnd;
      return true;
    case Part::kData:
    case Part::kEnd:
      break;
  }
  Bad(400, "the chunked body is malformed");
  return false;
}

bool ChunkedDecoder::ReadSize(uint8_t c) {
  const int value = HexValue(c);
  if (value >= 0) {
    if (++digits_ > 16 || (data_left_ >> 60) != 0) {
      Bad(400, "a chunk's size is too large");
      return false;
    }
    data_left_ = data_left_ << 4 | static_cast<uint64_t>(value);
    return true;
  }
  if (digits_ > 0 && c == '\r') {
    part_ = Part::kSizeLf;
    return true;
  }
  if (digits_ > 0 && c == ';') {
    part_ = Part::kExtension;
    return true;
  }
  Bad(400, "a chunk's size is not a hexadecimal number");
  return false;
}

bool ChunkedDecoder::ReadTrailer(uint8_t c) {
  if (++trailer_bytes_ > kMaxTrailerBytes) {
    Bad(431, "the body's trailers are too long");
    return false;
  }
  if (part_ == Part::kTrailerLf) {
    if (c != '\n') {
      Bad(400, "the chunked body is malformed");
      return false;
    }
    part_ = Part::kTrailerStart;
    return true;
  }
  if (c == '\r') {
    part_ = part_ == Part::kTrailerStart ? Part::kEndLf : Part::kTrailerLf;
    return true;
  }
  if (!IsText(c)) {
    Bad(400, "a trailer holds a control character");
    return false;
  }
  part_ = Part::kTrailer;
  return true;
}

}  // namespace serving::net
