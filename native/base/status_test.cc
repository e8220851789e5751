// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "base/status.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

namespace serving::base {
namespace {

TEST(Status, OkCarriesNothing) {
  const Status status;
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(status.code(), StatusCode::kOk);
  EXPECT_EQ(status.message(), "");
}

TEST(Status, ErrorsCarryCodeAndSentence) {
  const std::pair<Status, StatusCode> cases[] = {
      {InvalidArgument("x"), StatusCode::kInvalidArgument},
      {NotFound("x"), StatusCode::kNotFound},
      {Unavailable("x"), StatusCode::kUnavailable},
      {ResourceExhausted("x"), StatusCode::kResourceExhausted},
      {Unimplemented("x"), StatusCode::kUnimplemented},
      {Internal("x"), StatusCode::kInternal},
      {Cancelled("x"), StatusCode::kCancelled},
      {DeadlineExceeded("x"), StatusCode::kDeadlineExceeded},
  };
  for (const auto& [status, code] : cases) {
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(status.code(), code);
    EXPECT_EQ(status.message(), "x");
  }
}

TEST(StatusTable, HttpAndNames) {
  EXPECT_EQ(HttpStatus(StatusCode::kOk), 200);
  EXPECT_EQ(HttpStatus(StatusCode::kInvalidArgument), 400);
  EXPECT_EQ(HttpStatus(StatusCode::kUnavailable), 503);
  EXPECT_EQ(HttpStatus(StatusCode::kResourceExhausted), 429);
  EXPECT_EQ(Name(StatusCode::kDeadlineExceeded), "DEADLINE_EXCEEDED");
  for (int number = -1; number < 20; ++number) {
    const StatusCode code = StatusCodeFromNumber(number);
    if (code == StatusCode::kUnknown) continue;
    EXPECT_EQ(static_cast<int>(code), number);
    EXPECT_NE(Name(code), "UNKNOWN");
  }
}

Result<std::string> Half(int number) {
  if (number % 2 != 0) return InvalidArgument("odd");
  return std::to_string(number / 2);
}

Status Quarter(int number, std::string& out) {
  ASSIGN_OR_RETURN(const std::string half, Half(number));
  ASSIGN_OR_RETURN(out, Half(std::stoi(half)));
  return {};
}

TEST(Result, ValueOrStatus) {
  Result<std::string> good = Half(8);
  EXPECT_TRUE(good.ok());
  EXPECT_TRUE(good.status().ok());
  EXPECT_EQ(good.value(), "4");
  EXPECT_EQ(good.Take(), "4");
  const Result<std::string> bad = Half(3);
  EXPECT_FALSE(bad.ok());
  EXPECT_EQ(bad.status().message(), "odd");
}

TEST(Result, HoldsWhatCannotBeCopied) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(5);
  const std::unique_ptr<int> taken = result.Take();
  EXPECT_EQ(*taken, 5);
}

TEST(Result, MacrosReturnTheFirstError) {
  std::string out;
  EXPECT_TRUE(Quarter(12, out).ok());
  EXPECT_EQ(out, "3");
  EXPECT_EQ(Quarter(6, out).message(), "odd");
  EXPECT_EQ(Quarter(5, out).message(), "odd");
}

TEST(ResultDeathTest, MadeFromOkAborts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(Result<int>(Status{}),
               "broken invariant: a Result made from a Status needs an error");
}

}  // namespace
}  // namespace serving::base
