// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "net/http1_parser.h"

namespace serving::net {

// Takes the chunked coding (RFC 9112 §7.1) off a request body. Extensions and trailers are checked
// and dropped.
//
// Pure; keeps no bytes.
class ChunkedDecoder {
 public:
  static constexpr uint64_t kMaxChunks = 65'536;           // with data in them
  static constexpr size_t kMaxLineBytes = 4 * 1024;        // chunk size with its extensions
  static constexpr size_t kMaxExtensionBytes = 64 * 1024;  // of the whole body
  static constexpr size_t kMaxTrailerBytes = 16 * 1024;

  enum class State : uint8_t { kNeedMore, kData, kEnd, kBad };

  // Reads framing from the front of `data` and cuts it off. kData: `data` starts with body bytes,
  // at most data_left() of them; the caller takes some and says so by Took. kNeedMore: `data` is
  // used up. kEnd: what is left belongs to the next request.
  State Next(std::span<const std::byte>& data);
  // Body bytes left in the current chunk.
  uint64_t data_left() const { return data_left_; }
  void Took(uint64_t n) { data_left_ -= n; }
  // After kBad.
  const Http1Error& error() const { return error_; }

  void Reset() { *this = ChunkedDecoder(); }

 private:
  enum class Part : uint8_t {
    kSize,       // hex digits
    kExtension,  // up to CR
    kSizeLf,     // LF behind the size line
    kData,       // data_left_ bytes
    kDataCr,
    kDataLf,
    kTrailerStart,  // first byte of a trailer line or of the last, empty one
    kTrailer,
    kTrailerLf,
    kEndLf,
    kEnd,
  };

  State Bad(int status, std::string_view text);
  bool Step(uint8_t c);
  bool ReadSize(uint8_t c);
  bool ReadTrailer(uint8_t c);

  Part part_ = Part::kSize;
  Http1Error error_;
  uint64_t data_left_ = 0;
  uint64_t chunks_ = 0;
  size_t digits_ = 0;
  size_t line_bytes_ = 0;
  size_t extension_bytes_ = 0;
  size_t trailer_bytes_ = 0;
};

}  // namespace serving::net
