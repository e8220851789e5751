// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/content_coding.h"

#include <gtest/gtest.h>

#include <string>

#include "protocol/test_memory.h"
#include "protocol/zlib_abi.h"

#if __has_include(<zlib.h>)
#include <zlib.h>
static_assert(sizeof(z_stream) == sizeof(serving::protocol::ZlibStream));
static_assert(offsetof(z_stream, avail_out) == offsetof(serving::protocol::ZlibStream, avail_out));
static_assert(offsetof(z_stream, opaque) == offsetof(serving::protocol::ZlibStream, opaque));
#endif

namespace serving::protocol {
namespace {

std::span<const std::byte> Bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

std::string Text(const Decompressed& result) {
  return {reinterpret_cast<const char*>(result.buffer->data()), result.size};
}

std::string Pattern(size_t size) {
  std::string text;
  for (size_t i = 0; i < size; ++i) text += static_cast<char>('a' + i * i % 23);
  return text;
}

class ContentCoding : public testing::TestWithParam<Coding> {
 protected:
  void SetUp() override { ASSERT_NE(FindZlib(), nullptr) << "libz.so.1 is needed"; }
  HeapAllocator allocator_;
};

TEST_P(ContentCoding, GivesBackWhatWentIn) {
  for (const size_t size : {0, 1, 100, 16 << 10, (16 << 10) + 1, 3 << 20}) {
    const std::string text = Pattern(size);
    std::string compressed;
    ASSERT_TRUE(Compress(Bytes(text), GetParam(), compressed));
    auto plain = Decompress(Bytes(compressed), GetParam(), 4 << 20, allocator_);
    ASSERT_TRUE(plain.ok()) << plain.status().message();
    EXPECT_EQ(Text(plain.value()), text);
  }
}

TEST_P(ContentCoding, TakesExactlyTheLimitAndNotOneByteMore) {
  std::string compressed;
  ASSERT_TRUE(Compress(Bytes(Pattern(50'000)), GetParam(), compressed));
  EXPECT_TRUE(Decompress(Bytes(compressed), GetParam(), 50'000, allocator_).ok());
  const auto refused = Decompress(Bytes(compressed), GetParam(), 49'999, allocator_);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), base::StatusCode::kInvalidArgument);
  EXPECT_NE(refused.status().message().find("49999 bytes"), std::string::npos);
}

TEST_P(ContentCoding, StopsABombAtTheLimit) {
  std::string bomb;
  ASSERT_TRUE(Compress(Bytes(std::string(64 << 20, '0')), GetParam(), bomb));
  ASSERT_LT(bomb.size(), 100'000u);
  EXPECT_FALSE(Decompress(Bytes(bomb), GetParam(), 1 << 20, allocator_).ok());
}

TEST_P(ContentCoding, RefusesDataCutAtAnyLength) {
  std::string compressed;
  ASSERT_TRUE(Compress(Bytes(Pattern(2000)), GetParam(), compressed));
  for (size_t cut = 0; cut < compressed.size(); ++cut) {
    const auto refused = Decompress(Bytes(compressed).first(cut), GetParam(), 1 << 20, allocator_);
    EXPECT_EQ(refused.status().code(), base::StatusCode::kInvalidArgument) << cut;
  }
}

TEST_P(ContentCoding, RefusesWhatIsNotCompressed) {
  const auto refused = Decompress(Bytes("{\"inputs\":[]}"), GetParam(), 1 << 20, allocator_);
  ASSERT_FALSE(refused.ok());
  EXPECT_TRUE(
      refused.status().message().starts_with("failed to decompress the request: expected "));
}

INSTANTIATE_TEST_SUITE_P(Both, ContentCoding, testing::Values(Coding::kGzip, Coding::kDeflate));

TEST(PreferredCoding, FollowsTheWeights) {
  const std::pair<const char*, Coding> cases[] = {
      {"", Coding::kIdentity},
      {"gzip", Coding::kGzip},
      {"GZip", Coding::kGzip},
      {"deflate, gzip", Coding::kDeflate},
      {"deflate;q=0.5, gzip;q=0.8", Coding::kGzip},
      {"gzip;q=0, deflate", Coding::kDeflate},
      {"gzip;q=0", Coding::kIdentity},
      {"identity, gzip;q=0.9", Coding::kIdentity},
      {"br, zstd", Coding::kIdentity},
      {"gzip;q=x", Coding::kIdentity},
      {" , ;, gzip ; q=0.1", Coding::kGzip},
      {"*", Coding::kIdentity},
  };
  for (const auto& [header, expected] : cases)
    EXPECT_EQ(PreferredCoding(header), expected) << header;
}

TEST(CodingForLevel, IsWhatGrpcCoreChooses) {
  struct Case {
    const char* accepts;
    Coding low;
    Coding high;
  };
  const Case cases[] = {
      {"identity,deflate,gzip", Coding::kGzip, Coding::kDeflate},
      {"gzip, deflate", Coding::kGzip, Coding::kDeflate},
      {"gzip", Coding::kGzip, Coding::kGzip},
      {"deflate", Coding::kDeflate, Coding::kDeflate},
      {"identity", Coding::kIdentity, Coding::kIdentity},
      {"br", Coding::kIdentity, Coding::kIdentity},
      {"", Coding::kIdentity, Coding::kIdentity},
  };
  for (const Case& each : cases) {
    EXPECT_EQ(CodingForLevel(CompressionLevel::kNone, each.accepts), Coding::kIdentity);
    EXPECT_EQ(CodingForLevel(CompressionLevel::kLow, each.accepts), each.low) << each.accepts;
    EXPECT_EQ(CodingForLevel(CompressionLevel::kMedium, each.accepts), each.high) << each.accepts;
    EXPECT_EQ(CodingForLevel(CompressionLevel::kHigh, each.accepts), each.high) << each.accepts;
  }
}

TEST(ParseCompressionLevel, KnowsFour) {
  EXPECT_EQ(ParseCompressionLevel("medium"), CompressionLevel::kMedium);
  EXPECT_EQ(ParseCompressionLevel("LOW"), std::nullopt);
}

}  // namespace
}  // namespace serving::protocol
