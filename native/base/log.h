// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string_view>

namespace serving::base {

enum class Severity : unsigned char { kError, kWarning, kInfo, kVerbose };
enum class LogFormat : unsigned char { kDefault, kIso8601 };

struct LogOptions {
  int verbose = 0;
  bool info = true;
  bool warning = true;
  bool error = true;
  LogFormat format = LogFormat::kDefault;
};

// Process-wide, as standard error is. Set before threads start.
void SetLogOptions(const LogOptions& options);

// One event, one line on standard error in Triton's format (F-08), one write. Any thread.
void Log(Severity severity, std::string_view file, int line, std::string_view message);

}  // namespace serving::base

#define SERVING_LOG(severity, message) \
  ::serving::base::Log(::serving::base::Severity::severity, __FILE__, __LINE__, message)
