// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <string_view>

#include "core/text_arena.h"

namespace serving::protocol {

// Nesting that is followed in one value before it is refused.
inline constexpr int kMaxJsonDepth = 100;

// One value in a JSON text whose syntax was checked. Absent until it is found.
struct JsonValue {
  const char* begin = nullptr;
  const char* end = nullptr;
  bool has_escapes = false;  // strings

  bool is_present() const { return begin != nullptr; }
  bool is_string() const { return is_present() && *begin == '"'; }
  bool is_array() const { return is_present() && *begin == '['; }
  bool is_object() const { return is_present() && *begin == '{'; }
  std::string_view text() const { return {begin, static_cast<size_t>(end - begin)}; }
};

inline const char* SkipJsonSpace(const char* at, const char* end) {
  while (at != end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) ++at;
  return at;
}

// Walks a JSON text of unknown worth from front to back, checking RFC 8259 syntax and UTF-8. As
// clients of the protocol expect, NaN, Inf and Infinity (with an optional minus) count as numbers.
//
// Members return false at the first error, which is then kept; after that the cursor must not be
// used. Memory and stack are constant whatever the text holds.
class JsonCursor {
 public:
  explicit JsonCursor(std::string_view text)
      : begin_(text.data()), at_(begin_), end_(begin_ + text.size()) {}

  const char* at() const { return at_; }
  const char* end() const { return end_; }
  bool AtEnd() const { return at_ == end_; }
  bool NextIs(char c) const { return at_ != end_ && *at_ == c; }
  void SkipSpace() { at_ = SkipJsonSpace(at_, end_); }
  // Goes on behind text that somebody else has read and found well-formed.
  void JumpTo(const char* at) { at_ = at; }

  // Passes over one value, which starts at the cursor.
  bool SkipValue(JsonValue& value);

  // The cursor stands on '{'. Calls `on_member(key)` with the cursor on each member's value, which
  // it must pass over; it returns false on a syntax error.
  template <typename OnMember>
  bool WalkObject(OnMember&& on_member) {
    ++at_;
    SkipSpace();
    if (NextIs('}')) return ++at_, true;
    for (;;) {
      JsonValue key;
      if (!SkipKey(key) || !on_member(key)) return false;
      SkipSpace();
      if (NextIs('}')) return ++at_, true;
      if (!NextIs(',')) return Fail("Missing a comma or '}' after an object member.", at_);
      ++at_;
      SkipSpace();
    }
  }

  // The cursor stands on '['. Calls `on_element()` with the cursor on each element, which it must
  // pass over.
  template <typename OnElement>
  bool WalkArray(OnElement&& on_element) {
    ++at_;
    SkipSpace();
    if (NextIs(']')) return ++at_, true;
    for (;;) {
      if (!on_element()) return false;
      SkipSpace();
      if (NextIs(']')) return ++at_, true;
      if (!NextIs(',')) return Fail("Missing a comma or ']' after an array element.", at_);
      ++at_;
      SkipSpace();
    }
  }

  // Keeps `text` as the error, found at `where`. Always false.
  bool Fail(const char* text, const char* where) {
    error_ = text;
    error_at_ = static_cast<size_t>(where - begin_);
    return false;
  }
  const char* error() const { return error_; }
  size_t error_at() const { return error_at_; }

 private:
  bool SkipKey(JsonValue& key);
  bool SkipString(bool& has_escapes);
  bool SkipEscape();
  bool ReadHex4(const char* escape, unsigned& code);
  bool SkipLiteral(std::string_view literal);
  bool SkipNumber();
  bool SkipNested();

  const char* begin_;
  const char* at_;
  const char* end_;
  const char* error_ = nullptr;
  size_t error_at_ = 0;
};

// Bytes of a checked string with its escapes resolved; at most value.text().size() - 2. Returns the
// end in `out`.
char* DecodeJsonString(const JsonValue& value, char* out);

// The content of a checked string: a view into the text, or into `arena` where escapes had to be
// resolved.
std::string_view JsonText(const JsonValue& value, core::TextArena& arena);

}  // namespace serving::protocol
