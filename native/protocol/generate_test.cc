// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "protocol/generate_request.h"
#include "protocol/generate_response.h"
#include "protocol/test_memory.h"
#include "protocol/test_protobuf.h"

namespace serving::protocol {
namespace {

using tensor::DataType;

core::TensorPlan Input(std::string name, DataType type, std::vector<int64_t> dims) {
  core::TensorPlan plan;
  plan.tensor = {.name = std::move(name), .data_type = type, .dims = tensor::Shape(dims)};
  return plan;
}

class Generate : public testing::Test {
 protected:
  Generate() {
    plan.name = "m";
    plan.version = 3;
    plan.inputs = {Input("text", DataType::kBytes, {-1}), Input("n", DataType::kInt32, {1}),
                   Input("f", DataType::kFp32, {-1, 2}), Input("g", DataType::kFp32, {-1, -1}),
                   Input("h", DataType::kFp16, {1})};
    plan.outputs = {Input("out", DataType::kFp32, {-1}), Input("words", DataType::kBytes, {-1})};
  }

  std::string Read(std::string_view text) {
    request.Reset();
    const base::Status status = ReadGenerateRequest(text, 1000, memory, plan, request);
    return status.ok() ? "" : std::string(status.message());
  }
  std::string ShapeOf(size_t input) { return request.inputs.at(input).shape.ToString(); }

  HeapAllocator memory;
  core::ModelPlan plan;
  core::InferRequest request;
};

TEST_F(Generate, TakesTheIdTensorsAndParameters) {
  ASSERT_EQ(Read(R"({"text":"hi","id":"7","k":3,"parameters":{"n":[5],"top":0.5},"on":true})"), "");
  EXPECT_EQ(request.id, "7");
  ASSERT_EQ(request.inputs.size(), 2u);
  EXPECT_EQ(request.inputs[0].name, "text");
  EXPECT_EQ(TextOf({request.inputs[0].parts.at(0).data, request.inputs[0].byte_size}),
            std::string("\2\0\0\0hi", 6));
  EXPECT_EQ(request.inputs[1].name, "n");
  EXPECT_EQ(TextOf({request.inputs[1].parts.at(0).data, request.inputs[1].byte_size}),
            pb::Raw({int32_t{5}}));
  ASSERT_EQ(request.parameters.size(), 3u);
  EXPECT_EQ(std::get<int64_t>(request.parameters[0].value), 3);
  EXPECT_EQ(std::get<double>(request.parameters[1].value), 0.5);
  EXPECT_EQ(std::get<bool>(request.parameters[2].value), true);
}

TEST_F(Generate, ReservesNoParameterName) {
  ASSERT_EQ(Read(R"({"text":"hi","sequence_id":5,"triton_x":1,"headers":"h"})"), "");
  EXPECT_EQ(request.parameters.size(), 3u);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(request.correlation_id));
}

TEST_F(Generate, InfersShapes) {
  ASSERT_EQ(Read(R"({"text":["a","b","c"],"f":[1,2,3,4],"g":[1,2,3]})"), "");
  EXPECT_EQ(ShapeOf(0), "[3]");
  EXPECT_EQ(ShapeOf(1), "[2,2]");
  EXPECT_EQ(ShapeOf(2), "[1,3]");
  plan.max_batch_size = 4;
  ASSERT_EQ(Read(R"({"text":["a","b"],"n":1})"), "");
  EXPECT_EQ(ShapeOf(0), "[1,2]");
  EXPECT_EQ(ShapeOf(1), "[1,1]");
  ASSERT_EQ(Read(R"({"text":[]})"), "");
  EXPECT_EQ(ShapeOf(0), "[1,0]");
}

TEST_F(Generate, RefusesInTritonsWords) {
  const auto shape = [](std::string name) {
    return "The schema can not convert input '" + name + "' to tensor with proper shape";
  };
  const auto type = [](std::string name) {
    return "parameter '" + name +
           "' has invalid type. It should be either 'int', 'bool', or 'string'.";
  };
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"n":[5,6]})", shape("n")},
      {R"({"n":[]})", shape("n")},
      {R"({"f":[1,2,3]})", shape("f")},
      {R"({"f":1})", shape("f")},
      {R"({"f":[[1,2],[3,4]]})",
       "Unable to parse 'data': Shape does not match true shape of 'data' field"},
      {R"({"n":"5"})",
       "Unable to parse 'data': attempt to access JSON non-signed-integer as signed-integer"},
      {R"({"text":5})",
       "Unable to parse JSON bytes array: attempt to access JSON non-string as string"},
      {R"({"text":null})",
       "Unable to parse JSON bytes array: attempt to access JSON non-string as string"},
      {R"({"h":1.5})",
       "receiving FP16 data via JSON is not supported. Please use the binary data format for "
       "input h"},
      {R"({"arr":[1]})", type("arr")},
      {R"({"nul":null})", type("nul")},
      {R"({"parameters":3})",
       "Expected JSON object for keyword: 'parameters': attempt to access JSON non-object as "
       "object"},
      {R"({"parameters":{"parameters":{"a":1}}})",
       "Converting keyword: 'parameters': " + type("parameters")},
      {R"({"text":"a","parameters":{"text":"b"}})",
       "Converting keyword: 'parameters': [request id: <id_unknown>] input 'text' already exists "
       "in request"},
      {R"({"id":"7","text":"a","text":"b"})",
       "[request id: 7] input 'text' already exists in request"},
      {R"({"id":5})", "Unable to parse 'id': attempt to access JSON non-string as string"},
      {"[]", "attempt to get members for non-object"},
      {"", "failed to parse the request JSON buffer: The document is empty. at 0"},
      {R"({"arr":[1]} x)",
       "failed to parse the request JSON buffer: The document root must not be followed by other "
       "values. at 12"},
      {std::string(1001, ' '),
       "Request JSON size of 1001 bytes exceeds the maximum allowed value of 1000 bytes. Use "
       "--http-max-input-size to increase the limit."},
  };
  for (const auto& [text, error] : cases) EXPECT_EQ(Read(text), error) << text;
}

