// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace serving::base {

enum class Severity : unsigned char { kError, kWarning, kInfo, kVerbose };
enum class LogFormat : unsigned char { kDefault, kIso8601 };

struct LogOptions {
  int verbose = 0;
  bool info = true;
  bool warning = true;
  bool error = true;
  LogFormat format = LogFormat::kDefault;
  std::string file = {};  // appended to; empty = standard error
};

// Process-wide, as standard error is. Fails, with the options of before, when the file cannot be
// opened. Any thread.
Status SetLogOptions(const LogOptions& options);

// One event, one line in Triton's format, one write. Any thread.
void Log(Severity severity, std::string_view file, int line, std::string_view message);

}  // namespace serving::base

#define SERVING_LOG(severity, message) \
  ::serving::base::Log(::serving::base::Severity::severity, __FILE__, __LINE__, message)
