// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/http_infer_response.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "protocol/http_error.h"
#include "protocol/test_memory.h"
#include "protocol/test_protobuf.h"

namespace serving::protocol {
namespace {

using tensor::DataType;

class HttpInferResponse : public testing::Test {
 protected:
  HttpInferResponse() {
    plan.name = "m";
    plan.version = 2;
    plan.outputs.resize(2);
    plan.outputs[0].tensor.name = "x";
    plan.outputs[1].tensor.name = "y\"";
  }
  void Add(uint32_t slot, DataType type, std::initializer_list<int64_t> shape,
           std::string_view bytes) {
    core::OutputTensor& output = response.outputs.emplace_back();
    output.slot = slot;
    output.data_type = type;
    output.shape = tensor::Shape(std::span(shape.begin(), shape.size()));
    output.owner = memory.Hold(bytes);
    output.view = {output.owner->data(), bytes.size(), base::MemoryKind::kHost, 0};
  }
  base::Status Write(const AnswerForm& form = {}) {
    out.Clear();
    const base::Status status = WriteHttpInferResponse(plan, form, response, out);
    text.clear();
    for (const MessagePart& part : out.Parts()) text += TextOf(part.bytes);
    EXPECT_EQ(text.size(), out.size());
    return status;
  }

  HeapAllocator memory;
  core::ModelPlan plan;
  core::InferResponse response;
  ResponseWriter out;
  std::string text;
};

TEST_F(HttpInferResponse, WritesJson) {
  Add(1, DataType::kFp32, {1, 2}, pb::Raw({1.0f, 0.1f}));
  Add(0, DataType::kBytes, {2}, std::string("\1\0\0\0\n\2\0\0\0\xC3\xA9", 11));
  ASSERT_TRUE(Write({"i\\d", {}, false}).ok());
  EXPECT_EQ(
      text,
      R"({"id":"i\\d","model_name":"m","model_version":"2","outputs":[)"
      R"({"name":"y\"","datatype":"FP32","shape":[1,2],"data":[1.0,0.1]},)"
      "{\"name\":\"x\",\"datatype\":\"BYTES\",\"shape\":[2],\"data\":[\"\\n\",\"\xC3\xA9\"]}]}");
  EXPECT_FALSE(out.json_size());
  EXPECT_EQ(out.Parts().size(), 1u);
}

TEST_F(HttpInferResponse, BinaryTailForThoseWhoWantIt) {
  const std::string large(ResponseWriter::kLendBytes, 'L');
  Add(0, DataType::kFp16, {2}, "abcd");
  Add(1, DataType::kUint8, {4096}, large);
  const std::string head =
      R"({"model_name":"m","model_version":"2","outputs":[)"
      R"({"name":"x","datatype":"FP16","shape":[2],"parameters":{"binary_data_size":4}},)"
      R"({"name":"y\"","datatype":"UINT8","shape":[4096],)"
      R"("parameters":{"binary_data_size":4096}}]})";
  ASSERT_TRUE(Write({"", {}, true}).ok());
  EXPECT_EQ(text, head + "abcd" + large);
  EXPECT_EQ(out.json_size(), head.size());
  ASSERT_EQ(out.Parts().size(), 2u);
  EXPECT_EQ(out.Parts()[1].owner, &response.outputs[1].owner);

  std::vector<core::WantedOutput> wanted(2);
  wanted[0].slot = 1;
  wanted[1].slot = 0;
  wanted[1].binary = true;
  response.outputs[1].view.size = 2;
  ASSERT_TRUE(Write({"", wanted, true}).ok());
  EXPECT_EQ(text,
            R"({"model_name":"m","model_version":"2","outputs":[)"
            R"({"name":"x","datatype":"FP16","shape":[2],"parameters":{"binary_data_size":4}},)"
            R"({"name":"y\"","datatype":"UINT8","shape":[4096],"data":[76,76]}]}abcd)");
}

TEST_F(HttpInferResponse, EmptyTailIsPlainJson) {
  Add(0, DataType::kFp16, {0}, "");
  ASSERT_TRUE(Write({"", {}, true}).ok());
  EXPECT_FALSE(out.json_size());
}

