// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/http1_parser.h"

#include <algorithm>
#include <array>
#include <limits>

#include "net/text_scan.h"

namespace serving::net {
namespace {

constexpr size_t kMaxFields = 512;
constexpr size_t kMaxEmptyLinesBefore = 4;

// Classes of characters.
constexpr uint8_t kToken = 1;   // RFC 9110 §5.6.2
constexpr uint8_t kText = 2;    // field value: HTAB, SP, VCHAR, obs-text
constexpr uint8_t kTarget = 4;  // visible and beyond ASCII

constexpr std::array<uint8_t, 256> MakeClasses() {
  std::array<uint8_t, 256> classes{};
  for (int c = 0x20; c < 256; ++c) {
    if (c != 0x7f) classes[static_cast<size_t>(c)] |= kText;
    if (c > 0x20 && c != 0x7f) classes[static_cast<size_t>(c)] |= kTarget;
  }
  classes['\t'] |= kText;
  for (int c = '0'; c <= '9'; ++c) classes[static_cast<size_t>(c)] |= kToken;
  for (int c = 'a'; c <= 'z'; ++c) classes[static_cast<size_t>(c)] |= kToken;
  for (int c = 'A'; c <= 'Z'; ++c) classes[static_cast<size_t>(c)] |= kToken;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~"))
    classes[static_cast<uint8_t>(c)] |= kToken;
  return classes;
}

constexpr std::array<uint8_t, 256> kClasses = MakeClasses();

bool Is(char c, uint8_t wanted) { return (kClasses[static_cast<uint8_t>(c)] & wanted) != 0; }

// What a token's characters are in lower case; 0 for those that are in none.
constexpr std::array<char, 256> MakeLowerTokens() {
  std::array<char, 256> lower{};
  for (size_t c = 0; c < lower.size(); ++c) {
    if ((kClasses[c] & kToken) == 0) continue;
    lower[c] = static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
  }
  return lower;
}

constexpr std::array<char, 256> kLowerTokens = MakeLowerTokens();

// False when one is no token character; some are in lower case then, and that one is lost.
bool LowerToken(std::span<char> token) {
  for (char& c : token) {
    c = kLowerTokens[static_cast<uint8_t>(c)];
    if (c == 0) return false;
  }
  return true;
}

bool AllAre(std::string_view text, uint8_t wanted) {
  for (const char c : text) {
    if (!Is(c, wanted)) return false;
  }
  return true;
}

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

// `lower` is in lower case.
bool EqualsIgnoringCase(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (Lower(text[i]) != lower[i]) return false;
  }
  return true;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::optional<uint64_t> ParseDecimal(std::string_view text) {
  // A zero in front is octal to some.
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<uint64_t>(c - '0');
    if (value > (std::numeric_limits<uint64_t>::max() - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

}  // namespace

void Http1HeadParser::Reset() {
  head_.headers.clear();
  head_.written_names.clear();
  names_.clear();
  head_.content_length.reset();
  head_.is_chunked = false;
  head_.expects_continue = false;
  fields_.clear();
  line_start_ = scanned_ = 0;
  has_started_ = has_request_line_ = asks_close_ = asks_keep_alive_ = false;
}

Http1HeadParser::State Http1HeadParser::Bad(int status, std::string_view text, bool is_foreign) {
  error_ = {status, text, is_foreign};
  return State::kBad;
}

Http1HeadParser::State Http1HeadParser::Parse(std::span<char> data) {
  if (!data.empty()) has_started_ = true;
  while (true) {
    const size_t found = std::string_view(data.data(), data.size()).find('\n', scanned_);
    const size_t end = std::min(found, data.size());
    if (end >= max_bytes_) {
      return has_request_line_ ? Bad(431, "the request's headers are too long")
                               : Bad(414, "the request line is too long");
    }
    if (found == std::string_view::npos) {
      if (!CheckPartialLine(data.data(), end)) return State::kBad;
      // A CR at the end may turn out not to be followed by LF: look at it again.
      scanned_ = end > line_start_ && data[end - 1] == '\r' ? end - 1 : end;
      return State::kNeedMore;
    }
    const size_t start = line_start_;
    if (end == start || data[end - 1] != '\r') {
      return Bad(400, "a line of the request's head ends without CR LF");
    }
    line_start_ = scanned_ = end + 1;
    const size_t line_end = end - 1;
    if (line_end == start) {
      if (has_request_line_) return Finish(data.data()) ? State::kDone : State::kBad;
      if (line_start_ > 2 * kMaxEmptyLinesBefore) return Bad(400, "the request line is missing");
    } else if (!has_request_line_) {
      if (!ReadRequestLine(data.data(), start, line_end)) return State::kBad;
    } else if (!ReadField(data.data(), start, line_end)) {
      return State::kBad;
    }
  }
}

// So that bytes that can never become HTTP (TLS, for one) are answered when they come, not when a
// timeout ends them.
bool Http1HeadParser::CheckPartialLine(const char* data, size_t end) {
  for (size_t i = scanned_; i < end; ++i) {
    const bool is_last_cr = data[i] == '\r' && i + 1 == end;
    if (!Is(data[i], kText) && !is_last_cr) {
      if (data[i] == '\r' && i + 1 < end) {
        Bad(400, "a line of the request's head holds a bare CR");
      } else {
        Bad(400, "the request's head holds a control character");
      }
      return false;
    }
  }
  return true;
}

bool Http1HeadParser::ReadRequestLine(char* data, size_t start, size_t end) {
  const std::string_view line(data + start, end - start);
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == 0 || last == first) {
    Bad(400, "the request line is not `METHOD target HTTP/1.1`", true);
    return false;
  }
  const std::string_view version = line.substr(last + 1);
  if (version.size() != 8 || !version.starts_with("HTTP/") || version[6] != '.') {
    Bad(400, "the request line does not end in an HTTP version", true);
    return false;
  }
  if (version[5] != '1' || (version[7] != '0' && version[7] != '1')) {
    // HTTP/2.0 stands in the preface of HTTP/2.
    Bad(505, "only HTTP/1.0 and HTTP/1.1 are spoken in this form", version[5] == '2');
    return false;
  }
  if (!AllAre(line.substr(0, first), kToken)) {
    Bad(400, "the request's method holds a character that is not allowed");
    return false;
  }
  head_.minor_version = version[7] - '0';
  method_ = {start, first};
  has_request_line_ = true;
  return ReadTarget(data, {start + first + 1, last - first - 1});
}

bool Http1HeadParser::ReadTarget(char* data, Place target) {
  std::string_view text(data + target.start, target.size);
  if (!AllAre(text, kTarget)) {
    Bad(400, "the request's target holds a character that is not allowed");
    return false;
  }
  if (const size_t scheme = text.find("://");
      !text.starts_with('/') && scheme != std::string_view::npos && scheme > 0) {
    // Absolute form, sent through proxies: scheme and authority say nothing here.
    size_t path = text.find_first_of("/?", scheme + 3);
    if (path == std::string_view::npos) path = text.size();
    target.start += path;
    target.size -= path;
    text.remove_prefix(path);
  } else if (!text.starts_with('/') && text != "*") {
    Bad(400, "the request's target is not a path");
    return false;
  }
  const size_t question = text.find('?');
  const size_t path_size = question == std::string_view::npos ? text.size() : question;
  path_ = {target.start, path_size};
  query_ = {target.start + path_size, 0};
  if (question != std::string_view::npos) {
    query_ = {target.start + path_size + 1, target.size - path_size - 1};
  }
  return true;
}

bool Http1HeadParser::ReadField(char* data, size_t start, size_t end) {
  const std::string_view line(data + start, end - start);
  if (line[0] == ' ' || line[0] == '\t') {
    Bad(400, "a header is folded over two lines");
    return false;
  }
  const size_t colon = line.find(':');
  if (keeps_names_ && colon != std::string_view::npos) names_.append(line.substr(0, colon));
  if (colon == std::string_view::npos || colon == 0 || !LowerToken({data + start, colon})) {
    Bad(400, "a header is not `name: value`");
    return false;
  }
  const std::string_view value = Trim(line.substr(colon + 1));
  if (HasControls(value) && !AllAre(value, kText)) {
    Bad(400, "a header's value holds a control character");
    return false;
  }
  if (fields_.size() == kMaxFields) {
    Bad(431, "the request has too many headers");
    return false;
  }
  fields_.push_back({{start, colon}, {static_cast<size_t>(value.data() - data), value.size()}});
  return true;
}

bool Http1HeadParser::ReadConnection(std::string_view value) {
  while (!value.empty()) {
    const size_t comma = value.find(',');
    const std::string_view option = Trim(value.substr(0, comma));
    if (EqualsIgnoringCase(option, "close")) asks_close_ = true;
    if (EqualsIgnoringCase(option, "keep-alive")) asks_keep_alive_ = true;
    if (comma == std::string_view::npos) break;
    value.remove_prefix(comma + 1);
  }
  return true;
}

bool Http1HeadParser::Finish(const char* data) {
  const auto view = [data](Place place) {
    return std::string_view(data + place.start, place.size);
  };
  head_.method = view(method_);
  head_.path = path_.size == 0 ? std::string_view("/") : view(path_);
  head_.query = view(query_);
  if (keeps_names_) {
    std::string_view names = names_;
    for (const Field& field : fields_) {
      head_.written_names.push_back(names.substr(0, field.name.size));
      names.remove_prefix(field.name.size);
    }
  }
  int hosts = 0;
  int codings = 0;
  for (const Field& field : fields_) {
    const std::string_view name = view(field.name);
    const std::string_view value = view(field.value);
    head_.headers.push_back({name, value});
    switch (name.size()) {
      case 4:
        if (name == "host") ++hosts;
        break;
      case 6:
        if (name == "expect") {
          if (!EqualsIgnoringCase(value, "100-continue")) {
            Bad(417, "the only expectation known is 100-continue");
            return false;
          }
          head_.expects_continue = head_.minor_version == 1;
        }
        break;
      case 10:
        if (name == "connection") ReadConnection(value);
        break;
      case 14:
        if (name == "content-length") {
          const std::optional<uint64_t> length = ParseDecimal(value);
          if (!length || head_.content_length) {
            Bad(400, length ? "the request has more than one Content-Length"
                            : "the request's Content-Length is not a number");
            return false;
          }
          head_.content_length = length;
        }
        break;
      case 17:
        if (name == "transfer-encoding") {
          if (!EqualsIgnoringCase(value, "chunked")) {
            Bad(501, "the only transfer coding known is chunked");
            return false;
          }
          ++codings;
        }
        break;
      default:
        break;
    }
  }
  if (codings > 1 || (codings == 1 && head_.content_length)) {
    Bad(400, "the request's length is given more than once");
    return false;
  }
  if (codings == 1 && head_.minor_version == 0) {
    Bad(400, "HTTP/1.0 has no transfer codings");
    return false;
  }
  if (hosts > 1 || (hosts == 0 && head_.minor_version == 1)) {
    Bad(400, hosts == 0 ? "the request has no Host header" : "the request has two Host headers");
    return false;
  }
  head_.is_chunked = codings == 1;
  head_.keep_alive = !asks_close_ && (head_.minor_version == 1 || asks_keep_alive_);
  return true;
}

}  // namespace serving::net
