// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/json_cursor.h"

#include <bit>
#include <cstdint>
#include <cstring>

#include "protocol/json_number.h"
#include "protocol/utf8.h"

namespace serving::protocol {
namespace {

constexpr char kInvalidValue[] = "Invalid value.";

// Goes over what needs no attention inside a string: printable ASCII but quote and backslash. Eight
// bytes at a time; of the marks in a word the lowest is exact, those above it may be borrowed.
const char* SkipPlain(const char* at, const char* end) {
  constexpr uint64_t kOnes = 0x0101010101010101u;
  constexpr uint64_t kHighs = 0x8080808080808080u;
  const auto has_zero = [](uint64_t bytes) { return (bytes - kOnes) & ~bytes & kHighs; };
  while (end - at >= 8) {
    uint64_t bytes;
    std::memcpy(&bytes, at, sizeof(bytes));
    const uint64_t control = (bytes - kOnes * 0x20) & ~bytes & kHighs;
    const uint64_t special = has_zero(bytes ^ (kOnes * '"')) | has_zero(bytes ^ (kOnes * '\\'));
    const uint64_t marks = control | special | (bytes & kHighs);
    if (marks != 0) {
      static_assert(std::endian::native == std::endian::little);
      return at + std::countr_zero(marks) / 8;
    }
    at += 8;
  }
  while (at != end && *at >= 0x20 && *at < 0x7F && *at != '"' && *at != '\\') ++at;
  return at;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsHighSurrogate(unsigned code) { return code >= 0xD800 && code <= 0xDBFF; }
bool IsLowSurrogate(unsigned code) { return code >= 0xDC00 && code <= 0xDFFF; }

unsigned Hex4(const char* digits) {
  unsigned code = 0;
  for (int i = 0; i < 4; ++i) code = code << 4 | static_cast<unsigned>(HexDigit(digits[i]));
  return code;
}

// Resolves a checked escape at `at` (behind the backslash); returns the end of it.
const char* DecodeEscape(const char* at, char*& out) {
  switch (*at) {
    case 'b':
      *out++ = '\b';
      return at + 1;
    case 'f':
      *out++ = '\f';
      return at + 1;
    case 'n':
      *out++ = '\n';
      return at + 1;
    case 'r':
      *out++ = '\r';
      return at + 1;
    case 't':
      *out++ = '\t';
      return at + 1;
    case 'u':
      break;
    default:  // quote, backslash, slash
      *out++ = *at;
      return at + 1;
  }
  char32_t code = Hex4(at + 1);
  at += 5;
  if (IsHighSurrogate(code)) {
    code = 0x10000 + ((code - 0xD800) << 10) + (Hex4(at + 2) - 0xDC00);
    at += 6;
  }
  out = WriteUtf8(code, out);
  return at;
}

}  // namespace

bool JsonCursor::SkipValue(JsonValue& value) {
  value.begin = at_;
  if (AtEnd()) return Fail(kInvalidValue, at_);
  bool good = false;
  switch (*at_) {
    case '{':
    case '[':
      good = SkipNested();
      break;
    case '"':
      good = SkipString(value.has_escapes);
      break;
    case 't':
      good = SkipLiteral("true");
      break;
    case 'f':
      good = SkipLiteral("false");
      break;
    case 'n':
      good = SkipLiteral("null");
      break;
    default:
      good = SkipNumber();
  }
  value.end = at_;
  return good;
}

// No recursion: one bit a level tells objects from arrays.
bool JsonCursor::SkipNested() {
  bool is_object[kMaxJsonDepth];
  int depth = 0;
  for (;;) {
    // The cursor stands on a value.
    if (NextIs('{') || NextIs('[')) {
      if (depth == kMaxJsonDepth) return Fail("Nesting deeper than 100 levels.", at_);
      is_object[depth++] = *at_ == '{';
      ++at_;
      SkipSpace();
      if (!NextIs(is_object[depth - 1] ? '}' : ']')) {
        JsonValue key;
        if (is_object[depth - 1] && !SkipKey(key)) return false;
        continue;
      }
    } else {
      JsonValue scalar;
      if (!SkipValue(scalar)) return false;
      SkipSpace();
    }
    // Behind a value, or on the end of an empty object or array.
    while (!NextIs(',')) {
      const bool in_object = is_object[depth - 1];
      if (!NextIs(in_object ? '}' : ']')) {
        return Fail(in_object ? "Missing a comma or '}' after an object member."
                              : "Missing a comma or ']' after an array element.",
                    at_);
      }
      ++at_;
      if (--depth == 0) return true;
      SkipSpace();
    }
    ++at_;
    SkipSpace();
    JsonValue key;
    if (is_object[depth - 1] && !SkipKey(key)) return false;
  }
}

bool JsonCursor::SkipKey(JsonValue& key) {
  if (!NextIs('"')) return Fail("Missing a name for object member.", at_);
  key.begin = at_;
  if (!SkipString(key.has_escapes)) return false;
  key.end = at_;
  SkipSpace();
  if (!NextIs(':')) return Fail("Missing a colon after a name of object member.", at_);
  ++at_;
  SkipSpace();
  return true;
}

bool JsonCursor::SkipString(bool& has_escapes) {
  has_escapes = false;
  ++at_;
  for (;;) {
    at_ = SkipPlain(at_, end_);
    if (AtEnd()) return Fail("Missing a closing quotation mark in string.", at_);
    const auto byte = static_cast<unsigned char>(*at_);
    if (byte == '"') return ++at_, true;
    if (byte == '\\') {
      if (!SkipEscape()) return false;
      has_escapes = true;
    } else if (byte < 0x20) {
      return Fail("Invalid escape character in string.", at_);
    } else if (byte == 0x7F) {
      ++at_;
    } else {
      // A run up to the next ASCII byte, so that text without Latin letters is not checked byte by
      // byte.
      const char* run = at_;
      while (at_ != end_ && static_cast<unsigned char>(*at_) >= 0x80) ++at_;
      const std::string_view text(run, static_cast<size_t>(at_ - run));
      const size_t good = Utf8Prefix(text);
      if (good != text.size()) return Fail("Invalid encoding in string.", run + good);
    }
  }
}

bool JsonCursor::SkipEscape() {
  const char* escape = at_++;
  if (AtEnd()) return Fail("Invalid escape character in string.", escape);
  const char kind = *at_++;
  if (std::strchr("\"\\/bfnrt", kind) != nullptr && kind != '\0') return true;
  if (kind != 'u') return Fail("Invalid escape character in string.", escape);
  unsigned code;
  if (!ReadHex4(escape, code)) return false;
  if (IsLowSurrogate(code)) return Fail("The surrogate pair in string is invalid.", escape);
  if (!IsHighSurrogate(code)) return true;
  if (end_ - at_ < 2 || at_[0] != '\\' || at_[1] != 'u') {
    return Fail("The surrogate pair in string is invalid.", escape);
  }
  at_ += 2;
  if (!ReadHex4(escape, code)) return false;
  return IsLowSurrogate(code) || Fail("The surrogate pair in string is invalid.", escape);
}

bool JsonCursor::ReadHex4(const char* escape, unsigned& code) {
  static constexpr char kWrong[] = "Incorrect hex digit after \\u escape in string.";
  if (end_ - at_ < 4) return Fail(kWrong, escape);
  for (int i = 0; i < 4; ++i) {
    if (HexDigit(at_[i]) < 0) return Fail(kWrong, escape);
  }
  code = Hex4(at_);
  at_ += 4;
  return true;
}

bool JsonCursor::SkipLiteral(std::string_view literal) {
  for (const char c : literal) {
    if (!NextIs(c)) return Fail(kInvalidValue, at_);
    ++at_;
  }
  return true;
}

bool JsonCursor::SkipNumber() {
  const JsonNumberScan scan = ScanJsonNumber(at_, end_);
  if (scan.error == nullptr) return at_ = scan.end, true;
  return Fail(scan.error, scan.end);
}

char* DecodeJsonString(const JsonValue& value, char* out) {
  const char* at = value.begin + 1;
  const char* end = value.end - 1;
  while (at != end) {
    const auto* escape =
        static_cast<const char*>(std::memchr(at, '\\', static_cast<size_t>(end - at)));
    const char* run_end = escape != nullptr ? escape : end;
    std::memcpy(out, at, static_cast<size_t>(run_end - at));
    out += run_end - at;
    if (escape == nullptr) break;
    at = DecodeEscape(escape + 1, out);
  }
  return out;
}

std::string_view JsonText(const JsonValue& value, core::TextArena& arena) {
  const std::string_view inner = value.text().substr(1, value.text().size() - 2);
  if (!value.has_escapes) return inner;
  char* place = arena.Allocate(inner.size());
  const char* end = DecodeJsonString(value, place);
  return {place, static_cast<size_t>(end - place)};
}

}  // namespace serving::protocol
