// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/http_infer_request.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>
#include <vector>

#include "protocol/test_memory.h"
#include "protocol/test_protobuf.h"

namespace serving::protocol {
namespace {

using base::StatusCode;

constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();

class HttpInferRequest : public testing::Test {
 protected:
  base::Status Read(std::string_view json, std::string_view tail = {}, bool has_header = false) {
    has_header |= !tail.empty();
    const std::string length = std::to_string(json.size());
    return ReadBody(std::string(json) + std::string(tail),
                    has_header ? std::optional<std::string_view>(length) : std::nullopt);
  }
  base::Status ReadBody(std::string_view body, std::optional<std::string_view> header_length) {
    request.Reset();
    request.model_name = "m";
    return ReadHttpInferRequest(memory.Hold(body), body.size(), header_length, max_json_bytes,
                                memory, plan, request, real16);
  }
  std::string Data(size_t input = 0) const {
    std::string all;
    for (const auto& part : request.inputs[input].parts) all += TextOf({part.data, part.size});
    EXPECT_EQ(all.size(), request.inputs[input].byte_size);
    return all;
  }

  HeapAllocator memory;
  size_t max_json_bytes = kNoLimit;
  const core::ModelPlan* plan = nullptr;
  Real16Json real16 = Real16Json::kRefused;
  core::InferRequest request;
};

std::string Input(std::string_view type, std::string_view shape, std::string_view data) {
  return R"({"name":"a","shape":)" + std::string(shape) + R"(,"datatype":")" + std::string(type) +
         R"(","data":)" + std::string(data) + "}";
}
// The same with the array where only the slow reader gets it.
std::string DataFirst(std::string_view type, std::string_view shape, std::string_view data) {
  return R"({"data":)" + std::string(data) + R"(,"name":"a","shape":)" + std::string(shape) +
         R"(,"datatype":")" + std::string(type) + R"("})";
}
std::string Inputs(std::string_view input) { return R"({"inputs":[)" + std::string(input) + "]}"; }
std::string Ok() { return Input("INT32", "[3]", "[1,2,3]"); }

TEST_F(HttpInferRequest, ReadsAWholeRequest) {
  ASSERT_TRUE(Read(
                  R"( { "id" : "i\u00e9\ud83d\ude00\"/" , "parameters" : {"sequence_id":7,
      "sequence_start":true,
      "sequence_end":false,"priority":2,"timeout":99,"binary_data_output":true,"s":"t","i":-4,
      "u":18446744073709551615,
      "d":1.5,"b":false,"s":"again"},
      "inputs":[{"name":"a","shape":[2,1],"datatype":"FP32","data":[[1],[2.5]]},
                {"name":"b\n","datatype":"BYTES","shape":[2],"data":["x","\u0000\u20ac"]}],
      "outputs":[{"name":"x"},{"name":"y","parameters":{"binary_data":true,"classification":3}}],
      "other":[{"a":{}}] } )")
                  .ok());
  EXPECT_EQ(request.id, "i\xC3\xA9\xF0\x9F\x98\x80\"/");
  EXPECT_EQ(std::get<uint64_t>(request.correlation_id), 7u);
  EXPECT_TRUE(request.sequence_start);
  EXPECT_FALSE(request.sequence_end);
  EXPECT_EQ(request.priority, 2u);
  EXPECT_EQ(request.timeout_us, 99u);
  EXPECT_TRUE(request.binary_by_default);
  ASSERT_EQ(request.parameters.size(), 5u);
  EXPECT_EQ(std::get<std::string_view>(request.parameters[0].value), "t");
  EXPECT_EQ(std::get<int64_t>(request.parameters[1].value), -4);
  EXPECT_EQ(std::get<uint64_t>(request.parameters[2].value), UINT64_MAX);
  EXPECT_EQ(std::get<double>(request.parameters[3].value), 1.5);
  EXPECT_EQ(std::get<bool>(request.parameters[4].value), false);
  ASSERT_EQ(request.inputs.size(), 2u);
  EXPECT_EQ(request.inputs[0].shape.ToString(), "[2,1]");
  EXPECT_EQ(Data(0), pb::Raw({1.0f, 2.5f}));
  EXPECT_EQ(request.inputs[1].name, "b\n");
  EXPECT_EQ(Data(1), std::string("\1\0\0\0x\4\0\0\0\0\xE2\x82\xAC", 13));
  ASSERT_EQ(request.wanted.size(), 2u);
  EXPECT_FALSE(request.wanted[0].binary);
  EXPECT_TRUE(request.wanted[1].binary);
  EXPECT_EQ(request.wanted[1].classification, 3u);
}

