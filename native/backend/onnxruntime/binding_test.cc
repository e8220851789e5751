// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "backend/onnxruntime/binding.h"

#include "backend/onnxruntime/element_type.h"
#include "backend/onnxruntime/error.h"
#include "gtest/gtest.h"

namespace serving::backend::ort {
namespace {

tensor::Shape Dims(std::vector<int64_t> dims) { return tensor::Shape(dims); }

std::string Reshaped(std::vector<int64_t> actual, bool has_rows, std::vector<int64_t> from,
                     std::vector<int64_t> to) {
  const auto shape =
      Reshape(Dims(std::move(actual)), has_rows, Dims(std::move(from)), Dims(std::move(to)));
  return shape ? shape->ToString() : "none";
}

TEST(Reshape, MapsFreeDimensionsInOrder) {
  EXPECT_EQ(Reshaped({7, 2, 5}, true, {2, -1}, {-1, 2, 1}), "[7,5,2,1]");
  EXPECT_EQ(Reshaped({3, 4}, false, {-1, -1}, {1, -1, -1}), "[1,3,4]");
  EXPECT_EQ(Reshaped({7, 1}, true, {1}, {}), "[7]");
  EXPECT_EQ(Reshaped({7}, true, {}, {1}), "[7,1]");
  EXPECT_EQ(Reshaped({}, false, {}, {}), "[]");
}

TEST(Reshape, RefusesWhatDoesNotLookLikeThePlan) {
  EXPECT_EQ(Reshaped({7, 2}, true, {2, -1}, {-1, 2}), "none");
  EXPECT_EQ(Reshaped({7, 3, 5}, true, {2, -1}, {-1, 2}), "none");
  EXPECT_EQ(Reshaped({7}, true, {}, {-1}), "none");
}

TEST(ElementType, IsTheSameThereAndBack) {
  for (int i = 0; i < 14; ++i) {
    const auto type = static_cast<tensor::DataType>(i);
    EXPECT_EQ(FromElementType(ToElementType(type)), type) << tensor::WireName(type);
  }
  EXPECT_EQ(FromElementType(0), std::nullopt);
  EXPECT_EQ(FromElementType(-1), std::nullopt);
  EXPECT_EQ(FromElementType(1000), std::nullopt);
  EXPECT_EQ(ElementTypeName(14), "COMPLEX64");
  EXPECT_EQ(ElementTypeName(1000), "type 1000");
}

TEST(IsFatal, IsWhatOutlivesARequest) {
  EXPECT_TRUE(IsFatal({11, "the execution provider failed"}));
  EXPECT_TRUE(IsFatal({5, "engine error"}));
  EXPECT_TRUE(IsFatal({1, "CUDA failure 700: an illegal memory access was encountered ; GPU=0"}));
  EXPECT_FALSE(IsFatal({1, "CUDA failure 2: out of memory ; GPU=0"}));
  EXPECT_FALSE(IsFatal({6, "Non-zero status code returned while running Gather node."}));
  EXPECT_FALSE(IsFatal({2, "Got invalid dimensions for input"}));
}

TEST(WithoutFolders, KeepsTheLastNameOnly) {
  EXPECT_EQ(WithoutFolders("Load model from /a/b/model.onnx failed:reason"),
            "Load model from model.onnx failed:reason");
  EXPECT_EQ(WithoutFolders("/home/x/core/graph.cc:42 said 'no'"), "graph.cc:42 said 'no'");
  EXPECT_EQ(WithoutFolders("Name:'/encoder/Conv' and Conv/Relu, a / b, '/etc/x'"),
            "Name:'/encoder/Conv' and Conv/Relu, a / b, 'x'");
  EXPECT_EQ(WithoutFolders(""), "");
  EXPECT_EQ(WithoutFolders(" "), " ");
}

}  // namespace
}  // namespace serving::backend::ort
