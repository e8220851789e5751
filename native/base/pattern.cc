// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "base/pattern.h"

#include <utility>

#include "base/pattern_syntax.h"

namespace serving::base {
namespace {

constexpr size_t kMostInstructions = 10'000;

bool IsWord(int c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// `before` and `behind` are bytes, or -1 at the text's ends.
bool Holds(Pattern::Position position, int before, int behind) {
  switch (position) {
    case Pattern::Position::kTextStart:
      return before < 0;
    case Pattern::Position::kTextEnd:
      return behind < 0;
    case Pattern::Position::kLineStart:
      return before < 0 || before == '\n';
    case Pattern::Position::kLineEnd:
      return behind < 0 || behind == '\n';
    case Pattern::Position::kWordBorder:
      return IsWord(before) != IsWord(behind);
    case Pattern::Position::kNoWordBorder:
      return IsWord(before) == IsWord(behind);
  }
  return false;
}

// Instructions that are waited at; each once. Cleared without touching its memory.
struct Set {
  void Resize(size_t size) {
    if (places.size() < size) places.resize(size);
    members.clear();
  }
  bool Add(uint16_t value) {
    const size_t place = places[value];
    if (place < members.size() && members[place] == value) return false;
    places[value] = static_cast<uint16_t>(members.size());
    members.push_back(value);
    return true;
  }
  std::vector<uint16_t> members;
  std::vector<uint16_t> places;
};

struct Scratch {
  Set now;
  Set following;
  std::vector<uint16_t> open;
};

}  // namespace

// Builds the program from its end: each part is told where to go on.
class Pattern::Compiler {
 public:
  explicit Compiler(Pattern& pattern) : pattern_(pattern) {}

  bool is_too_large() const { return is_too_large_; }

  uint16_t Add(Instruction instruction) {
    if (pattern_.program_.size() >= kMostInstructions) {
      is_too_large_ = true;
      return 0;
    }
    pattern_.program_.push_back(instruction);
    return static_cast<uint16_t>(pattern_.program_.size() - 1);
  }

  uint16_t Compile(const PatternNode& node, uint16_t next) {
    if (is_too_large_) return 0;
    switch (node.kind) {
      case PatternNode::Kind::kEmpty:
        return next;
      case PatternNode::Kind::kBytes: {
        pattern_.classes_.push_back(node.bytes);
        const auto index = static_cast<uint16_t>(pattern_.classes_.size() - 1);
        return Add({.kind = Instruction::Kind::kByte, .next = next, .other = index});
      }
      case PatternNode::Kind::kPosition:
        return Add({.kind = Instruction::Kind::kPosition, .position = node.position, .next = next});
      case PatternNode::Kind::kSequence:
        for (size_t i = node.children.size(); i > 0; --i) {
          next = Compile(*node.children[i - 1], next);
        }
        return next;
      case PatternNode::Kind::kChoice: {
        uint16_t start = Compile(*node.children.back(), next);
        for (size_t i = node.children.size() - 1; i > 0; --i) {
          start = Split(Compile(*node.children[i - 1], next), start);
        }
        return start;
      }
      case PatternNode::Kind::kRepeat:
        return CompileRepeat(node, next);
    }
    return next;
  }

 private:
  uint16_t Split(uint16_t one, uint16_t other) {
    return Add({.kind = Instruction::Kind::kSplit, .next = one, .other = other});
  }

  uint16_t CompileRepeat(const PatternNode& node, uint16_t next) {
    const PatternNode& child = *node.children.front();
    uint16_t start = next;
    if (node.most == PatternNode::kNoEnd) {
      start = Split(0, next);
      const uint16_t body = Compile(child, start);
      if (!is_too_large_) pattern_.program_[start].next = body;
    } else {
      for (int i = node.least; i < node.most && !is_too_large_; ++i) {
        start = Split(Compile(child, start), next);
      }
    }
    for (int i = 0; i < node.least && !is_too_large_; ++i) start = Compile(child, start);
    return start;
  }

  Pattern& pattern_;
  bool is_too_large_ = false;
};

Result<Pattern> Pattern::Compile(std::string_view text, bool ignores_case) {
  ASSIGN_OR_RETURN(const PatternTree tree, ParsePattern(text, ignores_case));
  Pattern pattern;
  Compiler compiler(pattern);
  const uint16_t match = compiler.Add({.kind = Instruction::Kind::kMatch});
  pattern.start_ = compiler.Compile(*tree, match);
  if (compiler.is_too_large()) {
    return InvalidArgument("'" + std::string(text) + "' is too large a pattern");
  }
  return pattern;
}

bool Pattern::MatchesPartOf(std::string_view text) const {
  thread_local Scratch scratch;
  scratch.now.Resize(program_.size());
  scratch.following.Resize(program_.size());
  int before = -1;
  for (size_t i = 0;; ++i) {
    const int behind = i < text.size() ? static_cast<unsigned char>(text[i]) : -1;
    // A match may start here.
    scratch.now.Add(start_);
    scratch.open.assign(scratch.now.members.begin(), scratch.now.members.end());
    while (!scratch.open.empty()) {
      const Instruction& instruction = program_[scratch.open.back()];
      scratch.open.pop_back();
      switch (instruction.kind) {
        case Instruction::Kind::kMatch:
          return true;
        case Instruction::Kind::kSplit:
          if (scratch.now.Add(instruction.next)) scratch.open.push_back(instruction.next);
          if (scratch.now.Add(instruction.other)) scratch.open.push_back(instruction.other);
          break;
        case Instruction::Kind::kPosition:
          if (Holds(instruction.position, before, behind) && scratch.now.Add(instruction.next)) {
            scratch.open.push_back(instruction.next);
          }
          break;
        case Instruction::Kind::kByte:
          if (behind >= 0 && classes_[instruction.other][static_cast<size_t>(behind)]) {
            scratch.following.Add(instruction.next);
          }
          break;
      }
    }
    if (behind < 0) return false;
    std::swap(scratch.now, scratch.following);
    scratch.following.members.clear();
    before = behind;
  }
}

}  // namespace serving::base
