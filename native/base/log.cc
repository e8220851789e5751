// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "base/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <mutex>
#include <string>

namespace serving::base {
namespace {

// Lines are rare: a lock for each costs nothing that matters.
std::mutex g_mutex;
LogOptions g_options;        // guarded by g_mutex
int g_file = STDERR_FILENO;  // guarded by g_mutex

bool IsOn(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return g_options.error;
    case Severity::kWarning:
      return g_options.warning;
    case Severity::kInfo:
      return g_options.info;
    case Severity::kVerbose:
      return g_options.verbose > 0;
  }
  return false;
}

char Letter(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return 'E';
    case Severity::kWarning:
      return 'W';
    case Severity::kInfo:
    case Severity::kVerbose:
      return 'I';
  }
  return 'I';
}

// Messages may quote client bytes: a line break in one must not start a forged line.
void AppendEscaped(std::string& line, std::string_view message) {
  for (const char c : message) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      line += '\\';
      line += c;
    } else if (c == '\n') {
      line += "\\n";
    } else if (byte < 0x20) {
      char code[8];
      std::snprintf(code, sizeof(code), "\\u%04x", byte);
      line += code;
    } else {
      line += c;
    }
  }
}

std::string Stamp(Severity severity) {
  const auto now = std::chrono::system_clock::now();
  const auto micros =
      std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count();
  const auto seconds = static_cast<std::time_t>(micros / 1'000'000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[64];
  const int fraction = static_cast<int>(micros % 1'000'000);
  if (g_options.format == LogFormat::kIso8601) {
    std::snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02dZ %c %d ", utc.tm_year + 1900,
                  utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                  Letter(severity), getpid());
  } else {
    std::snprintf(text, sizeof(text), "%c%02d%02d %02d:%02d:%02d.%06d %d ", Letter(severity),
                  utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, fraction,
                  getpid());
  }
  return text;
}

}  // namespace

Status SetLogOptions(const LogOptions& options) {
  std::lock_guard lock(g_mutex);
  if (options.file != g_options.file) {
    int file = STDERR_FILENO;
    if (!options.file.empty()) {
      file = open(options.file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
      if (file < 0) {
        return InvalidArgument("cannot open the log file '" + options.file +
                               "': " + std::strerror(errno));
      }
    }
    if (g_file != STDERR_FILENO) close(g_file);
    g_file = file;
  }
  g_options = options;
  return {};
}

void Log(Severity severity, std::string_view file, int line, std::string_view message) {
  std::lock_guard lock(g_mutex);
  if (!IsOn(severity)) return;
  if (const size_t slash = file.rfind('/'); slash != std::string_view::npos) {
    file.remove_prefix(slash + 1);
  }
  std::string text = Stamp(severity);
  text.append(file).append(":").append(std::to_string(line)).append("] \"");
  AppendEscaped(text, message);
  text += "\"\n";
  [[maybe_unused]] const ssize_t written = write(g_file, text.data(), text.size());
}

}  // namespace serving::base
