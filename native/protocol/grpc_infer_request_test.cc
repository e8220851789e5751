// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/grpc_infer_request.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "protocol/test_memory.h"
#include "protocol/test_protobuf.h"

namespace serving::protocol {
namespace {

using base::StatusCode;

const std::string kOnes = pb::Raw<int32_t>({1, 2, 3});

class GrpcInferRequest : public testing::Test {
 protected:
  base::Status Read(std::string_view message) {
    request.Reset();
    request.body = memory.Hold(message);
    return ReadGrpcInferRequest({request.body->data(), message.size()}, memory, request);
  }
  std::string Data(size_t input) const {
    std::string all;
    for (const auto& part : request.inputs[input].parts) all += TextOf({part.data, part.size});
    EXPECT_EQ(all.size(), request.inputs[input].byte_size);
    return all;
  }

  HeapAllocator memory;
  core::InferRequest request;
};

std::string Plain() {
  return pb::Text(1, "m") + pb::Input("a", "INT32", {3}) + pb::RawInput(kOnes);
}

TEST_F(GrpcInferRequest, ReadsEveryFieldInPlace) {
  const std::string message = pb::Text(1, "m") + pb::Text(2, "7") + pb::Text(3, "id\xC3\xA9") +
                              pb::Input("a", "FP32", {2, 1}) + pb::Input("b", "BYTES", {0}) +
                              pb::Output("x") + pb::Output("y") + pb::RawInput(kOnes) +
                              pb::RawInput("");
  ASSERT_TRUE(Read(message).ok());
  EXPECT_EQ(request.model_name, "m");
  EXPECT_EQ(request.model_version, "7");
  EXPECT_EQ(request.id, "id\xC3\xA9");
  ASSERT_EQ(request.inputs.size(), 2u);
  EXPECT_EQ(request.inputs[0].name, "a");
  EXPECT_EQ(request.inputs[0].data_type, tensor::DataType::kFp32);
  EXPECT_EQ(request.inputs[0].shape.ToString(), "[2,1]");
  EXPECT_EQ(Data(0), kOnes);
  EXPECT_EQ(Data(1), "");
  const auto* body = request.body->data();
  EXPECT_GE(request.inputs[0].parts[0].data, body);
  EXPECT_LT(request.inputs[0].parts[0].data, body + message.size());
  ASSERT_EQ(request.wanted.size(), 2u);
  EXPECT_EQ(request.wanted[1].name, "y");
  EXPECT_TRUE(request.kept.empty());
}

TEST_F(GrpcInferRequest, FieldOrderDoesNotMatter) {
  ASSERT_TRUE(Read(pb::RawInput("one!") + pb::RawInput("two!") + pb::Input("a", "INT32", {1}) +
                   pb::Input("b", "INT32", {1}) + pb::Text(1, "m"))
                  .ok());
  EXPECT_EQ(Data(0), "one!");
  EXPECT_EQ(Data(1), "two!");
}

TEST_F(GrpcInferRequest, ShapeMayBeUnpackedAndUnknownFieldsAreSkipped) {
  const std::string group =
      pb::Key(9, 3) + pb::Int(1, 5) + pb::Key(2, 3) + pb::Key(2, 4) + pb::Key(9, 4);
  const std::string input = pb::Text(1, "a") + pb::Text(2, "INT32") + pb::Int(3, 3) +
                            pb::Int(3, 1) + pb::Int(1, 99) + pb::Text(40, "x") + group;
  ASSERT_TRUE(Read(group + pb::Int(1, 1) + pb::Key(15, 5) + "1234" + pb::Text(1, "m") +
                   pb::Text(5, input) + pb::RawInput(kOnes))
                  .ok());
  EXPECT_EQ(request.model_name, "m");
  EXPECT_EQ(request.inputs[0].name, "a");
  EXPECT_EQ(request.inputs[0].shape.ToString(), "[3,1]");
}

TEST_F(GrpcInferRequest, LaterScalarFieldsWin) {
  ASSERT_TRUE(Read(pb::Text(1, "x") + Plain()).ok());
  EXPECT_EQ(request.model_name, "m");
}

TEST_F(GrpcInferRequest, MoreRawContentsThanInputsAreIgnoredAsTritonDoes) {
  ASSERT_TRUE(Read(Plain() + pb::RawInput("rest")).ok());
  EXPECT_EQ(Data(0), kOnes);
}

TEST_F(GrpcInferRequest, UnparsableMessages) {
  const std::string deep_group = [] {
    std::string text;
    for (int i = 0; i < 100'000; ++i) text += pb::Key(9, 3);
    return text;
  }();
  const std::vector<std::string> messages{
      std::string(10, '\xFF'),
      pb::Text(1, "\xFF\xFE"),                         // no UTF-8
      pb::Text(1, "\xED\xA0\x80"),                     // a surrogate
      pb::Text(3, "\xC0\x80"),                         // overlong
      pb::Key(9, 3),                                   // a group that does not end
      pb::Key(9, 3) + pb::Key(8, 4),                   // … ends as another
      pb::Key(9, 4),                                   // … that never began
      std::string("\x02\x00", 2),                      // field 0
      std::string("\x8a\x80\x80\x80\x80\x00\x00", 7),  // a tag of six bytes
      pb::Key(1, 6),
      pb::Key(1, 7),  // wire types that do not exist
      std::string("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11),  // a length of 2^64-1
      pb::Text(5, pb::Text(3, "\x83")),                                 // a cut dimension
      pb::Text(5, pb::Text(5, pb::Text(6, "123"))),                     // packed floats of 3 bytes
      pb::Text(5, pb::Text(5, pb::Text(2, "\x83"))),                    // a cut packed int32
      pb::Text(4, pb::Text(1, "\xFF")),                                 // parameter name
      pb::Parameter("a", pb::String("\xFF")),                           // parameter text
      pb::Text(4, "\x0a\x05"),
      pb::Text(6, "\x0a\x05"),
      pb::Text(6, pb::Text(2, "\x0a\x05")),
      deep_group,
  };
  for (const std::string& message : messages) {
    const base::Status status = Read(Plain() + message);
    EXPECT_EQ(status.code(), StatusCode::kInternal)
        << testing::PrintToString(message.substr(0, 20));
    EXPECT_EQ(status.message(), "Unable to parse request");
  }
}

struct Refusal {
  std::string message;
  std::string text;
  StatusCode code = StatusCode::kInvalidArgument;
};

TEST_F(GrpcInferRequest, RefusesInTritonsWords) {
  const std::string reserved =
      "parameter keys starting with 'triton_' are reserved for Triton usage. Only the following "
      "keys "
      "starting with 'triton_' are allowed: triton_enable_empty_final_response";
  const auto input = [](std::string_view type, std::string_view fields) {
    return pb::Text(1, "m") + pb::Input("a", type, {3}, pb::Contents(fields));
  };
  const auto with = [](std::string_view parameter) { return std::string(parameter) + Plain(); };
  const auto output = [](std::string_view more) { return Plain() + pb::Output("x", more); };
  const std::string disabled =
      "Client shared memory is disabled. Start the server with '--allow-client-shm=true' to "
      "enable.";
  const std::vector<Refusal> cases{
      {pb::Text(1, "m") + pb::Input("a", "INT32", {3}),
       "unable to find data for input tensor 'a' for model 'm' in request."},
      {Plain() + pb::Input("b", "INT32", {3}),
       "unable to find data for input tensor 'b' for model 'm' in request."},
      {input("INT32", pb::Packed(2, {1})) + pb::RawInput(kOnes),
       "contents field must not be specified when using raw_input_contents for 'a' for model 'm'"},
      {input("INT32", "") + pb::RawInput(kOnes),
       "contents field must not be specified when using raw_input_contents for 'a' for model 'm'"},
      {input("INT32", pb::Packed(3, {1, 2, 3})),
       "unexpected explicit tensor data for input tensor 'a' for model 'm' of type 'INT64', "
       "expected "
       "datatype 'INT32'"},
      {input("INT32", pb::Packed(2, {1}) + pb::Text(6, pb::Raw({1.0f}))),
       "unexpected explicit tensor data for input tensor 'a' for model 'm', binary data was "
       "already "
       "supplied."},
      {input("BYTES", pb::Text(8, "x") + pb::Packed(1, {1})),
       "unexpected explicit tensor data for input tensor 'a' for model 'm' of type 'BOOL', "
       "expected "
       "datatype 'BYTES'"},
      {input("FP16", pb::Text(6, pb::Raw({1.0f}))),
       "unexpected explicit tensor data for input tensor 'a' for model 'm' of type 'FP32', "
       "expected "
       "datatype 'FP16'"},
      {input("BF16", pb::Text(6, pb::Raw({1.0f}))),
       "unexpected explicit tensor data for input tensor 'a' for model 'm' of type 'FP32', "
       "expected "
       "datatype 'BF16'"},
      {input("INT99", pb::Packed(2, {1})),
       "unexpected explicit tensor data for input tensor 'a' for model 'm' of type 'INT32', "
       "expected "
       "datatype '<invalid>'"},
      {input("UINT8", pb::Packed(5, {1})),
       "unexpected explicit tensor data for input tensor 'a' for model 'm' of type 'UINT64', "
       "expected "
       "datatype 'UINT8'"},
      {with(pb::Parameter("sequence_id", pb::Bool(true))),
       "invalid value type for 'sequence_id' parameter, expected int64_param or string_param."},
      {with(pb::Parameter("sequence_id", pb::Uint64(1))),
       "invalid value type for 'sequence_id' parameter, expected int64_param or string_param."},
      {with(pb::Parameter("sequence_id", pb::String(std::string(129, 'x')))),
       "string correlation ID cannot be longer than 128 characters", StatusCode::kUnimplemented},
      {with(pb::Parameter("sequence_start", pb::Int64(1))),
       "invalid value type for 'sequence_start' parameter, expected bool_param."},
      {with(pb::Parameter("sequence_end", "")),
       "invalid value type for 'sequence_end' parameter, expected bool_param."},
      {with(pb::Parameter("priority", pb::Int64(-1))),
       "invalid value for 'priority', expected value >= 0."},
      {with(pb::Parameter("priority", pb::Double(1))),
       "invalid value type for 'priority' parameter, expected int64_param or uint64_param."},
      {with(pb::Parameter("priority", pb::Int64(1) + pb::Bool(true))),
       "invalid value type for 'priority' parameter, expected int64_param or uint64_param."},
      {with(pb::Parameter("timeout", pb::Uint64(1))),
       "invalid value type for 'timeout' parameter, expected int64_param."},
      {with(pb::Parameter("triton_x", pb::Int64(1))), reserved},
      {with(pb::Parameter("triton_enable_empty_final_response", pb::Int64(1))),
       "invalid value type for 'triton_enable_empty_final_response' parameter, expected "
       "bool_param."},
      {with(pb::Text(4, pb::Text(1, "foo"))),
       "invalid value type for 'foo' parameter, expected int64_param, bool_param, or "
       "string_param."},
      {output(pb::Entry(2, "classification", pb::Int64(0))),
       "invalid value for 'classification' parameter, expected >= 0"},
      {output(pb::Entry(2, "classification", pb::String("1"))),
       "invalid value type for 'classification' parameter, expected int64_param"},
      {output(pb::Entry(2, "shared_memory_region", pb::String("r"))), disabled,
       StatusCode::kUnimplemented},
      {output(pb::Entry(2, "shared_memory_byte_size", pb::Int64(3))),
       "'shared_memory_byte_size' can not be specified without 'shared_memory_region' parameter "
       "for "
       "tensor 'x'"},
      {pb::Text(1, "m") +
           pb::Input("a", "INT32", {3}, pb::Entry(4, "shared_memory_region", pb::Int64(3))),
       "invalid value type for 'shared_memory_region' parameter for tensor 'a', expected "
       "string_param."},
      {pb::Text(1, "m") +
           pb::Input("a", "INT32", {3}, pb::Entry(4, "shared_memory_offset", pb::Int64(3))),
       "'shared_memory_offset' can not be specified without 'shared_memory_region' parameter for "
       "tensor 'a'"},
      {pb::Text(1, "m") +
           pb::Text(5, pb::Entry(4, "shared_memory_region", pb::String("r")) + pb::Text(1, "a")),
       disabled, StatusCode::kUnimplemented},
      // parameters before inputs before outputs
      {output(pb::Entry(2, "classification", pb::Int64(0))) + pb::Input("b", "INT32", {3}) +
           pb::Parameter("triton_x", ""),
       reserved},
      {output(pb::Entry(2, "classification", pb::Int64(0))) + pb::Input("b", "INT32", {3}),
       "unable to find data for input tensor 'b' for model 'm' in request."},
  };
  for (const Refusal& refusal : cases) {
    const base::Status status = Read(refusal.message);
    EXPECT_EQ(status.message(), refusal.text);
    EXPECT_EQ(status.code(), refusal.code) << refusal.text;
    EXPECT_EQ(request.model_name, "m") << refusal.text;
  }
}

TEST_F(GrpcInferRequest, ReadsParameters) {
  ASSERT_TRUE(
      Read(pb::Parameter("b", pb::Bool(true)) + pb::Parameter("i", pb::Int64(-4)) +
           pb::Parameter("d", pb::Double(0.5)) + pb::Parameter("u", pb::Uint64(UINT64_MAX)) +
           pb::Parameter("s", pb::String("t")) + pb::Parameter("i", pb::Int64(5)) +
           pb::Parameter("priority", pb::Uint64(3)) + pb::Parameter("timeout", pb::Int64(9)) +
           pb::Parameter("sequence_id", pb::String("q")) +
           pb::Parameter("sequence_start", pb::Bool(true)) +
           pb::Parameter("sequence_end", pb::Bool(true)) +
           pb::Parameter("triton_enable_empty_final_response", pb::Bool(true)) + Plain())
          .ok());
  ASSERT_EQ(request.parameters.size(), 5u);
  EXPECT_EQ(std::get<bool>(request.parameters[0].value), true);
  EXPECT_EQ(std::get<int64_t>(request.parameters[1].value), 5);
  EXPECT_EQ(std::get<double>(request.parameters[2].value), 0.5);
  EXPECT_EQ(std::get<uint64_t>(request.parameters[3].value), UINT64_MAX);
  EXPECT_EQ(std::get<std::string_view>(request.parameters[4].value), "t");
  EXPECT_EQ(request.priority, 3u);
  EXPECT_EQ(request.timeout_us, 9u);
  EXPECT_EQ(std::get<std::string_view>(request.correlation_id), "q");
  EXPECT_TRUE(request.sequence_start);
  EXPECT_TRUE(request.sequence_end);
  ASSERT_TRUE(Read(pb::Parameter("sequence_id", pb::Int64(-1)) + Plain()).ok());
  EXPECT_EQ(std::get<uint64_t>(request.correlation_id), UINT64_MAX);
}

TEST_F(GrpcInferRequest, ReadsOutputParameters) {
  ASSERT_TRUE(Read(Plain() + pb::Output("x", pb::Entry(2, "classification", pb::Int64(3))) +
                   pb::Output("y", pb::Entry(2, "binary_data", pb::Bool(true))))
                  .ok());
  EXPECT_EQ(request.wanted[0].classification, 3u);
  EXPECT_EQ(request.wanted[1].classification, 0u);
}

struct Typed {
  std::string type;
  std::string fields;
  std::string bytes;
};

TEST_F(GrpcInferRequest, ConvertsTypedContents) {
  const auto minus = [](int64_t value) { return static_cast<uint64_t>(value); };
  const std::vector<Typed> cases{
      {"BOOL", pb::Packed(1, {1, 0, 7}), std::string("\1\0\1", 3)},
      {"INT8", pb::Packed(2, {1, 300, minus(-129)}), pb::Raw<int8_t>({1, 44, 127})},
      {"INT16", pb::Packed(2, {1, 70000, minus(-1)}), pb::Raw<int16_t>({1, 4464, -1})},
      {"INT32", pb::Packed(2, {1, 2, minus(-3)}), pb::Raw<int32_t>({1, 2, -3})},
      {"INT64", pb::Packed(3, {1, minus(INT64_MIN)}), pb::Raw<int64_t>({1, INT64_MIN})},
      {"UINT8", pb::Packed(4, {1, 300}), pb::Raw<uint8_t>({1, 44})},
      {"UINT16", pb::Packed(4, {65537}), pb::Raw<uint16_t>({1})},
      {"UINT32", pb::Packed(4, {UINT32_MAX}), pb::Raw<uint32_t>({UINT32_MAX})},
      {"UINT64", pb::Packed(5, {UINT64_MAX}), pb::Raw<uint64_t>({UINT64_MAX})},
      {"FP32", pb::Text(6, pb::Raw({1.5f, -0.0f})), pb::Raw({1.5f, -0.0f})},
      {"FP64", pb::Text(7, pb::Raw({1.5})), pb::Raw({1.5})},
      {"BYTES", pb::Text(8, "ab") + pb::Text(8, "") + pb::Text(8, "\xFF"),
       std::string("\2\0\0\0ab\0\0\0\0\1\0\0\0\xFF", 15)},
      // unpacked, mixed, in several runs, empty
      {"INT32", pb::Int(2, 1) + pb::Packed(2, {2, 3}) + pb::Int(2, 4),
       pb::Raw<int32_t>({1, 2, 3, 4})},
      {"FP32", pb::Key(6, 5) + pb::Raw({1.0f}) + pb::Text(6, pb::Raw({2.0f})),
       pb::Raw({1.0f, 2.0f})},
      {"FP64", pb::Key(7, 1) + pb::Raw({1.0}), pb::Raw({1.0})},
      {"FP32", "", ""},
      {"FP32", pb::Text(6, "") + pb::Packed(2, {}), ""},
  };
  for (const Typed& typed : cases) {
    ASSERT_TRUE(
        Read(pb::Text(1, "m") + pb::Input("a", typed.type, {3}, pb::Contents(typed.fields))).ok())
        << typed.type;
    EXPECT_EQ(Data(0), typed.bytes) << typed.type;
  }
}

TEST_F(GrpcInferRequest, MergesContentsThatComeInTwoPiecesBeforeTheType) {
  ASSERT_TRUE(Read(pb::Text(5, pb::Contents(pb::Packed(2, {1})) + pb::Contents(pb::Packed(2, {2})) +
                                   pb::Text(2, "INT16") + pb::Text(1, "a")))
                  .ok());
  EXPECT_EQ(Data(0), pb::Raw<int16_t>({1, 2}));
}

TEST_F(GrpcInferRequest, UnknownDatatypeIsLeftToTheValidator) {
  ASSERT_TRUE(Read(pb::Text(1, "m") + pb::Input("a", "INT99", {3}) + pb::RawInput(kOnes)).ok());
  EXPECT_EQ(request.inputs[0].data_type_name, "<invalid>");
}

TEST_F(GrpcInferRequest, TooManyDimensionsTensorsAndParameters) {
  const std::string shape(33, '\1');
  EXPECT_EQ(Read(pb::Text(1, "m") + pb::Text(5, pb::Text(1, "a") + pb::Text(3, shape))).message(),
            "input 'a' for model 'm' has more than 32 dimensions");
  std::string inputs;
  for (int i = 0; i < 4097; ++i) inputs += pb::Text(5, "");
  EXPECT_EQ(Read(inputs).message(), "a request may have at most 4096 inputs");
  std::string outputs = Plain();
  for (int i = 0; i < 4097; ++i) outputs += pb::Text(6, "");
  EXPECT_EQ(Read(outputs).message(), "a request may have at most 4096 outputs");
  std::string parameters = Plain();
  for (int i = 0; i < 1025; ++i)
    parameters += pb::Parameter("p" + std::to_string(i), pb::Bool(true));
  EXPECT_EQ(Read(parameters).message(), "a request may have at most 1024 parameters");
}

TEST_F(GrpcInferRequest, FullMemoryIsUnavailable) {
  memory.allow = 0;
  EXPECT_EQ(Read(pb::Text(1, "m") + pb::Input("a", "INT32", {1}, pb::Contents(pb::Packed(2, {1}))))
                .code(),
            StatusCode::kUnavailable);
}

std::string Rich() {
  return pb::Text(1, "model") + pb::Text(2, "1") + pb::Text(3, "id") +
         pb::Parameter("p", pb::String("v")) + pb::Parameter("sequence_id", pb::Int64(4)) +
         pb::Input("a", "INT32", {3, 1}, pb::Contents(pb::Packed(2, {1, 2, 300}))) +
         pb::Input("b", "BYTES", {1},
                   pb::Entry(4, "x", pb::Double(1)) + pb::Contents(pb::Text(8, "xy"))) +
         pb::Output("o", pb::Entry(2, "classification", pb::Int64(1)));
}

TEST_F(GrpcInferRequest, TruncatedAtEveryLengthNeitherReadsTooFarNorKeepsMemory) {
  for (const std::string& message : {Rich(), Plain()}) {
    for (size_t length = 0; length < message.size(); ++length) {
      [[maybe_unused]] const base::Status status = Read(message.substr(0, length));
    }
    EXPECT_TRUE(Read(message).ok());
  }
  request.Reset();
  EXPECT_EQ(memory.alive, 0u);
}

TEST_F(GrpcInferRequest, FlippedBytesNeverAskForMoreThanEightTimesTheMessage) {
  std::mt19937 random(7);
  const std::string good = Rich();
  for (int round = 0; round < 60'000; ++round) {
    std::string message = good;
    const int flips = 1 + static_cast<int>(random() % 3);
    for (int i = 0; i < flips; ++i)
      message[random() % message.size()] = static_cast<char>(random());
    if (Read(message).ok()) {
      for (size_t i = 0; i < request.inputs.size(); ++i) Data(i);
    }
  }
  EXPECT_LE(memory.largest, 8 * good.size());
  request.Reset();
  EXPECT_EQ(memory.alive, 0u);
}

}  // namespace
}  // namespace serving::protocol
