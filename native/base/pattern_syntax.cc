// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "base/pattern_syntax.h"

#include <cctype>
#include <optional>
#include <string>
#include <utility>

namespace serving::base {
namespace {

using Bytes = Pattern::Bytes;
using Kind = PatternNode::Kind;
using Position = Pattern::Position;

constexpr int kMostNesting = 100;
constexpr int kMostRepeats = 1000;  // as RE2

struct Flags {
  bool ignores_case = false;
  bool many_lines = false;
  bool dot_is_newline = false;
};

Bytes Range(int first, int last) {
  Bytes bytes;
  for (int c = first; c <= last; ++c) bytes.set(static_cast<size_t>(c));
  return bytes;
}

Bytes WithBothCases(Bytes bytes) {
  for (size_t c = 'a'; c <= 'z'; ++c) {
    const size_t upper = c - 'a' + 'A';
    if (bytes[c] || bytes[upper]) bytes.set(c).set(upper);
  }
  return bytes;
}

Bytes Digits() { return Range('0', '9'); }
Bytes Letters() { return Range('a', 'z') | Range('A', 'Z'); }
Bytes WordBytes() { return Letters() | Digits() | Range('_', '_'); }
Bytes Spaces() { return Range('\t', '\n') | Range('\f', '\r') | Range(' ', ' '); }

std::optional<Bytes> ClassOfEscape(char c) {
  switch (c) {
    case 'd':
      return Digits();
    case 'D':
      return ~Digits();
    case 'w':
      return WordBytes();
    case 'W':
      return ~WordBytes();
    case 's':
      return Spaces();
    case 'S':
      return ~Spaces();
    default:
      return std::nullopt;
  }
}

std::optional<Bytes> ClassOfName(std::string_view name) {
  const auto visible = Range('!', '~');
  if (name == "alnum") return Letters() | Digits();
  if (name == "alpha") return Letters();
  if (name == "ascii") return Range(0, 127);
  if (name == "blank") return Range('\t', '\t') | Range(' ', ' ');
  if (name == "cntrl") return Range(0, 31) | Range(127, 127);
  if (name == "digit") return Digits();
  if (name == "graph") return visible;
  if (name == "lower") return Range('a', 'z');
  if (name == "print") return visible | Range(' ', ' ');
  if (name == "punct") return visible & ~(Letters() | Digits());
  if (name == "space") return Spaces() | Range('\v', '\v');
  if (name == "upper") return Range('A', 'Z');
  if (name == "word") return WordBytes();
  if (name == "xdigit") return Digits() | Range('a', 'f') | Range('A', 'F');
  return std::nullopt;
}

PatternTree Make(Kind kind) {
  auto node = std::make_unique<PatternNode>();
  node->kind = kind;
  return node;
}

class Parser {
 public:
  Parser(std::string_view text, bool ignores_case) : text_(text) {
    flags_.ignores_case = ignores_case;
  }

  Result<PatternTree> Parse() {
    PatternTree tree = ParseChoice();
    if (error_.ok() && at_ < text_.size()) Fail("a ')' without its '('");
    if (!error_.ok()) return error_;
    return tree;
  }

 private:
  bool AtEnd() const { return at_ >= text_.size() || !error_.ok(); }
  char Peek() const { return text_[at_]; }
  bool Take(std::string_view expected) {
    if (!text_.substr(at_).starts_with(expected)) return false;
    at_ += expected.size();
    return true;
  }
  void Fail(std::string_view what) {
    if (!error_.ok()) return;
    error_ = InvalidArgument("'" + std::string(text_) + "' is no pattern: " + std::string(what) +
                             " at " + std::to_string(at_));
  }

  PatternTree ParseChoice() {
    PatternTree choice = Make(Kind::kChoice);
    do {
      choice->children.push_back(ParseSequence());
    } while (!AtEnd() && Take("|"));
    return choice;
  }

  PatternTree ParseSequence() {
    PatternTree sequence = Make(Kind::kSequence);
    while (!AtEnd() && Peek() != '|' && Peek() != ')') {
      if (Take("\\Q")) {
        ParseQuoted(*sequence);
        continue;
      }
      PatternTree atom = ParseAtom();
      if (atom) sequence->children.push_back(ParseRepeats(std::move(atom)));
    }
    return sequence;
  }

  void ParseQuoted(PatternNode& sequence) {
    while (!AtEnd() && !Take("\\E")) sequence.children.push_back(Literal(text_[at_++]));
    if (sequence.children.empty()) return;
    // A repetition behind the quote is its last letter's.
    PatternTree last = std::move(sequence.children.back());
    sequence.children.back() = ParseRepeats(std::move(last));
  }

