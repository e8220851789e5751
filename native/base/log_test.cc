// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "base/log.h"

#include <gtest/gtest.h>

#include <regex>
#include <string>

namespace serving::base {
namespace {

std::string Written(Severity severity, std::string_view message) {
  testing::internal::CaptureStderr();
  Log(severity, "/some/where/room.cc", 12, message);
  return testing::internal::GetCapturedStderr();
}

class LogLine : public testing::Test {
 protected:
  ~LogLine() override { SetLogOptions({}); }
};

TEST_F(LogLine, HasTritonsDefaultForm) {
  const std::string line = Written(Severity::kInfo, "hello");
  EXPECT_TRUE(std::regex_match(
      line, std::regex(R"(I\d{4} \d\d:\d\d:\d\d\.\d{6} \d+ room\.cc:12\] "hello"\n)")))
      << line;
}

TEST_F(LogLine, HasTritonsIsoForm) {
  SetLogOptions({.format = LogFormat::kIso8601});
  const std::string line = Written(Severity::kError, "hello");
  EXPECT_TRUE(std::regex_match(
      line, std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ E \d+ room\.cc:12\] "hello"\n)")))
      << line;
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
