// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/text_scan.h"

#include <gtest/gtest.h>

#include <string>

namespace serving::net {
namespace {

TEST(TextScan, FindsAControlCharacterAtEveryPlace) {
  for (size_t size = 0; size < 20; ++size) {
    EXPECT_FALSE(HasControls(std::string(size, 'a')));
    for (size_t at = 0; at < size; ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        // Behind 0x80 and before 0xff, which word-wise arithmetic would be the first to mistake.
        std::string text(size, '\x80');
        if (at + 1 < size) text[at + 1] = '\xff';
        text[at] = static_cast<char>(byte);
        EXPECT_EQ(HasControls(text), byte < 0x20 || byte == 0x7f) << byte << " at " << at;
      }
    }
  }
}

}  // namespace
}  // namespace serving::net
