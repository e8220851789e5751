// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "base/log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <string>

namespace serving::base {
namespace {

std::string Written(Severity severity, std::string_view message) {
  testing::internal::CaptureStderr();
  Log(severity, "/some/where/room.cc", 12, message);
  return testing::internal::GetCapturedStderr();
}

// Every digit as 9.
std::string Masked(std::string text) {
  std::replace_if(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }, '9');
  return text;
}

class LogLine : public testing::Test {
 protected:
  ~LogLine() override { SetLogOptions({}); }
};

TEST_F(LogLine, HasTritonsDefaultForm) {
  EXPECT_EQ(
      Masked(Written(Severity::kInfo, "hello")),
      Masked("I9999 99:99:99.999999 " + std::to_string(getpid()) + " room.cc:99] \"hello\"\n"));
}

TEST_F(LogLine, HasTritonsIsoForm) {
  SetLogOptions({.format = LogFormat::kIso8601});
  EXPECT_EQ(
      Masked(Written(Severity::kError, "hello")),
      Masked("9999-99-99T99:99:99Z E " + std::to_string(getpid()) + " room.cc:99] \"hello\"\n"));
}

TEST_F(LogLine, ClientBytesCannotForgeALine) {
  const std::string line = Written(Severity::kWarning, "a\nE0101 \"fake\"\\ \r\t\x01 \xC3\xA9");
  EXPECT_NE(line.find(R"(] "a\nE0101 \"fake\"\\ \u000d\u0009\u0001 )"
                      "\xC3\xA9\"\n"),
            std::string::npos)
      << line;
  EXPECT_EQ(line.find('\n'), line.size() - 1);
}

TEST_F(LogLine, EachSeverityHasItsSwitch) {
  EXPECT_EQ(Written(Severity::kVerbose, "x"), "");
  SetLogOptions({.verbose = 1});
  EXPECT_NE(Written(Severity::kVerbose, "x"), "");
  SetLogOptions({.info = false, .warning = false, .error = false});
  for (const Severity severity : {Severity::kInfo, Severity::kWarning, Severity::kError}) {
    EXPECT_EQ(Written(severity, "x"), "");
  }
}

}  // namespace
}  // namespace serving::base