TEST_F(Generate, Real16WhereItIsTaken) {
  ASSERT_TRUE(
      ReadGenerateRequest(R"({"h":1.5})", 1000, memory, plan, request, Real16Json::kTaken).ok());
  EXPECT_EQ(TextOf({request.inputs[0].parts.at(0).data, request.inputs[0].byte_size}),
            pb::Raw<uint16_t>({0x3e00}));
}

TEST_F(Generate, WritesValuesAndLists) {
  core::InferResponse response;
  const auto add = [&](uint32_t slot, DataType type, int64_t count, std::string_view bytes) {
    core::OutputTensor& output = response.outputs.emplace_back();
    output.slot = slot;
    output.data_type = type;
    output.shape = tensor::Shape(std::vector<int64_t>{1, count});
    output.owner = memory.Hold(bytes);
    output.view = {output.owner->data(), bytes.size(), base::MemoryKind::kHost, 0};
  };
  ResponseWriter out;
  const auto text = [&](std::string_view id) {
    out.Clear();
    const base::Status status = WriteGenerateResponse(plan, id, response, out);
    if (!status.ok()) return std::string(status.message());
    std::string all;
    for (const MessagePart& part : out.Parts()) all += TextOf(part.bytes);
    return all;
  };
  add(0, DataType::kFp32, 1, pb::Raw({2.0f}));
  add(1, DataType::kBytes, 2, std::string("\1\0\0\0a\1\0\0\0\"", 10));
  EXPECT_EQ(text("q"),
            R"({"id":"q","model_name":"m","model_version":"3","out":2.0,"words":["a","\""]})");
  response.parameters = {{"sequence_id", int64_t{0}}, {"sequence_end", false}};
  EXPECT_EQ(text(""), R"({"model_name":"m","model_version":"3","sequence_id":0,)"
                      R"("sequence_end":false,"out":2.0,"words":["a","\""]})");
  response.parameters.clear();
  response.outputs.clear();
  add(0, DataType::kFp32, 2, pb::Raw({1.5f, 0.0f}));
  add(1, DataType::kBytes, 1, std::string("\1\0\0\0a", 5));
  EXPECT_EQ(text(""), R"({"model_name":"m","model_version":"3","out":[1.5,0.0],"words":"a"})");
  response.outputs.clear();
  add(1, DataType::kBytes, 1, std::string("\1\0\0\0\xFF", 5));
  EXPECT_NE(text("").find("not UTF-8"), std::string::npos);
}

}  // namespace
}  // namespace serving::protocol
