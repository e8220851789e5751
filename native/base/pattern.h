// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <bitset>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace serving::base {

// A regular expression in RE2's syntax, matched on bytes in time linear in text × pattern whatever
// they hold: for texts that clients send.
//
// Has: literals, `.`, classes with ranges, POSIX names and escapes, \d \w \s \b \B \A \z \Q…\E
// \xHH, ^ $, groups (also named ones), alternation, * + ? {n,m} (lazy or not), flags i, m and s.
// Has not: \p{…}, \C, flag U, letters beyond ASCII inside a class.
//
// Threads: immutable.
class Pattern {
 public:
  // InvalidArgument that says what and where.
  static Result<Pattern> Compile(std::string_view text, bool ignores_case);

  // Whether the pattern matches anywhere in the text.
  bool MatchesPartOf(std::string_view text) const;

  using Bytes = std::bitset<256>;
  enum class Position : uint8_t {
    kTextStart,
    kTextEnd,
    kLineStart,
    kLineEnd,
    kWordBorder,
    kNoWordBorder
  };
  struct Instruction {
    enum class Kind : uint8_t { kByte, kPosition, kSplit, kMatch };
    Kind kind = Kind::kMatch;
    Position position = Position::kTextStart;
    uint16_t next = 0;
    uint16_t other = 0;  // kSplit: the second way; kByte: index into classes_
  };

 private:
  class Compiler;

  std::vector<Instruction> program_;
  std::vector<Bytes> classes_;
  uint16_t start_ = 0;
};

}  // namespace serving::base