  PatternTree Literal(char c) {
    const auto code = static_cast<unsigned char>(c);
    return OfBytes(Range(code, code));
  }

  PatternTree OfBytes(const Bytes& bytes) {
    PatternTree node = Make(Kind::kBytes);
    node->bytes = flags_.ignores_case ? WithBothCases(bytes) : bytes;
    return node;
  }

  PatternTree At(Position position) {
    PatternTree node = Make(Kind::kPosition);
    node->position = position;
    return node;
  }

  // Null for what stands for nothing (flags) and after an error.
  PatternTree ParseAtom() {
    const char c = text_[at_++];
    switch (c) {
      case '(':
        return ParseGroup();
      case '[':
        return ParseClass();
      case '.':
        return OfBytes(flags_.dot_is_newline ? Range(0, 255) : ~Range('\n', '\n'));
      case '^':
        return At(flags_.many_lines ? Position::kLineStart : Position::kTextStart);
      case '$':
        return At(flags_.many_lines ? Position::kLineEnd : Position::kTextEnd);
      case '\\':
        return ParseEscape();
      case '*':
      case '+':
      case '?':
        --at_;
        Fail("nothing to repeat");
        return nullptr;
      default:
        return Literal(c);
    }
  }

  PatternTree ParseEscape() {
    if (AtEnd()) return Fail("a '\\' at the end"), nullptr;
    const char c = Peek();
    if (const auto bytes = ClassOfEscape(c)) return ++at_, OfBytes(*bytes);
    switch (c) {
      case 'A':
        return ++at_, At(Position::kTextStart);
      case 'z':
        return ++at_, At(Position::kTextEnd);
      case 'b':
        return ++at_, At(Position::kWordBorder);
      case 'B':
        return ++at_, At(Position::kNoWordBorder);
      default:
        if (const auto code = ParseCode()) return Literal(static_cast<char>(*code));
        return nullptr;
    }
  }

  // The byte of an escape that stands for one.
  std::optional<int> ParseCode() {
    if (AtEnd()) return Fail("a '\\' at the end"), std::nullopt;
    const char c = text_[at_++];
    switch (c) {
      case 'a':
        return '\a';
      case 'f':
        return '\f';
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case 'v':
        return '\v';
      case 'x':
        return ParseHex();
      default:
        break;
    }
    const auto code = static_cast<unsigned char>(c);
    if (code < 128 && std::ispunct(code) != 0) return code;
    --at_;
    Fail("an escape that is not known here");
    return std::nullopt;
  }

