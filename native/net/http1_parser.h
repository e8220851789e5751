// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/exchange.h"

namespace serving::net {

// Request line and headers of one HTTP/1.x request. Views into the bytes that were parsed.
struct Http1Head {
  std::string_view method;
  std::string_view path;
  std::string_view query;
  int minor_version = 1;
  std::vector<Header> headers;                  // names in lower case
  std::vector<std::string_view> written_names;  // as they came, where the parser keeps them
  std::optional<uint64_t> content_length;
  bool is_chunked = false;
  bool keep_alive = true;
  bool expects_continue = false;

  bool has_body() const { return is_chunked || content_length.value_or(0) > 0; }
};

// Why a request was refused: status line and sentence for the answer.
struct Http1Error {
  int status = 0;
  std::string_view text;
  bool is_foreign = false;  // not a line of HTTP/1.x at all
};

// Reads request heads (RFC 9112), strictly: what another reader of the same bytes might take for
// something else (bare LF, folded lines, space before a colon, two lengths, a length beside a
// transfer coding) is refused.
//
// Pure: no socket, no clock. Allocates only while the header list grows past what it has held
// before.
class Http1HeadParser {
 public:
  enum class State : uint8_t { kNeedMore, kDone, kBad };

  explicit Http1HeadParser(size_t max_bytes, bool keeps_names = false)
      : max_bytes_(max_bytes), keeps_names_(keeps_names) {}

  // `data` is everything from the head's first byte that has come so far (it may have moved since
  // the last call); bytes behind the head are left alone. Lower-cases header names in place. Costs
  // time for new bytes only.
  State Parse(std::span<char> data);

  // After kDone, until the bytes move or Reset.
  const Http1Head& head() const { return head_; }
  // After kDone: bytes of the head with its last line end.
  size_t size() const { return line_start_; }
  // After kBad.
  const Http1Error& error() const { return error_; }
  // Some byte of a head has been seen.
  bool has_started() const { return has_started_; }

  // Ready for the next head.
  void Reset();

 private:
  // Text by place, since the bytes may move while the head is incomplete.
  struct Place {
    size_t start;
    size_t size;
  };
  struct Field {
    Place name;
    Place value;
  };

  State Bad(int status, std::string_view text, bool is_foreign = false);
  bool ReadRequestLine(char* data, size_t start, size_t end);
  bool ReadTarget(char* data, Place target);
  bool ReadField(char* data, size_t start, size_t end);
  bool Finish(const char* data);
  bool ReadConnection(std::string_view value);
  bool CheckPartialLine(const char* data, size_t end);

  const size_t max_bytes_;
  const bool keeps_names_;
  std::string names_;  // as they were written, one behind the other
  Http1Head head_;
  Http1Error error_;
  std::vector<Field> fields_;
  Place method_{};
  Place path_{};
  Place query_{};
  size_t line_start_ = 0;
  size_t scanned_ = 0;  // no LF between line_start_ and here
  bool has_started_ = false;
  bool has_request_line_ = false;
  bool asks_close_ = false;
  bool asks_keep_alive_ = false;
};

}  // namespace serving::net