TEST_F(HttpInferRequest, TakesTheFirstOfEqualKeys) {
  ASSERT_TRUE(Read(
                  R"({"id":"a","id":3,"inputs":[{"name":"a","name":"b","shape":[1],"shape":[9],
      "datatype":"INT8",
      "datatype":"X","data":[4],"data":["no"]}],"inputs":3,
      "outputs":[],"outputs":5,"parameters":{},"parameters":4})")
                  .ok());
  EXPECT_EQ(request.id, "a");
  EXPECT_EQ(request.inputs[0].name, "a");
  EXPECT_EQ(Data(), "\4");
}

TEST_F(HttpInferRequest, KeysMayBeEscapedAndInAnyOrder) {
  ASSERT_TRUE(
      Read(R"({"\u0069nputs":[{"d\u0061ta":[1,2],"datatype":"INT8","shape":[2],"n\u0061me":"a"}]})")
          .ok());
  EXPECT_EQ(Data(), "\1\2");
}

TEST_F(HttpInferRequest, PassesOverAByteOrderMark) {
  ASSERT_TRUE(Read("\xEF\xBB\xBF " + Inputs(Ok())).ok());
  EXPECT_EQ(request.inputs.size(), 1u);
}

TEST_F(HttpInferRequest, BinaryTail) {
  const auto input = [](std::string_view name, size_t size) {
    return R"({"name":")" + std::string(name) +
           R"(","shape":[1],"datatype":"INT32","parameters":{"binary_data_size":)" +
           std::to_string(size) + "}}";
  };
  ASSERT_TRUE(
      Read(Inputs(input("a", 4) + "," + Ok() + "," + input("b", 2) + "," + input("c", 0)), "1234xy")
          .ok());
  EXPECT_EQ(Data(0), "1234");
  EXPECT_EQ(Data(2), "xy");
  EXPECT_EQ(Data(3), "");
  const auto* body = request.body->data();
  EXPECT_GT(request.inputs[0].parts[0].data, body);
  EXPECT_EQ(Read(Inputs(input("a", 4)), "12345").message(),
            "unexpected additional input data for model 'm'");
  EXPECT_EQ(Read(Inputs(input("a", 4)), "1").message(),
            "unexpected size for input 'a', expecting 3 additional bytes for model 'm'");
  EXPECT_EQ(Read(Inputs(input("a", UINT64_MAX)), "1234").message(),
            "unexpected size for input 'a', expecting 18446744073709551611 additional bytes for "
            "model 'm'");
  EXPECT_EQ(Read(Inputs(input("a", 4))).message(),
            "unexpected size for input 'a', expecting 4 additional bytes for model 'm'");
}

TEST_F(HttpInferRequest, HeaderLength) {
  const std::string body = Inputs(Ok());
  const std::string range =
      "inference header size should be in range (0, " + std::to_string(body.size()) + "), got: ";
  for (const char* text : {"-1", "99999", "18446744073709551616", "-99999999999999999999"}) {
    EXPECT_EQ(ReadBody(body, text).message(), range + text);
  }
  // As Triton reads the header: leading digits count, none are 0.
  for (const std::string& text :
       {"+" + std::to_string(body.size()), std::to_string(body.size()) + "b"}) {
    EXPECT_TRUE(ReadBody(body, text).ok()) << text;
  }
  for (const char* text : {"abc", "", "-0", "0x5a"}) {
    EXPECT_EQ(ReadBody(body, text).message(), "a request without JSON needs a model with one input")
        << text;
  }
  EXPECT_TRUE(ReadBody(body, std::to_string(body.size())).ok());
  EXPECT_EQ(
      ReadBody(body, "5").message(),
      "failed to parse the request JSON buffer: Missing a closing quotation mark in string. at 5");
}

struct Malformed {
  std::string json;
  std::string text;
};