  std::optional<int> ParseHex() {
    const bool has_braces = Take("{");
    int value = 0;
    int digits = 0;
    while (!AtEnd() && std::isxdigit(static_cast<unsigned char>(Peek())) != 0 &&
           (has_braces || digits < 2)) {
      const char c = text_[at_++];
      value = value * 16 + (c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
      if (++digits > 6) break;
    }
    const bool is_whole = has_braces ? digits > 0 && Take("}") : digits == 2;
    if (!is_whole || value > 127) return Fail("an escape that is no ASCII character"), std::nullopt;
    return value;
  }

  PatternTree ParseGroup() {
    if (++nesting_ > kMostNesting) return Fail("too many groups in each other"), nullptr;
    const Flags outer = flags_;
    if (Take("?")) {
      if (Take("P<") || Take("<")) {
        const size_t end = text_.find('>', at_);
        if (end == std::string_view::npos || end == at_) return Fail("a group's name"), nullptr;
        at_ = end + 1;
      } else {
        const bool is_group = ParseFlags();
        if (!error_.ok()) return nullptr;
        if (!is_group) return --nesting_, nullptr;
      }
    }
    PatternTree inner = ParseChoice();
    flags_ = outer;
    if (!Take(")")) Fail("a '(' without its ')'");
    --nesting_;
    return inner;
  }

  // Behind `(?`: true for `flags:`, false for `flags)`, whose flags hold to the group's end.
  bool ParseFlags() {
    bool is_on = true;
    while (!AtEnd()) {
      const char c = text_[at_++];
      switch (c) {
        case 'i':
          flags_.ignores_case = is_on;
          break;
        case 'm':
          flags_.many_lines = is_on;
          break;
        case 's':
          flags_.dot_is_newline = is_on;
          break;
        case '-':
          if (!is_on) return Fail("a second '-' among flags"), false;
          is_on = false;
          break;
        case ':':
          return true;
        case ')':
          return false;
        default:
          --at_;
          return Fail("a group or flag that is not known here"), false;
      }
    }
    return Fail("a '(' without its ')'"), false;
  }

  PatternTree ParseClass() {
    const bool is_negated = Take("^");
    Bytes bytes;
    bool is_first = true;
    while (error_.ok()) {
      if (at_ >= text_.size()) return Fail("a '[' without its ']'"), nullptr;
      if (Peek() == ']' && !is_first) break;
      is_first = false;
      if (Take("[:")) {
        ParseNamedClass(bytes);
        continue;
      }
      if (Peek() == '\\' && at_ + 1 < text_.size()) {
        if (const auto set = ClassOfEscape(text_[at_ + 1])) {
          at_ += 2;
          bytes |= *set;
          continue;
        }
      }
      ParseRange(bytes);
    }
    if (!error_.ok()) return nullptr;
    ++at_;
    // Folded before it is turned round: [^a] is not A either where case does not count.
    if (flags_.ignores_case) bytes = WithBothCases(bytes);
    PatternTree node = Make(Kind::kBytes);
    node->bytes = is_negated ? ~bytes : bytes;
    return node;
  }

  void ParseNamedClass(Bytes& bytes) {
    const bool is_negated = Take("^");
    const size_t end = text_.find(":]", at_);
    if (end == std::string_view::npos) return Fail("a '[:' without its ':]'");
    const auto set = ClassOfName(text_.substr(at_, end - at_));
    if (!set) return Fail("a class name that is not known here");
    bytes |= is_negated ? ~*set : *set;
    at_ = end + 2;
  }

  void ParseRange(Bytes& bytes) {
    const auto first = ParseClassByte();
    if (!first) return;
    int last = *first;
    if (at_ + 1 < text_.size() && Peek() == '-' && text_[at_ + 1] != ']') {
      ++at_;
      const auto end = ParseClassByte();
      if (!end) return;
      last = *end;
    }
    if (last < *first) return Fail("a range that ends before it starts");
    bytes |= Range(*first, last);
  }

  std::optional<int> ParseClassByte() {
    if (AtEnd()) return Fail("a '[' without its ']'"), std::nullopt;
    const char c = text_[at_++];
    if (c == '\\') return ParseCode();
    const auto code = static_cast<unsigned char>(c);
    if (code > 127) return Fail("a letter beyond ASCII inside a class"), std::nullopt;
    return code;
  }

  PatternTree ParseRepeats(PatternTree atom) {
    bool is_repeated = false;
    while (!AtEnd()) {
      int least = 0;
      int most = PatternNode::kNoEnd;
      const size_t before = at_;
      if (Take("*")) {
      } else if (Take("+")) {
        least = 1;
      } else if (Take("?")) {
        most = 1;
      } else if (Peek() != '{' || !ParseCounts(least, most)) {
        break;
      }
      if (!error_.ok()) break;
      if (is_repeated) {
        at_ = before;
        Fail("a repetition of a repetition");
        break;
      }
      Take("?");  // lazy: what matches is the same
      is_repeated = true;
      PatternTree repeat = Make(Kind::kRepeat);
      repeat->least = least;
      repeat->most = most;
      repeat->children.push_back(std::move(atom));
      atom = std::move(repeat);
    }
    return atom;
  }

  // `{n}`, `{n,}`, `{n,m}`; anything else is literal text, and nothing is taken.
  bool ParseCounts(int& least, int& most) {
    const size_t start = at_++;
    const auto low = ParseNumber();
    std::optional<int> high = low;
    if (low && Take(",")) high = !AtEnd() && Peek() == '}' ? PatternNode::kNoEnd : ParseNumber();
    if (!low || !high || !Take("}")) {
      at_ = start;
      return false;
    }
    if (*low > kMostRepeats || *high > kMostRepeats ||
        (*high != PatternNode::kNoEnd && *high < *low)) {
      at_ = start;
      Fail("a number of repetitions over 1000 or in the wrong order");
      return true;
    }
    least = *low;
    most = *high;
    return true;
  }

  std::optional<int> ParseNumber() {
    int value = 0;
    const size_t start = at_;
    while (at_ < text_.size() && Peek() >= '0' && Peek() <= '9') {
      value = std::min(value * 10 + (text_[at_++] - '0'), kMostRepeats + 1);
    }
    return at_ == start ? std::nullopt : std::optional(value);
  }

  const std::string_view text_;
  size_t at_ = 0;
  int nesting_ = 0;
  Flags flags_;
  Status error_;
};

}  // namespace

Result<PatternTree> ParsePattern(std::string_view text, bool ignores_case) {
  return Parser(text, ignores_case).Parse();
}

}  // namespace serving::base
