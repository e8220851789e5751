// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/http2_header_block.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace serving::net {
namespace {

TEST(Http2HeaderBlock, GivesTheHeadOfWhatWasAdded) {
  Http2HeaderBlock block(16 << 10);
  std::vector<Header> headers;
  // Again and again, since one block serves a connection; with values that outgrow its memory.
  for (size_t size : {1u, 600u, 40u, 5'000u, 3u}) {
    const std::string value(size, 'v');
    block.Clear();
    block.Add(":method", "POST");
    block.Add(":path", "/a/b?c=d");
    block.Add(":authority", "host.example");
    block.Add("x-long", value);
    block.Add("x-empty", "");
    block.Add("content-length", "17");
    ASSERT_FALSE(block.is_too_large());
    RequestHead head;
    block.MakeHead(head, headers);
    EXPECT_EQ(head.method, "POST");
    EXPECT_EQ(head.path, "/a/b");
    EXPECT_EQ(head.query, "c=d");
    EXPECT_EQ(head.content_length, 17u);
    ASSERT_EQ(head.headers.size(), 4u);
    EXPECT_EQ(head.Find("x-long"), value);
    EXPECT_EQ(head.Find("x-empty"), "");
    EXPECT_EQ(head.Find("host"), "host.example");
  }
}

TEST(Http2HeaderBlock, CountsWhatItDoesNotKeep) {
  Http2HeaderBlock block(100);
  block.Add("name", std::string(64, 'v'));  // 4 + 64 + 32 of overhead
  EXPECT_FALSE(block.is_too_large());
  block.Add("a", "");
  EXPECT_TRUE(block.is_too_large());
  for (int i = 0; i < 14; ++i) block.Add("name", std::string(64, 'v'));
  EXPECT_FALSE(block.is_bomb());
  block.Add("name", std::string(64, 'v'));
  EXPECT_TRUE(block.is_bomb());
  RequestHead head;
  std::vector<Header> headers;
  block.MakeHead(head, headers);
  EXPECT_EQ(head.headers.size(), 1u);
  block.Clear();
  EXPECT_FALSE(block.is_too_large());
}

}  // namespace
}  // namespace serving::net
