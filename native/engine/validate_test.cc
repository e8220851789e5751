// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "engine/validate.h"

#include <functional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "testing/requests.h"

namespace serving::engine {
namespace {

using serving::testing::Pack;
using serving::testing::PackStrings;
using serving::testing::RequestBuilder;
using serving::testing::Tensor;
using tensor::DataType;
using namespace std::string_literals;

constexpr const char* kPrefix = "[request id: <id_unknown>] ";
constexpr const char* kNote =
    "NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to be "
    "prepended to each input shape. If you want to specify the full shape including the batch dim "
    "in "
    "your input dims config, try setting max_batch_size to zero. See the model configuration docs "
    "for "
    "more info on max_batch_size.";

core::ModelPlan Plan(std::string name, int64_t max_batch_size,
                     std::vector<core::TensorPlan> inputs) {
  core::ModelPlan plan;
  plan.name = std::move(name);
  plan.max_batch_size = max_batch_size;
  plan.inputs = std::move(inputs);
  plan.outputs = {Tensor("OUTPUT0", DataType::kInt32, {-1}),
                  Tensor("OUTPUT1", DataType::kInt32, {-1})};
  return plan;
}

core::ModelPlan Simple() {
  return Plan("simple", 8,
              {Tensor("INPUT0", DataType::kInt32, {16}), Tensor("INPUT1", DataType::kInt32, {16})});
}
core::ModelPlan Free() { return Plan("free", 8, {Tensor("INPUT0", DataType::kInt32, {-1})}); }
core::ModelPlan Strings() { return Plan("strings", 8, {Tensor("INPUT0", DataType::kBytes, {-1})}); }
core::ModelPlan NoBatch() {
  return Plan("nobatch", 0, {Tensor("INPUT0", DataType::kFp32, {2, 3})});
}
core::ModelPlan NoBatchFree() {
  return Plan("nobatch", 0, {Tensor("INPUT0", DataType::kInt32, {-1, 2})});
}
core::ModelPlan Optional() {
  core::ModelPlan plan = Simple();
  plan.inputs.push_back(Tensor("EXTRA", DataType::kInt32, {16}));
  plan.inputs[2].optional = true;
  return plan;
}

struct GivenInput {
  std::string_view name;
  std::vector<int64_t> shape;
  std::string bytes;
  DataType type = DataType::kInt32;
};

std::string Zeros(size_t numbers) { return std::string(numbers * 4, '\0'); }

struct Given {
  std::vector<GivenInput> inputs;
  std::vector<std::string_view> outputs;
  std::string_view id;
};

core::RequestPtr Make(const Given& given) {
  RequestBuilder builder;
  for (const GivenInput& input : given.inputs) {
    builder.Input(core::kNoSlot, input.type, input.shape, input.bytes);
    builder.request().inputs.back().name = input.name;
  }
  for (const std::string_view output : given.outputs) {
    builder.request().wanted.emplace_back().name = output;
  }
  builder.request().id = given.id;
  return builder.Take();
}

struct Case {
  std::string name;
  std::function<core::ModelPlan()> plan;
  Given given;
  std::string error;
};

const GivenInput kLeft{"INPUT0", {1, 16}, Zeros(16)};
const GivenInput kRight{"INPUT1", {1, 16}, Zeros(16)};

class Refused : public ::testing::TestWithParam<Case> {};

TEST_P(Refused, InTritonsWords) {
  const Case& test = GetParam();
  const core::RequestPtr request = Make(test.given);
  const base::Status status = Validate(test.plan(), *request);
  EXPECT_EQ(status.code(), base::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), test.error);
}

INSTANTIATE_TEST_SUITE_P(
    Table, Refused,
    ::testing::Values(
        Case{"MissingInput",
             Simple,
             {{kLeft}, {}, {}},
             kPrefix + "expected 2 inputs but got 1 inputs for model 'simple'. Got input(s) "
                       "['INPUT0'], but missing "
                       "required input(s) ['INPUT1']. Please provide all required input(s)."s},
        Case{"NoInputs",
             Simple,
             {},
             kPrefix + "expected 2 inputs but got 0 inputs for model 'simple'. Got input(s) [], "
                       "but missing required "
                       "input(s) ['INPUT0','INPUT1']. Please provide all required input(s)."s},
        Case{
            "TooManyInputs",
            Free,
            {{{"INPUT0", {1, 1}, Zeros(1)}, {"INPUT1", {1, 1}, Zeros(1)}}, {}, {}},
            kPrefix +
                "expected 1 inputs but got 2 inputs for model 'free'. Got input(s) ['INPUT0','INPUT1']."s},
        Case{
            "TooFewOfOptionalInputs",
            Optional,
            {{kLeft}, {}, {}},
            kPrefix +
                "expected number of inputs between 2 and 3 but got 1 inputs for model 'simple'. "
                "Got input(s) "
                "['INPUT0'], but missing required input(s) ['INPUT1']. Please provide all required input(s)."s},
        Case{"AnOptionalInputInPlaceOfARequiredOne",
             Optional,
             {{kLeft, {"EXTRA", {1, 16}, Zeros(16)}}, {}, {}},
             kPrefix + "expected number of inputs between 2 and 3 but got 2 inputs for model "
                       "'simple'. Got input(s) "
                       "['INPUT0','EXTRA'], but missing required input(s) ['INPUT1']. Please "
                       "provide all required "
                       "input(s)."s},
        Case{"UnknownInputInPlace",
             Free,
             {{{"OTHER", {1, 1}, Zeros(1)}}, {}, "7"},
             "unexpected inference input 'OTHER' for model 'free'"},
        Case{"UnknownInputAmongTwo",
             Simple,
             {{kLeft, {"OTHER", {1, 16}, Zeros(16)}}, {}, {}},
             "unexpected inference input 'OTHER' for model 'simple'"},
        Case{"EmptyName",
             Free,
             {{{"", {1, 1}, Zeros(1)}}, {}, {}},
             "unexpected inference input '' for model 'free'"},
        Case{"InputTwice",
             Simple,
             {{kLeft, kLeft}, {}, {}},
             kPrefix + "input 'INPUT0' already exists in request"s},
        Case{"InputTwiceBeforeTheCount",
             Simple,
             {{kLeft, kRight, kLeft}, {}, {}},
             kPrefix + "input 'INPUT0' already exists in request"s},
        Case{"UnknownInputTwice",
             Simple,
             {{{"X", {1, 16}, ""}, {"X", {1, 16}, ""}}, {}, {}},
             kPrefix + "input 'X' already exists in request"s},
        Case{"UnknownOutput",
             Simple,
             {{kLeft, kRight}, {"OUTPUT0", "OTHER"}, "7"},
             "unexpected inference output 'OTHER' for model 'simple'"},
        Case{"OutputTwice",
             Simple,
             {{kLeft, kRight}, {"OUTPUT1", "OUTPUT1"}, "7"},
             "[request id: 7] output 'OUTPUT1' already exists in request"},
        Case{"OutputsAreCheckedFirst",
             Simple,
             {{}, {"OTHER"}, {}},
             "unexpected inference output 'OTHER' for model 'simple'"},
        Case{"ManyOutputs",
             Simple,
             {{kLeft, kRight}, std::vector<std::string_view>(10'000, "OUTPUT0"), {}},
             kPrefix + "output 'OUTPUT0' already exists in request"s},
        Case{"WrongType",
             Free,
             {{{"INPUT0", {1, 1}, Zeros(1), DataType::kFp32}}, {}, "a b"},
             "[request id: a b] inference input 'INPUT0' data-type is 'FP32', but model 'free' "
             "expects 'INT32'"},
        Case{
            "WrongDimension",
            Simple,
            {{{"INPUT0", {1, 8}, Zeros(8)}, kRight}, {}, {}},
            kPrefix +
                "unexpected shape for input 'INPUT0' for model 'simple'. Expected [-1,16], got [1,8]. "s +
                kNote},
        Case{
            "WrongDimensionWithoutBatch",
            NoBatch,
            {{{"INPUT0", {3, 2}, Zeros(6), DataType::kFp32}}, {}, {}},
            kPrefix +
                "unexpected shape for input 'INPUT0' for model 'nobatch'. Expected [2,3], got [3,2]. "s},
        Case{
            "EmptyShapeWithoutBatch",
            NoBatch,
            {{{"INPUT0", {}, Zeros(1), DataType::kFp32}}, {}, {}},
            kPrefix +
                "unexpected shape for input 'INPUT0' for model 'nobatch'. Expected [2,3], got []. "s},
        Case{
            "RankTooBig",
            Simple,
            {{{"INPUT0", {1, 1, 16}, Zeros(16)}, kRight}, {}, {}},
            kPrefix +
                "unexpected shape for input 'INPUT0' for model 'simple'. Expected [-1,16], got [1,1,16]. "s +
                kNote},
        Case{"RankTooSmallIsABatch",
             Simple,
             {{{"INPUT0", {16}, Zeros(16)}, {"INPUT1", {16}, Zeros(16)}}, {}, {}},
             kPrefix + "inference request batch-size must be <= 8 for 'simple'"s},
        Case{
            "EmptyShape",
            Free,
            {{{"INPUT0", {}, Zeros(1)}}, {}, {}},
            kPrefix + "input 'INPUT0' has no shape but model requires batch dimension for 'free'"s},
        Case{"BatchOverTheLimit",
             Free,
             {{{"INPUT0", {9, 1}, Zeros(9)}}, {}, {}},
             kPrefix + "inference request batch-size must be <= 8 for 'free'"s},
        Case{"BatchOfZero",
             Free,
             {{{"INPUT0", {0, 1}, ""}}, {}, {}},
             kPrefix + "inference request batch-size must be >= 1 for 'free', got 0"s},
        Case{"NegativeBatch",
             Free,
             {{{"INPUT0", {-1, 1}, Zeros(1)}}, {}, {}},
             kPrefix + "inference request batch-size must be >= 1 for 'free', got -1"s},
        Case{"TwoBatchSizes",
             Simple,
             {{kLeft, {"INPUT1", {2, 16}, Zeros(32)}}, {}, {}},
             kPrefix + "input 'INPUT1' batch size does not match other inputs for 'simple'"s},
        Case{
            "DimensionOfMinusOne",
            Free,
            {{{"INPUT0", {1, -1}, Zeros(1)}}, {}, {}},
            kPrefix +
                "All input dimensions should be specified for input 'INPUT0' for model 'free', got [1,-1]"s},
        Case{
            "DimensionOfMinusTwo",
            NoBatchFree,
            {{{"INPUT0", {-2, 2}, Zeros(1)}}, {}, {}},
            kPrefix +
                "unexpected shape for input 'INPUT0' for model 'nobatch'. Expected [-1,2], got [-2,2]. "s},
        Case{"ElementsOverflow",
             NoBatchFree,
             {{{"INPUT0", {int64_t{1} << 62, 2}, Zeros(2)}}, {}, {}},
             kPrefix + "input 'INPUT0' for model 'nobatch' has shape [4611686018427387904,2]: the "
                       "number of its "
                       "elements passes 2^63-1"s},
        Case{"BytesOverflow",
             Free,
             {{{"INPUT0", {1, int64_t{1} << 62}, Zeros(2)}}, {}, {}},
             kPrefix + "input 'INPUT0' for model 'free' has shape [1,4611686018427387904]: the "
                       "number of its elements "
                       "passes 2^63-1"s},
        Case{
            "TooFewBytes",
            Free,
            {{{"INPUT0", {1, 2}, Zeros(1)}}, {}, {}},
            kPrefix +
                "input byte size mismatch for input 'INPUT0' for model 'free'. Expected 8, got 4"s},
        Case{
            "NoWholeElements",
            Free,
            {{{"INPUT0", {1, 2}, "12345"}}, {}, {}},
            kPrefix +
                "input byte size mismatch for input 'INPUT0' for model 'free'. Expected 8, got 5"s},
        Case{
            "TooManyBytesForNoElements",
            Free,
            {{{"INPUT0", {1, 0}, Zeros(1)}}, {}, {}},
            kPrefix +
                "input byte size mismatch for input 'INPUT0' for model 'free'. Expected 0, got 4"s},
        Case{"StringLengthCut",
             Strings,
             {{{"INPUT0", {1, 2}, "\x01\0\0\0a\x02\0"s, DataType::kBytes}}, {}, {}},
             kPrefix + "incomplete string length indicator for inference input 'INPUT0' for model "
                       "'strings', expecting "
                       "4 bytes but only 2 bytes available. Please make sure the string length "
                       "indicator is in one "
                       "buffer."s},
        Case{"StringCut",
             Strings,
             {{{"INPUT0",
                {1, 1},
                "\xff\xff\xff\xff"
                "a"s,
                DataType::kBytes}},
              {},
              {}},
             "incomplete string data for inference input 'INPUT0', expecting string of length "
             "4294967295 but "
             "only 1 bytes available"},
        Case{
            "TooFewStrings",
            Strings,
            {{{"INPUT0", {1, 2}, PackStrings({"a"}), DataType::kBytes}}, {}, {}},
            kPrefix +
                "expected 2 string elements for inference input 'INPUT0' for model 'strings', got 1"s},
        Case{"TooManyStrings",
             Strings,
             {{{"INPUT0", {1, 1}, PackStrings({"a", "b", "c"}), DataType::kBytes}}, {}, {}},
             kPrefix + "unexpected number of string elements 2 for inference input 'INPUT0' for "
                       "model 'strings', "
                       "expecting 1"s}),
    [](const auto& info) { return info.param.name; });

struct GoodCase {
  std::string name;
  std::function<core::ModelPlan()> plan;
  Given given;
  int64_t batch_size;
};

class Accepted : public ::testing::TestWithParam<GoodCase> {};

TEST_P(Accepted, AndBound) {
  const GoodCase& test = GetParam();
  const core::RequestPtr request = Make(test.given);
  const core::ModelPlan plan = test.plan();
  ASSERT_EQ(Validate(plan, *request).message(), "");
  EXPECT_EQ(request->batch_size, test.batch_size);
  for (const core::InputTensor& input : request->inputs) {
    EXPECT_EQ(plan.inputs[input.slot].tensor.name, input.name);
  }
  for (const core::WantedOutput& wanted : request->wanted) {
    EXPECT_EQ(plan.outputs[wanted.slot].tensor.name, wanted.name);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Table, Accepted,
    ::testing::Values(
        GoodCase{"InOrder", Simple, {{kLeft, kRight}, {}, {}}, 1},
        GoodCase{"OutOfOrder", Simple, {{kRight, kLeft}, {"OUTPUT1", "OUTPUT0"}, {}}, 1},
        GoodCase{"TheLargestBatch", Free, {{{"INPUT0", {8, 2}, Zeros(16)}}, {}, {}}, 8},
        GoodCase{"NoElements", Free, {{{"INPUT0", {3, 0}, ""}}, {}, {}}, 3},
        GoodCase{
            "NoElementsBesideHugeDimensions", NoBatchFree, {{{"INPUT0", {0, 2}, ""}}, {}, {}}, 1},
        GoodCase{
            "WithoutBatch", NoBatch, {{{"INPUT0", {2, 3}, Zeros(6), DataType::kFp32}}, {}, {}}, 1},
        GoodCase{"WithoutOptional", Optional, {{kLeft, kRight}, {}, {}}, 1},
        GoodCase{
            "WithOptional", Optional, {{kLeft, kRight, {"EXTRA", {1, 16}, Zeros(16)}}, {}, {}}, 1},
        GoodCase{"Strings",
                 Strings,
                 {{{"INPUT0", {2, 1}, PackStrings({"", "\0x"s}), DataType::kBytes}}, {}, {}},
                 2}),
    [](const auto& info) { return info.param.name; });

TEST(Validate, CountsElementsOverPieces) {
  RequestBuilder builder;
  builder.InputInParts(0, DataType::kBytes, {1, 3},
                       {PackStrings({"a", "b"}), "", PackStrings({"c"})});
  builder.request().inputs[0].name = "INPUT0";
  EXPECT_TRUE(Validate(Strings(), builder.request()).ok());
}

TEST(Validate, ListsOnlySomeOfVeryManyNames) {
  Given given;
  std::vector<std::string> names;
  for (int i = 0; i < 20'000; ++i) names.push_back("X" + std::to_string(i));
  for (const std::string& one : names) given.inputs.push_back({one, {1, 1}, ""});
  given.inputs[5].name = given.inputs[4].name;
  const core::RequestPtr request = Make(given);
  const base::Status status = Validate(Free(), *request);
  EXPECT_LT(status.message().size(), 1000u);
  EXPECT_TRUE(status.message().starts_with(kPrefix + "expected 1 inputs but got 20000 inputs"s))
      << status.message();
}

// Every datatype has its size, and one byte more or less is refused.
TEST(Validate, KnowsTheSizeOfEveryDatatype) {
  for (int i = 0; i < 14; ++i) {
    const auto type = static_cast<DataType>(i);
    if (type == DataType::kBytes) continue;
    const core::ModelPlan plan = Plan("m", 0, {Tensor("INPUT0", type, {3})});
    const size_t size = 3 * tensor::ByteSize(type);
    for (const size_t given : {size - 1, size, size + 1}) {
      const core::RequestPtr request =
          Make({{{"INPUT0", {3}, std::string(given, '\0'), type}}, {}, {}});
      EXPECT_EQ(Validate(plan, *request).ok(), given == size) << tensor::WireName(type);
    }
  }
}

}  // namespace
}  // namespace serving::engine
