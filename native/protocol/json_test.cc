// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "protocol/json_cursor.h"
#include "protocol/json_number.h"
#include "protocol/json_writer.h"
#include "simdjson.h"

namespace serving::protocol {
namespace {

// True when the whole of `text` is one JSON value with white space around.
bool IsJson(std::string_view text) {
  JsonCursor cursor(text);
  cursor.SkipSpace();
  JsonValue value;
  if (!cursor.SkipValue(value)) return false;
  cursor.SkipSpace();
  return cursor.AtEnd();
}

bool IsJsonToSimdjson(const std::string& text) {
  simdjson::dom::parser parser;
  return parser.parse(text).error() == simdjson::SUCCESS;
}

// What only one of the two accepts by design.
bool OutsideTheCommonGround(const std::string& text) {
  return text.find("NaN") != std::string::npos || text.find("Inf") != std::string::npos;
}

TEST(JsonCursor, AgreesWithSimdjsonOnWhatJsonIs) {
  const std::vector<std::string> seeds{
      R"({"a":[1,-2.5e3,true,false,null,"x\u00e9\n\\",{"b":{}}],"c":[[],[[]]],"d":"\ud83d\ude00"})",
      R"([0,0.5,1e5,1E+05,-0,"\"\/\b\f\n\r\t", "plain text that is longer than eight bytes"])",
      "\"\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80 and more\"",
  };
  const std::string alphabet =
      "[]{}\",:0123456789.eE+-truefalsn\\u \n\t\x01\x7F\xC3\xA9\xED\xA0\xFF";
  std::mt19937 random(5);
  int accepted = 0;
  for (int round = 0; round < 100'000; ++round) {
    std::string text = seeds[random() % seeds.size()];
    const int edits = static_cast<int>(random() % 4);
    for (int i = 0; i < edits; ++i) {
      const size_t at = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[at] = alphabet[random() % alphabet.size()];
          break;
        case 1:
          text.erase(at, 1 + random() % 3);
          break;
        default:
          text.insert(at, 1, alphabet[random() % alphabet.size()]);
      }
      if (text.empty()) text = "0";
    }
    if (OutsideTheCommonGround(text)) continue;
    const bool ours = IsJson(text);
    accepted += ours;
    ASSERT_EQ(ours, IsJsonToSimdjson(text)) << text;
  }
  EXPECT_GT(accepted, 10'000);
}

TEST(JsonCursor, FindsQuotesAndEscapesAtEveryPlaceInAWord) {
  for (size_t before = 0; before < 20; ++before) {
    for (size_t after = 0; after < 20; ++after) {
      for (const std::string_view special : {"", "\\n", "\\u0041", "\xC3\xA9", "\x7F", " "}) {
        const std::string text =
            '"' + std::string(before, 'a') + std::string(special) + std::string(after, 'b') + '"';
        EXPECT_TRUE(IsJson(text)) << text;
        EXPECT_FALSE(IsJson(text.substr(0, text.size() - 1))) << text;
      }
      for (const std::string_view special : {"\x01", "\x1F", "\n", "\"", "\\", "\xFF"}) {
        const std::string text =
            '"' + std::string(before, 'a') + std::string(special) + std::string(after, 'x') + '"';
        EXPECT_FALSE(IsJson(text)) << text;
      }
    }
  }
}

TEST(JsonNumber, ReadsRealsAsFromCharsDoes) {
  std::mt19937_64 random(9);
  for (int round = 0; round < 200'000; ++round) {
    char text[64];
    const double value = std::bit_cast<double>(random());
    if (!std::isfinite(value)) continue;
    const int digits = 1 + static_cast<int>(random() % 20);
    const char* end = round % 3 == 0 ? std::to_chars(text, text + 64, value).ptr
                                     : std::to_chars(text, text + 64, std::fmod(value, 1e6),
                                                     std::chars_format::general, digits)
                                           .ptr;
    double expected = 0;
    std::from_chars(text, end, expected);
    if (std::string_view(text, static_cast<size_t>(end - text)) == "-0")
      expected = 0;  // an integer
    double fast = 0;
    const char* fast_end = ReadRealFast(text, end, fast);
    const auto plain = AsReal(ReadJsonNumber({text, static_cast<size_t>(end - text)}));
    ASSERT_TRUE(plain);
    ASSERT_EQ(std::bit_cast<uint64_t>(*plain), std::bit_cast<uint64_t>(expected))
        << std::string_view(text, static_cast<size_t>(end - text));
    if (fast_end != nullptr) {
      ASSERT_EQ(fast_end, end);
      ASSERT_EQ(std::bit_cast<uint64_t>(fast), std::bit_cast<uint64_t>(expected))
          << std::string_view(text, static_cast<size_t>(end - text));
    }
  }
}