TEST_F(HttpInferRequest, MalformedJsonSaysWhatAndWhere) {
  const std::string ok = Inputs(Ok());
  const auto data = [](std::string_view text) {
    return R"({"inputs":[{"data":)" + std::string(text);
  };
  const std::vector<Malformed> cases{
      {"\xEF\xBB\xBF", "The document is empty. at 3"},
      {"\xEF\xBB\xBFx", "Invalid value. at 3"},
      {" \n", "The document is empty. at 2"},
      {"{", "Missing a name for object member. at 1"},
      {"nul", "Invalid value. at 3"},
      {"tru", "Invalid value. at 3"},
      {"}", "Invalid value. at 0"},
      {ok + " x", "The document root must not be followed by other values. at " +
                      std::to_string(ok.size() + 1)},
      {ok + "{}",
       "The document root must not be followed by other values. at " + std::to_string(ok.size())},
      {ok + std::string(1, '\0'),
       "The document root must not be followed by other values. at " + std::to_string(ok.size())},
      {R"({"a")", "Missing a colon after a name of object member. at 4"},
      {R"({"a":1,})", "Missing a name for object member. at 7"},
      {R"({"a":1 "b")", "Missing a comma or '}' after an object member. at 7"},
      {R"({a:1})", "Missing a name for object member. at 1"},
      {data("[01"), "Missing a comma or ']' after an array element. at 21"},
      {data("[+1"), "Invalid value. at 20"},
      {data("[1.,"), "Miss fraction part in number. at 22"},
      {data("[.5"), "Invalid value. at 20"},
      {data("[1,]"), "Invalid value. at 22"},
      {data("[,1]"), "Invalid value. at 20"},
      {data("[1 2]"), "Missing a comma or ']' after an array element. at 22"},
      {data("[1}"), "Missing a comma or ']' after an array element. at 21"},
      {data("[1,2"), "Missing a comma or ']' after an array element. at 23"},
      {data("[1e400]"), "Number too big to be stored in double. at 20"},
      {data("[-,1]"), "Invalid value. at 21"},
      {data("[1e,1]"), "Miss exponent in number. at 22"},
      {data("[Nan]"), "Invalid value. at 22"},
      {data("[Infinite]"), "Invalid value. at 27"},
      {data(R"(["\x"])"), "Invalid escape character in string. at 21"},
      {data(R"(["\u12"])"), "Incorrect hex digit after \\u escape in string. at 21"},
      {data(R"(["\ud800"])"), "The surrogate pair in string is invalid. at 21"},
      {data(R"(["\ud800\u0041"])"), "The surrogate pair in string is invalid. at 21"},
      {data(R"(["\udc00"])"), "The surrogate pair in string is invalid. at 21"},
      {data("[\"a\x01\"]"), "Invalid escape character in string. at 22"},
      {data("[\"a\tb\"]"), "Invalid escape character in string. at 22"},
      {data("[\"a]}]}"), "Missing a closing quotation mark in string. at 26"},
      {data("[\"a\\"), "Invalid escape character in string. at 22"},
      {data("[\"ab\xFF\"]"), "Invalid encoding in string. at 23"},
      {data("[\"\xC3\xA9\xED\xA0\x80\"]"), "Invalid encoding in string. at 23"},
      {data(std::string(101, '[')), "Nesting deeper than 100 levels. at 119"},
      {R"({"x":)" + std::string(100'000, '['), "Nesting deeper than 100 levels. at 105"},
      {std::string(100'000, '['), "Nesting deeper than 100 levels. at 100"},
  };
  for (const Malformed& malformed : cases) {
    const base::Status status = Read(malformed.json);
    EXPECT_EQ(status.message(), "failed to parse the request JSON buffer: " + malformed.text)
        << malformed.json.substr(0, 100);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  }
}

TEST_F(HttpInferRequest, RefusesInTritonsWords) {
  const std::string only =
      "Input must set only one of the following fields: 'data', 'binary_data_size' in "
      "'parameters', "
      "'shared_memory_region' in 'parameters'.";
  const std::string no_string = "attempt to access JSON non-string as string";
  const std::string no_array = "attempt to access JSON non-array as array";
  const std::string no_bool = "attempt to access JSON non-boolean as boolean";
  const std::string no_unsigned = "attempt to access JSON non-unsigned-integer as unsigned-integer";
  const auto with = [](std::string_view member) {
    return "{" + std::string(member) + R"(,"inputs":[)" + Ok() + "]}";
  };
  const auto parameter = [&](std::string_view entry) {
    return with(R"("parameters":{)" + std::string(entry) + "}");
  };
  const auto output = [](std::string_view entry) {
    return R"({"inputs":[)" + Ok() + R"(],"outputs":[)" + std::string(entry) + "]}";
  };
  const std::vector<Malformed> cases{
      {"{}", "Unable to parse 'inputs': attempt to access non-existing object member 'inputs'"},
      {"[]", "Unable to parse 'inputs': attempt to access non-existing object member 'inputs'"},
      {"3", "Unable to parse 'inputs': attempt to access non-existing object member 'inputs'"},
      {R"({"inputs":{}})", "Unable to parse 'inputs': " + no_array},
      {Inputs("3"), only + " But no field is set"},
      {Inputs("{}"), only + " But no field is set"},
      {Inputs(R"({"data":[],"parameters":{"binary_data_size":0}})"),
       only + " But set 'data' 'binary_data_size'"},
      {Inputs(R"({"data":[],"parameters":{"binary_data_size":0,"shared_memory_region":"r"}})"),
       only + " But set 'data' 'binary_data_size' 'shared_memory_region'"},
      {Inputs(R"({"parameters":{"shared_memory_region":"r","binary_data_size":0}})"),
       only + " But set 'binary_data_size' 'shared_memory_region'"},
      {Inputs(R"({"shape":[1],"datatype":"INT8","data":[1]})"),
       "Unable to parse 'name': attempt to access non-existing object member 'name'"},
      {Inputs(R"({"name":3,"shape":3,"datatype":3,"data":[1]})"),
       "Unable to parse 'name': " + no_string},
      {Inputs(R"({"name":"a","shape":3,"datatype":3,"data":[1]})"),
       "Unable to parse 'datatype': " + no_string},
      {Inputs(R"({"name":"a","shape":3,"data":[1]})"),
       "Unable to parse 'datatype': attempt to access non-existing object member 'datatype'"},
      {Inputs(R"({"name":"a","datatype":"X","data":[1]})"),
       "Unable to parse 'shape': attempt to access non-existing object member 'shape'"},
      {Inputs(R"({"name":"a","shape":3,"datatype":"X","data":[1]})"),
       "Unable to parse 'shape': " + no_array},
      {Inputs(Input("X", "[\"a\"]", "[1]")), "Unable to parse 'shape': " + no_unsigned},
      {Inputs(Input("INT32", "[3.0]", "[1,2,3]")), "Unable to parse 'shape': " + no_unsigned},
      {Inputs(Input("INT32", "[-1]", "[1,2,3]")), "Unable to parse 'shape': " + no_unsigned},
      {Inputs(Input("int32", "[1]", "[1]")), "invalid datatype for input a"},
      {Inputs(
           R"({"name":"a","shape":[1],"datatype":"INT8","parameters":{"shared_memory_region":3}})"),
       "Unable to parse 'shared_memory_region': " + no_string},
      {Inputs(R"({"name":"a","shape":[1],"datatype":"INT8","parameters":{"binary_data_size":-1}})"),
       "Unable to parse 'binary_data_size': " + no_unsigned},
      {with(R"("id":3)"), "Unable to parse 'id': " + no_string},
      {with(R"("id":null)"), "Unable to parse 'id': " + no_string},
      {with(R"("parameters":3)"),
       "failed to get request params.: attempt to get members for non-object"},
      {parameter(R"("a":null)"),
       "parameter 'a' has invalid type. It should be either 'int', 'bool', or 'string'."},
      {parameter(R"("a":[])"),
       "parameter 'a' has invalid type. It should be either 'int', 'bool', or 'string'."},
      {parameter(R"("sequence_id":-5)"), "Unable to parse 'sequence_id': " + no_string},
      {parameter(R"("sequence_id":true)"), "Unable to parse 'sequence_id': " + no_string},
      {parameter(R"("sequence_start":1)"), "Unable to parse 'sequence_start': " + no_bool},
      {parameter(R"("sequence_end":"x")"), "Unable to parse 'sequence_end': " + no_bool},
      {parameter(R"("priority":1.0)"), "Unable to parse 'priority': " + no_unsigned},
      {parameter(R"("timeout":-1)"), "Unable to parse 'timeout': " + no_unsigned},
      {parameter(R"("binary_data_output":1)"), "Unable to parse 'binary_data_output': " + no_bool},
      {parameter(R"("triton_x":1,"sequence_start":1)"),
       "parameter keys starting with 'triton_' are reserved for Triton usage and should not be "
       "specified."},
      {output("3"), "Unable to parse 'name': attempt to access non-existing object member 'name'"},
      {output(R"({"name":3})"), "Unable to parse 'name': " + no_string},
      {output(R"({"name":"x","parameters":{"binary_data":1}})"),
       "Unable to parse 'binary_data': " + no_bool},
      {output(R"({"name":"x","parameters":{"classification":-1}})"),
       "Unable to set 'classification': " + no_unsigned},
      {output(R"({"name":"x","parameters":{"shared_memory_region":"r","classification":1}})"),
       "Output can't set both 'shared_memory_region' and 'classification'"},
      {R"({"inputs":[)" + Ok() + R"(],"outputs":3})", "Unable to parse 'outputs': " + no_array},
      // id before parameters before inputs before outputs, wherever they stand
      {R"({"outputs":3,"inputs":3,"parameters":3,"id":3})", "Unable to parse 'id': " + no_string},
      {R"({"outputs":3,"inputs":3,"parameters":3})",
       "failed to get request params.: attempt to get members for non-object"},
      {R"({"outputs":3,"inputs":3})", "Unable to parse 'inputs': " + no_array},
  };
  for (const Malformed& malformed : cases) {
    const base::Status status = Read(malformed.json);
    EXPECT_EQ(status.message(), malformed.text) << malformed.json;
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << malformed.json;
  }
  EXPECT_EQ(Read(parameter("\"sequence_id\":\"" + std::string(129, 'x') + '"')).code(),
            StatusCode::kUnimplemented);
  for (
      const std::string& json :
      {Inputs(
           R"({"name":"a","shape":[1],"datatype":"INT8","parameters":{"shared_memory_region":"r"}})"),
       output(R"({"name":"x","parameters":{"shared_memory_region":"r"}})")}) {
    EXPECT_EQ(Read(json).code(), StatusCode::kUnimplemented);
  }
}

struct Elements {
  std::string type;
  std::string data;
  std::string bytes;
  std::string shape = "[3]";
};

TEST_F(HttpInferRequest, ReadsEveryDatatype) {
  const double inf = std::numeric_limits<double>::infinity();
  const float inff = std::numeric_limits<float>::infinity();
  const std::vector<Elements> cases{
      {"BOOL", "[true,false,true]", std::string("\1\0\1", 3)},
      {"UINT8", "[1,300,18446744073709551615]", pb::Raw<uint8_t>({1, 44, 255})},
      {"UINT16", "[1,65537,2]", pb::Raw<uint16_t>({1, 1, 2})},
      {"UINT32", "[1,4294967297,2]", pb::Raw<uint32_t>({1, 1, 2})},
      {"UINT64", "[18446744073709551615,0,9223372036854775808]",
       pb::Raw<uint64_t>({UINT64_MAX, 0, uint64_t{1} << 63})},
      {"INT8", "[-1,128,-129]", pb::Raw<int8_t>({-1, -128, 127})},
      {"INT16", "[1,70000,-1]", pb::Raw<int16_t>({1, 4464, -1})},
      {"INT32", "[2147483648,-2147483649,4294967297]", pb::Raw<int32_t>({INT32_MIN, INT32_MAX, 1})},
      {"INT32", "[9223372036854775807,-9223372036854775808,-0]", pb::Raw<int32_t>({-1, 0, 0})},
      {"INT64", "[9007199254740993,-9223372036854775808,9223372036854775807]",
       pb::Raw<int64_t>({9007199254740993, INT64_MIN, INT64_MAX})},
      {"FP32", "[1,0.1,-2.5e3]", pb::Raw({1.0f, 0.1f, -2500.0f})},
      {"FP32", "[1e39,-1e39,1e-50]", pb::Raw({inff, -inff, 0.0f})},
      {"FP32", "[Infinity,-Inf,16777217]", pb::Raw({inff, -inff, 16777216.0f})},
      {"FP64", "[1.7976931348623157e308,5e-324,-0.0]",
       pb::Raw({1.7976931348623157e308, 5e-324, -0.0})},
      {"FP64", "[18446744073709551615,123456789012345678901,-Infinity]",
       pb::Raw({1.8446744073709552e19, 1.2345678901234568e20, -inf})},
      {"FP64", "[1e-400,-1e-400,0.00000000000000000000001]", pb::Raw({0.0, -0.0, 1e-23})},
      {"BYTES", R"(["ab","","\"\\\/\b\f\n\r\t"])",
       std::string("\2\0\0\0ab\0\0\0\0\x8\0\0\0\"\\/\b\f\n\r\t", 22)},
      // nesting is free, and white space too
      {"INT8", "[[1],[2,3]]", "\1\2\3"},
      {"INT8", "[ [ [ 1 ,\n2,\t3 ] ] ]", "\1\2\3"},
      {"INT8", "[[],1,2,[[],3]]", "\1\2\3"},
      {"INT8", std::string(100, '[') + "1,2,3" + std::string(100, ']'), "\1\2\3"},
      {"BYTES", R"(["a",["b",["c"]]])", std::string("\1\0\0\0a\1\0\0\0b\1\0\0\0c", 15)},
      // no elements, whatever stands there
      {"INT8", "[]", "", "[0]"},
      {"INT8", "[[]]", "", "[0]"},
      {"INT8", "[1]", "", "[0,5]"},
      {"FP16", "[]", "", "[0]"},
      {"INT8", "[7,8]", "", "[]"},
      {"BYTES", "[]", "", "[0]"},
      // how many strings there are is the validator's matter
      {"BYTES", R"(["a"])", std::string("\1\0\0\0a", 5)},
  };
  for (const Elements& elements : cases) {
    for (const std::string& input : {Input(elements.type, elements.shape, elements.data),
                                     DataFirst(elements.type, elements.shape, elements.data)}) {
      const base::Status status = Read(Inputs(input));
      ASSERT_TRUE(status.ok()) << input << status.message();
      EXPECT_EQ(Data(), elements.bytes) << input;
    }
  }
}

TEST_F(HttpInferRequest, NotANumberBecomesOne) {
  for (const char* text : {"[NaN]", "[-NaN]"}) {
    ASSERT_TRUE(Read(Inputs(Input("FP32", "[1]", text))).ok());
    float value;
    std::memcpy(&value, Data().data(), sizeof(value));
    EXPECT_NE(value, value);
  }
}

TEST_F(HttpInferRequest, WrongData) {
  const std::string shape =
      "Unable to parse 'data': Shape does not match true shape of 'data' field";
  const std::string start = "Unable to parse 'data': attempt to access JSON ";
  const std::string no_signed = start + "non-signed-integer as signed-integer";
  const std::string no_unsigned = start + "non-unsigned-integer as unsigned-integer";
  const std::string no_array = start + "non-array as array";
  const std::vector<Elements> cases{
      {"INT32", "[1,2]", shape},
      {"INT32", "[1,2,3,4]", shape},
      {"INT32", "[]", shape},
      {"INT32", "[1,2,3]", shape, "[9223372036854775807,4]"},
      {"INT32", "[1,2,3]", shape, "[9223372036854775808]"},
      {"INT32", "[1,2,3]", shape, "[4611686018427387904]"},
      {"INT32", "[]", shape, "[4611686018427387904,4]"},
      {"INT32", "[1,2,3,\"x\"]", shape},
      {"INT32", "[\"x\",2,3,4]", no_signed},
      {"INT32", "[\"x\"]", no_signed, "[4611686018427387904]"},
      {"INT32", "1", no_array},
      {"INT32", "{}", no_array},
      {"INT32", "null", no_array},
      {"INT32", "[1,null,3]", no_signed},
      {"INT32", "[1,2.0,3]", no_signed},
      {"INT32", "[1,1e2,3]", no_signed},
      {"INT32", "[1,true,3]", no_signed},
      {"INT32", "[1,\"2\",3]", no_signed},
      {"INT32", "[1,{\"a\":[1,2]},3]", no_signed},
      {"INT32", "[9223372036854775808,1,1]", no_signed},
      {"INT32", "[12345678901234567890123,1,1]", no_signed},
      {"INT32", "[NaN,1,1]", no_signed},
      {"UINT8", "[-1,0,1]", no_unsigned},
      {"UINT64", "[18446744073709551616,0,1]", no_unsigned},
      {"BOOL", "[1,0,1]", start + "non-boolean as boolean"},
      {"FP32", "[true,1,1]", start + "non-number as double"},
      {"FP64", "[\"1\",1,1]", start + "non-number as double"},
      {"BYTES", "[\"a\",1,\"\"]",
       "Unable to parse JSON bytes array: attempt to access JSON non-string as string"},
      {"BYTES", "1", no_array},
      {"FP16", "[1,2,3]",
       "receiving FP16 data via JSON is not supported. Please use the binary data format for input "
       "a"},
      {"BF16", "[1,2,3]",
       "receiving BF16 data via JSON is not supported. Please use the binary data format for input "
       "a"},
  };
  for (const Elements& elements : cases) {
    for (const std::string& input : {Input(elements.type, elements.shape, elements.data),
                                     DataFirst(elements.type, elements.shape, elements.data)}) {
      EXPECT_EQ(Read(Inputs(input)).message(), elements.bytes) << input;
    }
  }
  EXPECT_LT(memory.largest, 1000u) << "a claimed shape must not cost memory";
}

TEST_F(HttpInferRequest, Real16WhereItIsTaken) {
  real16 = Real16Json::kTaken;
  const Elements cases[] = {
      {"FP16", "[1,-2.5,65504,0.1]", pb::Raw<uint16_t>({0x3c00, 0xc100, 0x7bff, 0x2e66}), "[4]"},
      {"FP16", "[1e30,-Infinity,NaN,-0.0,5e-8]",
       pb::Raw<uint16_t>({0x7c00, 0xfc00, 0x7e00, 0x8000, 1}), "[5]"},
      {"BF16", "[[1,3.14],[1e39,-1e-41]]", pb::Raw<uint16_t>({0x3f80, 0x4049, 0x7f80, 0x8000}),
       "[2,2]"},
  };
  for (const Elements& elements : cases) {
    for (const std::string& input : {Input(elements.type, elements.shape, elements.data),
                                     DataFirst(elements.type, elements.shape, elements.data)}) {
      ASSERT_TRUE(Read(Inputs(input)).ok()) << input;
      EXPECT_EQ(Data(), elements.bytes) << input;
    }
  }
  EXPECT_EQ(Read(Inputs(Input("FP16", "[1]", "[true]"))).message(),
            "Unable to parse 'data': attempt to access JSON non-number as double");
  EXPECT_EQ(Read(Inputs(Input("BF16", "[1]", "[1,2]"))).message(),
            "Unable to parse 'data': Shape does not match true shape of 'data' field");
}

TEST_F(HttpInferRequest, SizeLimits) {
  const std::string json = Inputs(Input("INT64", "[9]", "[1,2,3,4,5,6,7,8,9]"));
  max_json_bytes = json.size() - 1;
  EXPECT_EQ(Read(json).message(), "Request JSON size of " + std::to_string(json.size()) +
                                      " bytes exceeds the maximum allowed value of " +
                                      std::to_string(json.size() - 1) +
                                      " bytes. Use --http-max-input-size to increase the limit.");
  std::string numbers = "[1";
  for (int i = 1; i < 100; ++i) numbers += ",1";
  max_json_bytes = 500;
  EXPECT_EQ(Read(Inputs(Input("INT64", "[100]", numbers + "]"))).message(),
            "Request JSON size of 800 bytes exceeds the maximum allowed value of 500 bytes. Use "
            "--http-max-input-size to increase the limit.");
}

TEST_F(HttpInferRequest, BoundedNumbersOfThings) {
  std::string inputs = Ok();
  for (int i = 0; i < 4096; ++i) inputs += "," + Ok();
  EXPECT_EQ(Read(Inputs(inputs)).message(), "a request may have at most 4096 inputs");
  std::string outputs = R"({"name":"x"})";
  for (int i = 0; i < 4096; ++i) outputs += R"(,{"name":"x"})";
  EXPECT_EQ(Read(R"({"inputs":[],"outputs":[)" + outputs + "]}").message(),
            "a request may have at most 4096 outputs");
  std::string parameters = R"("p":1)";
  for (int i = 0; i < 1024; ++i) parameters += ",\"p" + std::to_string(i) + "\":1";
  EXPECT_EQ(Read(R"({"inputs":[],"parameters":{)" + parameters + "}}").message(),
            "a request may have at most 1024 parameters");
  std::string shape = "[1";
  for (int i = 0; i < 32; ++i) shape += ",1";
  EXPECT_EQ(Read(Inputs(Input("INT8", shape + "]", "[1]"))).message(),
            "Unable to parse 'shape': more than 32 dimensions");
}

TEST_F(HttpInferRequest, FullMemoryIsUnavailable) {
  memory.allow = 0;
  EXPECT_EQ(Read(Inputs(Ok())).code(), StatusCode::kUnavailable);
  EXPECT_EQ(Read(Inputs(Input("BYTES", "[1]", R"(["a"])"))).code(), StatusCode::kUnavailable);
}

TEST_F(HttpInferRequest, RawBody) {
  core::ModelPlan model;
  model.name = "m";
  model.inputs.resize(1);
  tensor::TensorDescriptor& input = model.inputs[0].tensor;
  input.name = "a";
  plan = &model;
  const auto set = [&](tensor::DataType type, std::initializer_list<int64_t> dims, int64_t batch) {
    input.data_type = type;
    input.dims = tensor::Shape(std::span(dims.begin(), dims.size()));
    model.max_batch_size = batch;
  };
  const std::string prefix = "[request id: <id_unknown>] ";
  set(tensor::DataType::kInt32, {-1}, 0);
  ASSERT_TRUE(ReadBody("12345678", "0").ok());
  EXPECT_EQ(request.inputs[0].shape.ToString(), "[2]");
  EXPECT_EQ(Data(), "12345678");
  EXPECT_TRUE(request.binary_by_default);
  EXPECT_EQ(
      ReadBody("1234567", "0").message(),
      prefix + "input byte size mismatch for input 'raw_input' for model 'm'. Expected 4, got 7");
  set(tensor::DataType::kFp32, {-1, 2}, 4);
  ASSERT_TRUE(ReadBody("0123456789abcdef", "0").ok());
  EXPECT_EQ(request.inputs[0].shape.ToString(), "[1,2,2]");
  set(tensor::DataType::kFp32, {3}, 0);
  EXPECT_EQ(
      ReadBody("12345678", "0").message(),
      prefix + "input byte size mismatch for input 'raw_input' for model 'm'. Expected 12, got 8");
  set(tensor::DataType::kFp32, {-1, -1}, 0);
  EXPECT_EQ(ReadBody("12345678", "0").message(),
            prefix +
                "The shape of the raw input 'a' can not be deduced because there are more than one "
                "variable-sized dimension");
  set(tensor::DataType::kFp32, {-1}, 0);
  ASSERT_TRUE(ReadBody("", std::nullopt).ok());
  EXPECT_EQ(request.inputs[0].shape.ToString(), "[0]");
  set(tensor::DataType::kFp32, {-1, 0}, 0);
  EXPECT_TRUE(ReadBody("", "0").ok());
  EXPECT_FALSE(ReadBody("1", "0").ok());
  set(tensor::DataType::kFp32, {INT64_MAX, INT64_MAX, -1}, 0);
  EXPECT_FALSE(ReadBody("1234", "0").ok());
  set(tensor::DataType::kBytes, {1}, 2);
  ASSERT_TRUE(ReadBody("abc", "0").ok());
  EXPECT_EQ(request.inputs[0].shape.ToString(), "[1,1]");
  EXPECT_EQ(Data(), std::string("\3\0\0\0abc", 7));
  set(tensor::DataType::kBytes, {-1}, 0);
  EXPECT_EQ(ReadBody("abc", "0").message(),
            prefix + "For BYTE datatype raw input 'a', the model must have input shape [1]");
  model.inputs.resize(2);
  EXPECT_EQ(ReadBody("abc", "0").message(), prefix +
                                                "Raw request must only have 1 input (found 1) to "
                                                "be deduced but got 2 inputs in 'm' model "
                                                "configuration");
  plan = nullptr;
  EXPECT_FALSE(ReadBody("abc", "0").ok());
}

std::string Rich() {
  return R"({"id":"\u00e9","parameters":{"p":1.5,"sequence_id":"s"},)"
         R"("inputs":[{"name":"a","shape":[3],"datatype":"FP32",)"
         R"("data":[1.5,[-2e3,NaN]]},{"name":"b","datatype":"BYTES",)"
         R"("shape":[2],"data":["x\n","\ud83d\ude00"]},)"
         R"({"name":"c","shape":[2],"datatype":"INT8","parameters":{"binary_data_size":2}}],)"
         R"("outputs":[{"name":"o","parameters":{"binary_data":true}}]})";
}

TEST_F(HttpInferRequest, TruncatedAtEveryLength) {
  const std::string json = Rich();
  ASSERT_TRUE(Read(json, "xy").ok());
  for (size_t length = 1; length < json.size(); ++length) {
    EXPECT_FALSE(Read(json.substr(0, length)).ok()) << length;
  }
  request.Reset();
  EXPECT_EQ(memory.alive, 0u);
}

TEST_F(HttpInferRequest, FlippedBytesNeitherReadTooFarNorCostMemory) {
  std::mt19937 random(11);
  const std::string good = Rich();
  const std::string alphabet = "[]{}\",:0123456789.eE+-truefalsnNI\\u \n\xC3\xFF";
  for (int round = 0; round < 60'000; ++round) {
    std::string json = good;
    const int flips = 1 + static_cast<int>(random() % 3);
    for (int i = 0; i < flips; ++i) {
      const size_t at = random() % json.size();
      switch (random() % 3) {
        case 0:
          json[at] = alphabet[random() % alphabet.size()];
          break;
        case 1:
          json.erase(at, 1 + random() % 4);
          break;
        default:
          json.insert(at, 1, alphabet[random() % alphabet.size()]);
      }
    }
    if (Read(json, "xy").ok()) {
      for (size_t i = 0; i < request.inputs.size(); ++i) Data(i);
    }
  }
  EXPECT_LE(memory.largest, 4 * good.size());
  request.Reset();
  EXPECT_EQ(memory.alive, 0u);
}

// The fast reader of arrays against its plain twin, on arrays that are right or nearly so.
TEST_F(HttpInferRequest, FastAndPlainReadersAgree) {
  std::mt19937_64 random(3);
  const std::vector<std::string> types{"BOOL",  "UINT8", "UINT16", "UINT32", "UINT64", "INT8",
                                       "INT16", "INT32", "INT64",  "FP32",   "FP64"};
  const auto number = [&]() -> std::string {
    switch (random() % 12) {
      case 0:
        return std::to_string(static_cast<int64_t>(random()));
      case 1:
        return std::to_string(random());
      case 2:
        return std::to_string(static_cast<int32_t>(random()) % 1000);
      case 3:
        return random() % 2 == 0 ? "true" : "false";
      case 4:
        return std::to_string(random() % 100) + "." + std::to_string(random());
      case 5:
        return std::to_string(random() % 100) + "e" +
               std::to_string(static_cast<int>(random() % 700) - 350);
      case 6:
        return "-0";
      case 7:
        return "0." + std::string(random() % 30, '0') + std::to_string(random() % 1000);
      case 8:
        return std::to_string(random()) + std::to_string(random());
      case 9:
        return "-" + std::to_string(random() % 1'000'000) + ".125";
      case 10:
        return std::to_string(random() % 256);
      default:
        return std::to_string(random() % 1000) + "." + std::to_string(random() % 100);
    }
  };
  for (int round = 0; round < 20'000; ++round) {
    const bool one_kind = random() % 2 == 0;
    const std::string only = number();
    const size_t count = 1 + random() % 5;
    std::string data = "[";
    for (size_t i = 0; i < count; ++i) data += (i == 0 ? "" : ",") + (one_kind ? only : number());
    data += "]";
    const std::string& type = types[random() % types.size()];
    const std::string shape = "[" + std::to_string(random() % 8 == 0 ? count + 1 : count) + "]";
    const base::Status fast = Read(Inputs(Input(type, shape, data)));
    const std::string fast_data = fast.ok() ? Data() : "";
    const base::Status plain = Read(Inputs(DataFirst(type, shape, data)));
    ASSERT_EQ(fast.ok(), plain.ok()) << type << data;
    if (!fast.ok()) {
      // Offsets differ with the place of the array.
      ASSERT_EQ(fast.message().substr(0, 60), plain.message().substr(0, 60)) << type << data;
    } else {
      ASSERT_EQ(fast_data, Data()) << type << data;
    }
  }
}

}  // namespace
}  // namespace serving::protocol
