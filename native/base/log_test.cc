// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "base/log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
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
  ~LogLine() override { EXPECT_TRUE(SetLogOptions({}).ok()); }
};

TEST_F(LogLine, HasTritonsDefaultForm) {
  EXPECT_EQ(
      Masked(Written(Severity::kInfo, "hello")),
      Masked("I9999 99:99:99.999999 " + std::to_string(getpid()) + " room.cc:99] \"hello\"\n"));
}

TEST_F(LogLine, HasTritonsIsoForm) {
  ASSERT_TRUE(SetLogOptions({.format = LogFormat::kIso8601}).ok());
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
  ASSERT_TRUE(SetLogOptions({.verbose = 1}).ok());
  EXPECT_NE(Written(Severity::kVerbose, "x"), "");
  ASSERT_TRUE(SetLogOptions({.info = false, .warning = false, .error = false}).ok());
  for (const Severity severity : {Severity::kInfo, Severity::kWarning, Severity::kError}) {
    EXPECT_EQ(Written(severity, "x"), "");
  }
}

TEST_F(LogLine, GoesToAFile) {
  const std::string path = testing::TempDir() + "log_test." + std::to_string(getpid());
  ASSERT_TRUE(SetLogOptions({.file = path}).ok());
  EXPECT_EQ(Written(Severity::kError, "one"), "");
  EXPECT_FALSE(SetLogOptions({.file = path + "/below/a/file"}).ok());
  EXPECT_EQ(Written(Severity::kError, "two"), "");  // the file of before is kept
  ASSERT_TRUE(SetLogOptions({}).ok());
  EXPECT_NE(Written(Severity::kError, "three"), "");
  std::ifstream file(path);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  EXPECT_NE(text.find("\"one\"\n"), std::string::npos);
  EXPECT_NE(text.find("\"two\"\n"), std::string::npos);
  EXPECT_EQ(text.find("three"), std::string::npos);
  unlink(path.c_str());
}

}  // namespace
}  // namespace serving::base
