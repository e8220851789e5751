// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/pattern.h"
#include "base/status.h"

namespace serving::base {

// What a pattern says, as a tree.
struct PatternNode {
  enum class Kind : uint8_t { kEmpty, kBytes, kPosition, kSequence, kChoice, kRepeat };
  static constexpr int kNoEnd = -1;

  Kind kind = Kind::kEmpty;
  Pattern::Bytes bytes;
  Pattern::Position position = Pattern::Position::kTextStart;
  int least = 0;
  int most = 0;  // kNoEnd = any number
  std::vector<std::unique_ptr<PatternNode>> children;
};

using PatternTree = std::unique_ptr<PatternNode>;

// Reads the text; InvalidArgument names the first thing that is wrong.
Result<PatternTree> ParsePattern(std::string_view text, bool ignores_case);

}  // namespace serving::base
