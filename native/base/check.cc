// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace serving::base {

void CheckFailed(const char* file, int line, const char* message) {
  std::fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, message);
  std::abort();
}

}  // namespace serving::base
