// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

namespace serving::base {

// Prints `file:line: message` and aborts. For broken invariants of ours, never for user input.
[[noreturn]] void CheckFailed(const char* file, int line, const char* message);

}  // namespace serving::base

#define SERVING_CHECK(condition, message)                        \
  do {                                                           \
    if (!(condition)) [[unlikely]]                               \
      ::serving::base::CheckFailed(__FILE__, __LINE__, message); \
  } while (false)
