// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "base/pattern.h"

#include <gtest/gtest.h>

#include <random>
#include <regex>
#include <string>
#include <string_view>

namespace serving::base {
namespace {

bool Matches(std::string_view pattern, std::string_view text, bool ignores_case = true) {
  const auto compiled = Pattern::Compile(pattern, ignores_case);
  EXPECT_TRUE(compiled.ok()) << compiled.status().message();
  return compiled.ok() && compiled.value().MatchesPartOf(text);
}

TEST(Pattern, MatchesAnyPartOfATextAndNoMatterItsCase) {
  EXPECT_TRUE(Matches("x-a", "my-X-A-b"));
  EXPECT_FALSE(Matches("x-a", "xa"));
  EXPECT_TRUE(Matches("", ""));
  EXPECT_TRUE(Matches("", "x"));
  EXPECT_FALSE(Matches("(?-i)X-A", "x-a"));
  EXPECT_TRUE(Matches("(?-i)X-A", "X-A"));
  EXPECT_FALSE(Matches("X-A", "x-a", false));
  EXPECT_TRUE(Matches("(?i)X-A", "x-a", false));
}

TEST(Pattern, HasTheSyntaxOfRe2) {
  struct Case {
    std::string_view pattern;
    std::string_view text;
    bool expected;
  };
  for (const auto& [pattern, text, expected] : {Case{"^a$", "a", true},
                                                {"^a$", "ab", false},
                                                {"^a$", "a\n", false},
                                                {"\\Aa\\z", "a", true},
                                                {"(?m)^b$", "a\nb\nc", true},
                                                {"^b$", "a\nb\nc", false},
                                                {"a.c", "abc", true},
                                                {"a.c", "a\nc", false},
                                                {"(?s)a.c", "a\nc", true},
                                                {"a.c",
                                                 "a\xff"
                                                 "c",
                                                 true},
                                                {"(nvcf-.*|NVCF-.*)", "nvcf-sub", true},
                                                {"a|", "zzz", true},
                                                {"^(a|bc)+$", "abcbca", true},
                                                {"^(a|bc)+$", "abcb", false},
                                                {"^a{2}$", "aa", true},
                                                {"^a{2}$", "aaa", false},
                                                {"^a{2,}$", "aaaa", true},
                                                {"^a{2,3}$", "aaaa", false},
                                                {"^a{2,3}$", "aaa", true},
                                                {"^a{0}$", "", true},
                                                {"a{,2}", "a{,2}", true},
                                                {"a{x", "a{x", true},
                                                {"a{", "a{", true},
                                                {"^[a-c]+$", "abC", true},
                                                {"^[^a-c]+$", "xyz", true},
                                                {"^[^a]$", "A", false},
                                                {"^[]a]+$", "]a", true},
                                                {"^[a-]+$", "a-", true},
                                                {"^[\\d_-]+$", "1_-", true},
                                                {"^[[:alpha:]]+$", "ab", true},
                                                {"^[[:^digit:]]+$", "a1", false},
                                                {"^[\\]\\\\]+$", "]\\", true},
                                                {"\\bfoo\\b", "a foo b", true},
                                                {"\\bfoo\\b", "afoo", false},
                                                {"\\Boo", "foo", true},
                                                {"^\\d\\D\\w\\W\\s\\S$", "1a_- b", true},
                                                {"\\x41\\x{42}", "ab", true},
                                                {"^\\Qa.b*\\E+$", "a.b**", true},
                                                {"\\Qa.b*\\E", "a.b*", true},
                                                {"(?:a)(?P<n>b)(?<m>c)", "abc", true},
                                                {"a*?b+?c??", "b", true},
                                                {"(a*)*b", "b", true},
                                                {"(|a)*b", "aab", true},
                                                {"((?-i)A)b", "aB", false},
                                                {"((?-i)A)b", "AB", true},
                                                {"(?i:a)(?-i:B)", "Ab", false},
                                                {"(?i-s:a.)", "a\n", false},
                                                {"\\.\\-\\/", ".-/", true}}) {
    EXPECT_EQ(Matches(pattern, text), expected) << pattern << " on " << text;
  }
}

TEST(Pattern, SaysWhatItDoesNotKnow) {
  for (const std::string_view pattern : {"(a",
                                         "a)",
                                         "[a",
                                         "[z-a]",
                                         "*a",
                                         "a**",
                                         "a+*",
                                         "(?=a)",
                                         "(?!a)",
                                         "(?<=a)b(",
                                         "\\1",
                                         "\\pL",
                                         "\\p{Greek}",
                                         "a\\",
                                         "[\\",
                                         "[[:nope:]]",
                                         "[[:alpha",
                                         "a{1001}",
                                         "a{3,2}",
                                         "(?U)a",
                                         "(?i",
                                         "\\x4",
                                         "\\x{ff}",
                                         "[\xc3\xa9]",
                                         "(?",
                                         "(?P<",
                                         "\\C",
                                         "(?--i)a",
                                         "((((a{500}){500}){500}){500})"}) {
    const auto compiled = Pattern::Compile(pattern, true);
    ASSERT_FALSE(compiled.ok()) << pattern;
    EXPECT_EQ(compiled.status().code(), StatusCode::kInvalidArgument) << pattern;
    EXPECT_NE(compiled.status().message().find(pattern), std::string::npos) << pattern;
  }
  EXPECT_EQ(Pattern::Compile("a(b", true).status().message(),
            "'a(b' is no pattern: a '(' without its ')' at 3");
  const std::string deep(200, '(');
  EXPECT_FALSE(Pattern::Compile(deep, true).ok());
}

TEST(Pattern, IsNotSlowedDownByTextsThatBacktrackersDread) {
  const std::string text(20'000, 'a');
  EXPECT_FALSE(Matches("(a*)*(a*)*(a*)*b", text));
  EXPECT_FALSE(Matches("(a|aa)+$b", text));
  EXPECT_FALSE(Matches("(.*){20}x", text));
}

// The library's backtracking matcher as the oracle, on small texts and the syntax both have.
TEST(Pattern, AgreesWithTheStandardLibrary) {
  std::mt19937 random(7);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  const auto generate = [&](auto& self, int depth) -> std::string {
    if (depth == 0 || below(3) == 0) {
      static constexpr std::string_view kAtoms[] = {"a",   "b",   "-",   ".", "[ab]", "[^a]",
                                                    "\\d", "\\w", "\\b", "^", "$"};
      return std::string(kAtoms[below(std::size(kAtoms))]);
    }
    switch (below(4)) {
      case 0:
        return self(self, depth - 1) + self(self, depth - 1);
      case 1:
        return "(" + self(self, depth - 1) + "|" + self(self, depth - 1) + ")";
      case 2:
        return "(" + self(self, depth - 1) + ")" + std::string(1, "*+?"[below(3)]);
      default:
        return "(" + self(self, depth - 1) + "){1," + std::to_string(1 + below(3)) + "}";
    }
  };
  int matches = 0;
  for (int round = 0; round < 3000; ++round) {
    const std::string pattern = generate(generate, 3);
    const std::regex oracle(pattern, std::regex::ECMAScript | std::regex::icase);
    const auto ours = Pattern::Compile(pattern, true);
    ASSERT_TRUE(ours.ok()) << ours.status().message();
    for (int text_round = 0; text_round < 5; ++text_round) {
      std::string text;
      for (int i = below(7); i > 0; --i) text += "aAb-1_"[below(6)];
      const bool expected = std::regex_search(text, oracle);
      matches += expected;
      ASSERT_EQ(ours.value().MatchesPartOf(text), expected) << pattern << " on '" << text << "'";
    }
  }
  EXPECT_GT(matches, 1000);
}

}  // namespace
}  // namespace serving::base