TEST(JsonNumber, WrittenRealsReadBackTheSame) {
  std::mt19937_64 random(13);
  for (int round = 0; round < 300'000; ++round) {
    const uint64_t bits = random();
    char text[kMaxNumberChars];
    const double wide = std::bit_cast<double>(bits);
    if (std::isfinite(wide)) {
      const char* end = WriteJsonNumber(wide, text);
      const auto back = AsReal(ReadJsonNumber({text, static_cast<size_t>(end - text)}));
      ASSERT_EQ(std::bit_cast<uint64_t>(back.value()), bits);
    }
    const float narrow = std::bit_cast<float>(static_cast<uint32_t>(bits));
    if (std::isfinite(narrow)) {
      // A client reads a double and then narrows it.
      const char* end = WriteJsonNumber(narrow, text);
      const auto back = AsReal(ReadJsonNumber({text, static_cast<size_t>(end - text)}));
      ASSERT_EQ(std::bit_cast<uint32_t>(static_cast<float>(back.value())),
                static_cast<uint32_t>(bits))
          << std::string_view(text, static_cast<size_t>(end - text));
      ASSERT_EQ(ScanJsonNumber(text, end).error, nullptr);
    }
  }
}

TEST(JsonNumber, WrittenReal16ReadBackTheSame) {
  const auto check = [](auto real) {
    char text[kMaxNumberChars];
    const char* end = WriteJsonNumber(real, text);
    const std::string_view written(text, static_cast<size_t>(end - text));
    if (std::isnan(static_cast<float>(real))) {
      EXPECT_EQ(written, "NaN");
      return;
    }
    EXPECT_NE(written.find_first_of(".eI"), std::string_view::npos) << written;
    const auto read = AsReal(ReadJsonNumber(written));
    ASSERT_TRUE(read) << written;
    EXPECT_EQ(decltype(real)(*read).bits, real.bits) << written;
  };
  for (uint32_t bits = 0; bits <= UINT16_MAX; ++bits) {
    tensor::Fp16 fp16;
    tensor::Bf16 bf16;
    fp16.bits = bf16.bits = static_cast<uint16_t>(bits);
    check(fp16);
    check(bf16);
  }
}

TEST(JsonNumber, IntegersAreExactAtTheirEnds) {
  EXPECT_EQ(AsSigned(ReadJsonNumber("9223372036854775807")), INT64_MAX);
  EXPECT_EQ(AsSigned(ReadJsonNumber("-9223372036854775808")), INT64_MIN);
  EXPECT_EQ(AsUnsigned(ReadJsonNumber("18446744073709551615")), UINT64_MAX);
  EXPECT_FALSE(AsSigned(ReadJsonNumber("9223372036854775808")));
  EXPECT_FALSE(AsUnsigned(ReadJsonNumber("18446744073709551616")));
  EXPECT_FALSE(AsUnsigned(ReadJsonNumber("-1")));
  EXPECT_FALSE(AsSigned(ReadJsonNumber("1.0")));
  EXPECT_FALSE(ReadJsonNumber("true"));
  EXPECT_FALSE(ReadJsonNumber("\"1\""));
}

TEST(JsonNumber, TooLargeIsAnErrorTooSmallIsZero) {
  for (const std::string& large :
       {std::string("1e309"), std::string("-1e400"), std::string(400, '9'),
        std::string("1e99999999999999999999"), std::string("0.001e320"),
        std::string("10e9223372036854775807")}) {
    const JsonNumberScan scan = ScanJsonNumber(large.data(), large.data() + large.size());
    EXPECT_STREQ(scan.error, "Number too big to be stored in double.") << large;
  }
  for (const std::string& small :
       {std::string("1e-400"), std::string("0.0001e-330"), "0." + std::string(400, '0') + "1",
        std::string("1e-99999999999999999999"), std::string("0e400"),
        std::string("0e99999999999999999999"), std::string("0.01e-9223372036854775808")}) {
    const JsonNumberScan scan = ScanJsonNumber(small.data(), small.data() + small.size());
    EXPECT_EQ(scan.error, nullptr) << small;
    EXPECT_EQ(AsReal(ReadJsonNumber(small)), 0.0) << small;
  }
}

}  // namespace
}  // namespace serving::protocol