TEST_F(HttpInferResponse, EveryDatatype) {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<std::tuple<DataType, std::string, std::string>> cases{
      {DataType::kBool, std::string("\0\1\xFF", 3), "[false,true,true]"},
      {DataType::kUint8, pb::Raw<uint8_t>({0, 255}), "[0,255]"},
      {DataType::kUint16, pb::Raw<uint16_t>({0, 65535}), "[0,65535]"},
      {DataType::kUint32, pb::Raw<uint32_t>({0, UINT32_MAX}), "[0,4294967295]"},
      {DataType::kUint64, pb::Raw<uint64_t>({0, UINT64_MAX}), "[0,18446744073709551615]"},
      {DataType::kInt8, pb::Raw<int8_t>({0, -128}), "[0,-128]"},
      {DataType::kInt16, pb::Raw<int16_t>({0, -32768}), "[0,-32768]"},
      {DataType::kInt32, pb::Raw<int32_t>({0, INT32_MIN}), "[0,-2147483648]"},
      {DataType::kInt64, pb::Raw<int64_t>({INT64_MAX, INT64_MIN}),
       "[9223372036854775807,-9223372036854775808]"},
      {DataType::kFp32, pb::Raw({0.0f, -0.0f, nan, inf, -inf}),
       "[0.0,-0.0,NaN,Infinity,-Infinity]"},
      {DataType::kFp32, pb::Raw({16777216.0f, 1e-45f, 3.4028235e38f}),
       "[16777216.0,1e-45,3.4028235e+38]"},
      {DataType::kFp64, pb::Raw({0.1, 1e300, -2.0}), "[0.1,1e+300,-2.0]"},
      {DataType::kFp64, "", "[]"},
      {DataType::kBytes, "", "[]"},
  };
  for (const auto& [type, bytes, expected] : cases) {
    response.outputs.clear();
    Add(0, type, {1}, bytes);
    ASSERT_TRUE(Write().ok());
    EXPECT_NE(text.find("\"data\":" + expected + "}"), std::string::npos) << text;
  }
}

TEST_F(HttpInferResponse, LongListsCrossTheWritersChunks) {
  std::string bytes;
  std::string expected = "[";
  for (int32_t i = 0; i < 1000; ++i) {
    bytes += pb::Raw<int32_t>({INT32_MIN + i});
    expected += (i == 0 ? "" : ",") + std::to_string(INT32_MIN + i);
  }
  Add(0, DataType::kInt32, {1000}, bytes);
  ASSERT_TRUE(Write().ok());
  EXPECT_NE(text.find(expected + "]"), std::string::npos);
}

TEST_F(HttpInferResponse, WhatJsonCannotCarry) {
  Add(0, DataType::kFp16, {0}, "");
  EXPECT_EQ(
      Write().message(),
      "sending FP16 data via JSON is not supported. Please use the binary data format for output");
  response.outputs[0].data_type = DataType::kBf16;
  EXPECT_EQ(
      Write().message(),
      "sending BF16 data via JSON is not supported. Please use the binary data format for output");
  response.outputs.clear();
  Add(0, DataType::kBytes, {1}, std::string("\1\0\0\0\xFF", 5));
  EXPECT_EQ(
      Write().message(),
      "output 'x' has elements that are not UTF-8 and can not be sent via JSON. Please use the "
      "binary data format for output");
}

TEST_F(HttpInferResponse, Real16WhereItIsTaken) {
  Add(0, DataType::kFp16, {4}, pb::Raw<uint16_t>({0x3c00, 0x2e66, 0x7bff, 0xfc00}));
  Add(1, DataType::kBf16, {4}, pb::Raw<uint16_t>({0x4049, 0x8000, 0x7fc0, 0x0001}));
  ASSERT_TRUE(Write({{}, {}, false, Real16Json::kTaken}).ok());
  EXPECT_NE(text.find(R"("FP16","shape":[4],"data":[1.0,0.1,6.55e+04,-Infinity])"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find(R"("BF16","shape":[4],"data":[3.14,-0.0,NaN,9e-41])"), std::string::npos)
      << text;
}

TEST(HttpError, IsAlwaysJson) {
  std::string out = ">";
  AppendHttpError(out, "a \"b\"\\\n\x01 \xC3\xA9 \xFF");
  EXPECT_EQ(out, ">{\"error\":\"a \\\"b\\\"\\\\\\n\\u0001 \xC3\xA9 \xEF\xBF\xBD\"}");
}

TEST_F(HttpInferResponse, WritesParametersInFrontOfTheOutputs) {
  Add(0, DataType::kInt8, {1}, "\x07");
  response.parameters = {
      {"b", true}, {"i", INT64_MIN}, {"u", UINT64_MAX}, {"d", 0.25}, {"s\"", std::string("a\nb")}};
  ASSERT_TRUE(Write().ok());
  EXPECT_EQ(text, R"({"model_name":"m","model_version":"2","parameters":{"b":true,)"
                  R"("i":-9223372036854775808,"u":18446744073709551615,"d":0.25,"s\"":"a\nb"},)"
                  R"("outputs":[{"name":"x","datatype":"INT8","shape":[1],"data":[7]}]})");
}

}  // namespace
}  // namespace serving::protocol
