// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "tensor/bytes_tensor.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tensor/data_type.h"

namespace serving::tensor {
namespace {

std::string Pack(const std::vector<std::string>& elements) {
  std::string data;
  for (const std::string& element : elements) AppendBytesElement(data, element);
  return data;
}

std::span<const std::byte> BytesOf(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(BytesTensor, LayoutIsLengthThenBytes) {
  EXPECT_EQ(Pack({"ab", ""}), std::string("\2\0\0\0ab\0\0\0\0", 10));
}

TEST(BytesTensor, ReadsBackWhatWasWritten) {
  const std::vector<std::string> elements{"one", "", std::string("\0x", 2), std::string(300, 'y')};
  const std::string data = Pack(elements);
  EXPECT_EQ(CountBytesElements(BytesOf(data)), elements.size());
  BytesReader reader(BytesOf(data));
  for (const std::string& element : elements) EXPECT_EQ(reader.Next(), element);
  EXPECT_FALSE(reader.Next());
  EXPECT_EQ(CountBytesElements({}), 0u);
}

TEST(BytesTensor, CutAnywhereInsideAnElementIsNoTensor) {
  const std::string whole = Pack({"one", "two"});
  for (size_t size = 0; size <= whole.size(); ++size) {
    // Its own memory, so that a sanitizer sees a byte read too far.
    const auto cut = std::make_unique<std::byte[]>(size);
    std::copy_n(BytesOf(whole).data(), size, cut.get());
    const auto count = CountBytesElements({cut.get(), size});
    const bool at_an_end = size == 0 || size == 7 || size == whole.size();
    EXPECT_EQ(count.has_value(), at_an_end) << size;
  }
}

TEST(BytesTensor, LengthsBehindTheEndAreRefused) {
  for (const std::string& data :
       {std::string("\xFF\xFF\xFF\xFF", 4), std::string("\xFF\xFF\xFF\x7Fx", 5),
        std::string("\2\0\0\0x", 5)}) {
    EXPECT_FALSE(CountBytesElements(BytesOf(data)));
    EXPECT_FALSE(BytesPrefixSize(BytesOf(data), 1));
  }
}

TEST(BytesTensor, PrefixSize) {
  const std::string data = Pack({"one", "", "three"});
  EXPECT_EQ(BytesPrefixSize(BytesOf(data), 0), 0u);
  EXPECT_EQ(BytesPrefixSize(BytesOf(data), 1), 7u);
  EXPECT_EQ(BytesPrefixSize(BytesOf(data), 2), 11u);
  EXPECT_EQ(BytesPrefixSize(BytesOf(data), 3), data.size());
  EXPECT_FALSE(BytesPrefixSize(BytesOf(data), 4));
}

TEST(DataType, NamesAndSizes) {
  const std::vector<std::pair<std::string_view, size_t>> types{
      {"BOOL", 1}, {"UINT8", 1}, {"UINT16", 2}, {"UINT32", 4}, {"UINT64", 8},
      {"INT8", 1}, {"INT16", 2}, {"INT32", 4},  {"INT64", 8},  {"FP16", 2},
      {"FP32", 4}, {"FP64", 8},  {"BYTES", 0},  {"BF16", 2}};
  for (const auto& [name, size] : types) {
    const auto type = ParseWireName(name);
    ASSERT_TRUE(type) << name;
    EXPECT_EQ(WireName(*type), name);
    EXPECT_EQ(ByteSize(*type), size) << name;
  }
  for (const char* name : {"", "int32", "STRING", "TYPE_INT32", "INT32 ", "INT3", "<invalid>"}) {
    EXPECT_FALSE(ParseWireName(name)) << name;
  }
}

}  // namespace
}  // namespace serving::tensor
