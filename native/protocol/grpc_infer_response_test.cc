// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/grpc_infer_response.h"

#include <gtest/gtest.h>

#include <string>

#include "protocol/grpc_frame.h"
#include "protocol/test_memory.h"
#include "protocol/test_protobuf.h"

namespace serving::protocol {
namespace {

class GrpcInferResponse : public testing::Test {
 protected:
  GrpcInferResponse() {
    plan.name = "m";
    plan.version = 12;
    plan.outputs.resize(2);
    plan.outputs[0].tensor.name = "x";
    plan.outputs[1].tensor.name = "y";
  }
  void Add(uint32_t slot, tensor::DataType type, std::initializer_list<int64_t> shape,
           std::string_view bytes) {
    core::OutputTensor& output = response.outputs.emplace_back();
    output.slot = slot;
    output.data_type = type;
    output.shape = tensor::Shape(std::span(shape.begin(), shape.size()));
    output.owner = memory.Hold(bytes);
    output.view = {output.owner->data(), bytes.size(), base::MemoryKind::kHost, 0};
  }
  std::string Write(std::string_view id = {}) {
    out.Clear();
    EXPECT_TRUE(WriteGrpcInferResponse(plan, {id, {}, false}, response, out).ok());
    std::string all;
    for (const MessagePart& part : out.Parts()) all += TextOf(part.bytes);
    EXPECT_EQ(all.size(), out.size());
    return all;
  }
  static std::string Framed(const std::string& message) {
    return std::string(1, '\0') +
           std::string(
               {static_cast<char>(message.size() >> 24), static_cast<char>(message.size() >> 16),
                static_cast<char>(message.size() >> 8), static_cast<char>(message.size())}) +
           message;
  }

