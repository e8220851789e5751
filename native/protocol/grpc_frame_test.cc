// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/grpc_frame.h"

#include <gtest/gtest.h>

#include "protocol/grpc_error.h"
#include "protocol/test_memory.h"
#include "protocol/utf8.h"

namespace serving::protocol {
namespace {

using std::chrono::nanoseconds;

TEST(GrpcFrame, PrefixBothWays) {
  for (const uint32_t length : {0u, 1u, 255u, 65'536u, 0xFFFFFFFFu}) {
    for (const bool compressed : {false, true}) {
      const auto bytes = WriteGrpcPrefix({compressed, length});
      const auto prefix = ParseGrpcPrefix(bytes);
      ASSERT_TRUE(prefix);
      EXPECT_EQ(prefix->length, length);
      EXPECT_EQ(prefix->compressed, compressed);
    }
  }
  EXPECT_EQ(static_cast<int>(WriteGrpcPrefix({false, 0x01020304})[1]), 1);
  std::array<std::byte, 5> odd{std::byte{2}};
  EXPECT_FALSE(ParseGrpcPrefix(odd));
}

TEST(GrpcTimeout, Units) {
  EXPECT_EQ(ParseGrpcTimeout("100m"), nanoseconds(100'000'000));
  EXPECT_EQ(ParseGrpcTimeout("1n"), nanoseconds(1));
  EXPECT_EQ(ParseGrpcTimeout("7u"), nanoseconds(7'000));
  EXPECT_EQ(ParseGrpcTimeout("2S"), nanoseconds(2'000'000'000));
  EXPECT_EQ(ParseGrpcTimeout("1M"), nanoseconds(60'000'000'000));
  EXPECT_EQ(ParseGrpcTimeout("1H"), nanoseconds(3'600'000'000'000));
  EXPECT_EQ(ParseGrpcTimeout("0S"), nanoseconds(0));
  EXPECT_EQ(ParseGrpcTimeout("99999999H"), nanoseconds::max());
}

TEST(GrpcTimeout, Malformed) {
  for (const char* text :
       {"", "S", "1", "123456789S", "-1S", "+1S", "1 S", "1s", "1.5S", "S1", "0x1S"}) {
    EXPECT_FALSE(ParseGrpcTimeout(text)) << text;
  }
}

TEST(GrpcMessage, EncodesWhatIsNotPrintable) {
  std::string out = "x";
  AppendGrpcMessage(out, "a%b\n\xC3\xA9 ~\x7F");
  EXPECT_EQ(out, "xa%25b%0A%C3%A9 ~%7F");
}

TEST(GrpcMessage, IsCutBeforeHalfAnEscape) {
  std::string out;
  AppendGrpcMessage(out, std::string(10'000, '\n'));
  EXPECT_LE(out.size(), 4096u);
  EXPECT_EQ(out.size() % 3, 0u);
}

TEST(Utf8, PrefixEndsAtTheFirstBadByte) {
  const std::string good =
      "plain \xC2\x80 \xE0\xA0\x80 \xED\x9F\xBF \xEE\x80\x80 \xF0\x90\x80\x80 \xF4\x8F\xBF\xBF";
  EXPECT_TRUE(IsUtf8(good));
  for (const char* bad :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xC2", "\xE1\x80", "\xF1\x80\x80"}) {
    EXPECT_EQ(Utf8Prefix(good + bad), good.size()) << testing::PrintToString(bad);
    EXPECT_EQ(Utf8Prefix(good + bad + good), good.size()) << testing::PrintToString(bad);
  }
}

TEST(Utf8, WritesAndRepairs) {
  for (char32_t code : {U'a', U'\x80', U'\x7FF', U'\x800', U'\xFFFF', U'\x10000', U'\x10FFFF'}) {
    char out[4];
    const std::string_view text(out, static_cast<size_t>(WriteUtf8(code, out) - out));
    EXPECT_TRUE(IsUtf8(text));
  }
  EXPECT_EQ(ToUtf8("a\xFF\xC3\xA9\xED\xA0\x80z"),
            "a\xEF\xBF\xBD\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz");
}

}  // namespace
}  // namespace serving::protocol
