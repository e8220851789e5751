// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/classification.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "protocol/test_memory.h"
#include "protocol/test_protobuf.h"
#include "tensor/bytes_tensor.h"

namespace serving::protocol {
namespace {

using tensor::DataType;

class Classification : public testing::Test {
 protected:
  Classification() { plan.outputs.resize(2); }

  // The texts of output 0, with the k largest wanted.
  std::vector<std::string> Classify(DataType type, std::initializer_list<int64_t> shape,
                                    std::string_view bytes, uint32_t top) {
    response.outputs.clear();
    core::OutputTensor& output = response.outputs.emplace_back();
    output.slot = 1;
    output.data_type = type;
    output.shape = tensor::Shape(std::span(shape.begin(), shape.size()));
    output.owner = memory.Hold(bytes);
    output.view = {output.owner->data(), bytes.size(), base::MemoryKind::kHost, 0};
    std::vector<core::WantedOutput> wanted(1);
    wanted[0].slot = 1;
    wanted[0].classification = top;
    status = ClassifyOutputs(plan, {"", wanted, false}, memory, response);
    std::vector<std::string> texts;
    if (!status.ok() || top == 0) return texts;
    EXPECT_EQ(output.data_type, DataType::kBytes);
    tensor::BytesReader reader({output.view.data, output.view.size});
    while (const auto text = reader.Next()) texts.emplace_back(*text);
    return texts;
  }
  std::string Shape() const { return response.outputs[0].shape.ToString(); }

  using Texts = std::vector<std::string>;
  HeapAllocator memory;
  core::ModelPlan plan;
  core::InferResponse response;
  base::Status status;
};

TEST_F(Classification, LargestFirstThenByIndex) {
  EXPECT_EQ(Classify(DataType::kInt32, {3}, pb::Raw<int32_t>({1, 3, 2}), 2), (Texts{"3:1", "2:2"}));
  EXPECT_EQ(Shape(), "[2]");
  EXPECT_EQ(Classify(DataType::kFp32, {4}, pb::Raw({1.0f, 2.0f, 1.0f, 2.0f}), 4),
            (Texts{"2.000000:1", "2.000000:3", "1.000000:0", "1.000000:2"}));
}

TEST_F(Classification, AtMostWhatThereIs) {
  EXPECT_EQ(Classify(DataType::kInt8, {3}, pb::Raw<int8_t>({1, -2, 3}), 9),
            (Texts{"3:2", "1:0", "-2:1"}));
  EXPECT_EQ(Shape(), "[3]");
  EXPECT_EQ(Classify(DataType::kFp32, {0}, "", 2), Texts{});
  EXPECT_EQ(Shape(), "[0]");
}

TEST_F(Classification, EachRowOfABatch) {
  plan.max_batch_size = 4;
  EXPECT_EQ(Classify(DataType::kUint8, {2, 2, 2}, pb::Raw<uint8_t>({1, 2, 3, 4, 8, 7, 6, 5}), 3),
            (Texts{"4:3", "3:2", "2:1", "8:0", "7:1", "6:2"}));
  EXPECT_EQ(Shape(), "[2,3]");
  EXPECT_EQ(Classify(DataType::kUint8, {0, 2}, "", 3), Texts{});
  EXPECT_EQ(Shape(), "[0,0]");
}

TEST_F(Classification, ValuesAsPrintfWritesThem) {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(Classify(DataType::kFp32, {5}, pb::Raw({0.5f, -inf, nan, inf, 1e10f}), 5),
            (Texts{"nan:2", "inf:3", "10000000000.000000:4", "0.500000:0", "-inf:1"}));
  EXPECT_EQ(Classify(DataType::kFp64, {2},
                     pb::Raw({-std::numeric_limits<double>::max(), 0.1234567891}), 2)[0],
            "0.123457:1");
  EXPECT_EQ(Classify(DataType::kUint64, {1}, pb::Raw<uint64_t>({UINT64_MAX}), 1),
            Texts{"18446744073709551615:0"});
  EXPECT_EQ(Classify(DataType::kInt64, {1}, pb::Raw<int64_t>({INT64_MIN}), 1),
            Texts{"-9223372036854775808:0"});
}

TEST_F(Classification, LabelsWhereThereAreAny) {
  plan.outputs[1].labels = {"cat", "", "a longer label"};
  EXPECT_EQ(Classify(DataType::kUint16, {4}, pb::Raw<uint16_t>({1, 2, 3, 4}), 4),
            (Texts{"4:3", "3:2:a longer label", "2:1", "1:0:cat"}));
}

TEST_F(Classification, TypesWithoutOrderAndFullMemoryAreErrors) {
  Classify(DataType::kBool, {1}, std::string(1, '\1'), 1);
  EXPECT_EQ(status.message(),
            "class result not available for output due to unsupported type 'BOOL'");
  for (const DataType type : {DataType::kBytes, DataType::kFp16, DataType::kBf16}) {
    Classify(type, {1}, "abcd", 1);
    EXPECT_EQ(status.code(), base::StatusCode::kInvalidArgument);
  }
  memory.allow = 0;
  Classify(DataType::kInt8, {1}, "a", 1);
  EXPECT_EQ(status.code(), base::StatusCode::kUnavailable);
}

TEST_F(Classification, OutputsNobodyWantsClassifiedAreLeftAlone) {
  Classify(DataType::kInt32, {1}, "abcd", 0);
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(response.outputs[0].data_type, DataType::kInt32);
}

}  // namespace
}  // namespace serving::protocol