  HeapAllocator memory;
  core::ModelPlan plan;
  core::InferResponse response;
  ResponseWriter out;
};

TEST_F(GrpcInferResponse, WritesAllFieldsAsOnePart) {
  Add(1, tensor::DataType::kFp32, {1, 300}, "abcd");
  Add(0, tensor::DataType::kBytes, {}, "");
  EXPECT_EQ(Write("id"),
            Framed(pb::Text(1, "m") + pb::Text(2, "12") + pb::Text(3, "id") +
                   pb::Text(5, pb::Text(1, "y") + pb::Text(2, "FP32") + pb::Packed(3, {1, 300})) +
                   pb::Text(5, pb::Text(1, "x") + pb::Text(2, "BYTES")) + pb::Text(6, "abcd") +
                   pb::Text(6, "")));
  EXPECT_EQ(out.Parts().size(), 1u);
  EXPECT_EQ(out.Parts()[0].owner, nullptr);
}

TEST_F(GrpcInferResponse, LendsLargeTensorsAndKeepsTheOrder) {
  const std::string large(ResponseWriter::kLendBytes, 'L');
  const std::string small(ResponseWriter::kLendBytes - 1, 's');
  Add(0, tensor::DataType::kUint8, {4096}, large);
  Add(1, tensor::DataType::kUint8, {4095}, small);
  EXPECT_EQ(Write(),
            Framed(pb::Text(1, "m") + pb::Text(2, "12") +
                   pb::Text(5, pb::Text(1, "x") + pb::Text(2, "UINT8") + pb::Packed(3, {4096})) +
                   pb::Text(5, pb::Text(1, "y") + pb::Text(2, "UINT8") + pb::Packed(3, {4095})) +
                   pb::Text(6, large) + pb::Text(6, small)));
  const auto parts = out.Parts();
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[0].owner, nullptr);
  EXPECT_EQ(parts[1].owner, &response.outputs[0].owner);
  EXPECT_EQ(parts[1].bytes.data(), response.outputs[0].view.data);
  EXPECT_EQ(parts[2].owner, nullptr);
}

TEST_F(GrpcInferResponse, WriterIsReusable) {
  Add(0, tensor::DataType::kUint8, {4}, "abcd");
  const std::string first = Write("a");
  EXPECT_EQ(Write("a"), first);
  response.outputs.clear();
  EXPECT_EQ(Write(), Framed(pb::Text(1, "m") + pb::Text(2, "12")));
}

TEST_F(GrpcInferResponse, RefusesMoreThanTheLimitOfGrpc) {
  Add(0, tensor::DataType::kUint8, {4}, "abcd");
  response.outputs[0].view.size = INT32_MAX;  // only looked at
  out.Clear();
  const base::Status status = WriteGrpcInferResponse(plan, {}, response, out);
  EXPECT_EQ(status.code(), base::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "Response has byte size 2147483675 which exceeds gRPC's byte size limit 2147483647.");
  EXPECT_EQ(out.size(), 0u);
}

TEST_F(GrpcInferResponse, WritesParametersOfEveryType) {
  response.parameters = {{"b", false}, {"i", int64_t{-3}},         {"u", uint64_t{1} << 63},
                         {"d", 0.5},   {"s", std::string("text")}, {"", std::string()}};
  EXPECT_EQ(
      Write(),
      Framed(pb::Text(1, "m") + pb::Text(2, "12") + pb::Parameter("b", pb::Bool(false)) +
             pb::Parameter("i", pb::Int64(-3)) + pb::Parameter("u", pb::Uint64(uint64_t{1} << 63)) +
             pb::Parameter("d", pb::Double(0.5)) + pb::Parameter("s", pb::String("text")) +
             pb::Parameter("", pb::String(""))));
}

class GrpcStreamResponse : public GrpcInferResponse {
 protected:
  std::string WriteStream(std::string_view id = {}) {
    out.Clear();
    EXPECT_TRUE(WriteGrpcStreamResponse(plan, {id, {}, false}, response, out).ok());
    return Written();
  }
  std::string Written() {
    std::string all;
    for (const MessagePart& part : out.Parts()) all += TextOf(part.bytes);
    return all;
  }
  static std::string Marker(bool is_final) {
    return pb::Parameter("triton_final_response", pb::Bool(is_final));
  }
};

TEST_F(GrpcStreamResponse, WrapsTheAnswerAndMarksTheFinalOne) {
  Add(0, tensor::DataType::kUint8, {200}, std::string(200, 'x'));
  response.parameters = {{"b", true}};
  for (const bool is_final : {false, true}) {
    response.is_final = is_final;
    EXPECT_EQ(WriteStream("id"),
              Framed(pb::Text(2, pb::Text(1, "m") + pb::Text(2, "12") + pb::Text(3, "id") +
                                     pb::Parameter("b", pb::Bool(true)) + Marker(is_final) +
                                     pb::Text(5, pb::Text(1, "x") + pb::Text(2, "UINT8") +
                                                     pb::Packed(3, {200})) +
                                     pb::Text(6, std::string(200, 'x')))));
  }
}

TEST_F(GrpcStreamResponse, WritesAnEmptyFinalWithoutAVersion) {
  response.is_final = true;
  EXPECT_EQ(WriteStream("id"),
            Framed(pb::Text(2, pb::Text(1, "m") + pb::Text(3, "id") + Marker(true))));
}

TEST_F(GrpcStreamResponse, WritesErrorsOfTheModelAndOfTheRequest) {
  response.status = base::Internal("broken");
  EXPECT_EQ(WriteStream("id"),
            Framed(pb::Text(1, "broken") +
                   pb::Text(2, pb::Text(1, "m") + pb::Text(3, "id") + Marker(false))));
  out.Clear();
  WriteGrpcStreamError("no such model", "id", out);
  EXPECT_EQ(Written(), Framed(pb::Text(1, "no such model") + pb::Text(2, pb::Text(3, "id"))));
  out.Clear();
  WriteGrpcStreamError("no id", "", out);
  EXPECT_EQ(Written(), Framed(pb::Text(1, "no id") + pb::Text(2, "")));
}

TEST_F(GrpcStreamResponse, RefusesMoreThanTheLimitOfGrpc) {
  Add(0, tensor::DataType::kUint8, {4}, "abcd");
  response.outputs[0].view.size = INT32_MAX - 28;  // only looked at
  out.Clear();
  EXPECT_TRUE(WriteGrpcInferResponse(plan, {}, response, out).ok());
  out.Clear();
  const base::Status status = WriteGrpcStreamResponse(plan, {}, response, out);
  EXPECT_EQ(status.code(), base::StatusCode::kInvalidArgument);
  EXPECT_EQ(out.size(), 0u);
}

}  // namespace
}  // namespace serving::protocol
