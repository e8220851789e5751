// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/region_tensor.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "protocol/grpc_infer_request.h"
#include "protocol/grpc_infer_response.h"
#include "protocol/http_infer_request.h"
#include "protocol/http_infer_response.h"
#include "protocol/test_memory.h"
#include "protocol/test_protobuf.h"

namespace serving::protocol {
namespace {

using base::StatusCode;
using tensor::DataType;

// Part of a region that a client "takes away" by setting `lost`.
class FakeMemory final : public core::ClientMemory {
 public:
  FakeMemory(std::span<std::byte> bytes, base::MemoryKind kind, uint64_t file, uint64_t offset,
             const bool* lost)
      : ClientMemory(bytes, kind, 0, {1, file, offset}), lost_(lost) {}
  base::Status Check() const override {
    return *lost_ ? base::InvalidArgument("taken away") : base::Status();
  }

 private:
  const bool* const lost_;
};

class FakeRegions final : public core::RegionSource {
 public:
  base::Result<core::ClientMemoryRef> Find(std::string_view name, uint64_t offset,
                                           uint64_t byte_size) override {
    const auto found = regions.find(name);
    if (found == regions.end()) return base::NotFound("no region '" + std::string(name) + "'");
    std::string& bytes = found->second;
    if (offset > bytes.size() || byte_size > bytes.size() - offset) {
      return base::InvalidArgument("outside of '" + std::string(name) + "'");
    }
    const auto whole = std::as_writable_bytes(std::span(bytes));
    return core::ClientMemoryRef(base::MakeRef<FakeMemory>(whole.subspan(offset, byte_size), kind,
                                                           reinterpret_cast<uintptr_t>(&bytes),
                                                           offset, &lost));
  }

  std::map<std::string, std::string, std::less<>> regions;
  base::MemoryKind kind = base::MemoryKind::kHost;
  bool lost = false;
};

class RegionTensor : public testing::Test {
 protected:
  RegionTensor() {
    regions.regions["in"] = pb::Raw<int32_t>({1, 2, 3, 4});
    regions.regions["out"] = std::string(32, '.');
    plan.name = "m";
    plan.outputs.resize(3);
    for (size_t i = 0; i < 3; ++i) plan.outputs[i].tensor.name = "o" + std::to_string(i);
  }

  base::Status ReadGrpc(std::string_view message) {
    request.Reset();
    request.body = memory.Hold(message);
    return ReadGrpcInferRequest({request.body->data(), message.size()}, memory, request, &regions);
  }
  base::Status ReadHttp(const std::string& json) {
    request.Reset();
    request.model_name = "m";
    return ReadHttpInferRequest(memory.Hold(json), json.size(), std::nullopt, 1 << 20, memory,
                                nullptr, request, Real16Json::kRefused, &regions);
  }
  std::string Data(size_t input) const {
    std::string all;
    for (const auto& part : request.inputs[input].parts) all += TextOf({part.data, part.size});
    EXPECT_EQ(all.size(), request.inputs[input].byte_size);
    return all;
  }

  // An output of `slot` that looks at the client's memory, as the identity backend makes it.
  void Alias(uint32_t slot, std::string_view region, uint64_t offset, uint64_t size) {
    auto source = regions.Find(region, offset, size).Take();
    client_memory.push_back(source);
    core::OutputTensor& output = response.outputs.emplace_back();
    output.slot = slot;
    output.data_type = DataType::kInt8;
    output.shape = tensor::Shape(std::vector<int64_t>{static_cast<int64_t>(size)});
    output.view = {source->data(), size, base::MemoryKind::kHost, 0};
    output.owner = source;
  }
  void Own(uint32_t slot, std::string_view bytes) {
    core::OutputTensor& output = response.outputs.emplace_back();
    output.slot = slot;
    output.data_type = DataType::kInt8;
    output.shape = tensor::Shape(std::vector<int64_t>{static_cast<int64_t>(bytes.size())});
    output.owner = memory.Hold(bytes);
    output.view = {output.owner->data(), bytes.size(), base::MemoryKind::kHost, 0};
  }
  void Want(uint32_t slot, std::string_view region = {}, uint64_t offset = 0, uint64_t size = 0) {
    core::WantedOutput& output = wanted.emplace_back();
    output.slot = slot;
    output.name = plan.outputs[slot].tensor.name;
    if (region.empty()) return;
    output.place = regions.Find(region, offset, size).Take();
    client_memory.push_back(output.place);
  }
  base::Status Place() { return PlaceOutputs(plan, wanted, client_memory, memory, response); }

  HeapAllocator memory;
  FakeRegions regions;
  core::InferRequest request;
  core::ModelPlan plan;
  core::InferResponse response;
  std::vector<core::WantedOutput> wanted;
  std::vector<core::ClientMemoryRef> client_memory;
};

std::string Region(uint32_t field, std::string_view name, int64_t size, int64_t offset = 0) {
  std::string text = pb::Entry(field, "shared_memory_region", pb::String(name)) +
                     pb::Entry(field, "shared_memory_byte_size", pb::Int64(size));
  if (offset != 0) text += pb::Entry(field, "shared_memory_offset", pb::Int64(offset));
  return text;
}

TEST_F(RegionTensor, GrpcInputsLookIntoTheRegion) {
  ASSERT_TRUE(
      ReadGrpc(pb::Text(1, "m") + pb::Input("a", "INT32", {2}, Region(4, "in", 8, 4))).ok());
  EXPECT_EQ(Data(0), pb::Raw<int32_t>({2, 3}));
  std::memset(regions.regions["in"].data(), 0, 16);
  EXPECT_EQ(Data(0), std::string(8, '\0')) << "no copy";
  ASSERT_EQ(request.client_memory.size(), 1u);
}

TEST_F(RegionTensor, GrpcRawContentsBelongToTheOtherInputs) {
  const std::string in_region = pb::Input("r", "INT32", {1}, Region(4, "in", 4));
  const std::string inputs =
      pb::Input("a", "INT32", {1}) + in_region + pb::Input("b", "INT32", {1});
  const std::string raw = pb::RawInput("aaaa") + pb::RawInput("bbbb");
  for (const std::string& message :
       {inputs + raw, raw + inputs, inputs + raw + pb::RawInput("!")}) {
    ASSERT_TRUE(ReadGrpc(message).ok());
    EXPECT_EQ(Data(0) + Data(1) + Data(2), "aaaa" + pb::Raw<int32_t>({1}) + "bbbb");
  }
  EXPECT_EQ(ReadGrpc(inputs + pb::RawInput("aaaa")).message(),
            "unable to find data for input tensor 'b' for model '' in request.");
  ASSERT_TRUE(ReadGrpc(in_region + pb::RawInput("ignored, as Triton does")).ok());
  EXPECT_EQ(Data(0), pb::Raw<int32_t>({1}));
  ASSERT_TRUE(
      ReadGrpc(in_region + pb::Input("c", "INT32", {1}, pb::Contents(pb::Packed(2, {9})))).ok());
  EXPECT_EQ(Data(1), pb::Raw<int32_t>({9}));
}

TEST_F(RegionTensor, GrpcRefusesInTritonsWords) {
  const auto input = [](std::string_view more) {
    return pb::Text(1, "m") + pb::Input("a", "INT32", {1}, more);
  };
  const auto output = [&](std::string_view more) {
    return input(Region(4, "in", 4)) + pb::Output("x", more);
  };
  const std::string name = pb::Entry(4, "shared_memory_region", pb::String("in"));
  const std::vector<std::pair<std::string, std::string>> cases{
      {input(name),
       "'shared_memory_byte_size' must be specified along with 'shared_memory_region' parameter "
       "for tensor 'a'"},
      {input(name + pb::Entry(4, "shared_memory_byte_size", pb::Bool(true))),
       "invalid value type for 'shared_memory_byte_size' parameter for tensor 'a', expected "
       "int64_param."},
      {input(Region(4, "in", 4) + pb::Entry(4, "shared_memory_offset", pb::String("1"))),
       "invalid value type for 'shared_memory_offset' parameter for tensor 'a', expected "
       "int64_param."},
      {input(Region(4, "in", -1)), "outside of 'in'"},
      {input(Region(4, "in", 4, -1)), "outside of 'in'"},
      {input(Region(4, "none", 4)), "no region 'none'"},
      {input(Region(4, "none", 4) + pb::Contents(pb::Packed(2, {1}))),
       "unexpected 'content' provided when using shared memory for input tensor 'a' for model 'm'"},
      {output(Region(2, "none", 4)), "no region 'none'"},
      {output(Region(2, "out", 33)), "outside of 'out'"},
      {output(Region(2, "none", 4) + pb::Entry(2, "classification", pb::Int64(1))),
       "output can't set both 'shared_memory_region' and 'classification'"},
      {output(pb::Entry(2, "shared_memory_region", pb::String("out"))),
       "'shared_memory_byte_size' must be specified along with 'shared_memory_region' parameter "
       "for tensor 'x'"},
      // inputs before outputs
      {pb::Output("x", Region(2, "none", 4)) + input(Region(4, "nobody", 4)), "no region 'nobody'"},
  };
  for (const auto& [message, text] : cases) EXPECT_EQ(ReadGrpc(message).message(), text);
}

std::string HttpInput(std::string_view parameters, std::string_view type = "INT32",
                      std::string_view more = {}) {
  return R"({"inputs":[{"name":"a","shape":[1],"datatype":")" + std::string(type) +
         R"(","parameters":{)" + std::string(parameters) + "}" + std::string(more) + "}]";
}

TEST_F(RegionTensor, HttpTensorsMayBothBeInRegions) {
  ASSERT_TRUE(
      ReadHttp(
          HttpInput(
              R"("shared_memory_offset":4,"shared_memory_region":"in","shared_memory_byte_size":4)") +
          R"(,"outputs":[{"name":"x","parameters":{"shared_memory_region":"out",)"
          R"("shared_memory_byte_size":8,"shared_memory_offset":8,"binary_data":false}},)"
          R"({"name":"y"}]})")
          .ok());
  EXPECT_EQ(Data(0), pb::Raw<int32_t>({2}));
  ASSERT_TRUE(request.wanted[0].place);
  EXPECT_EQ(request.wanted[0].place->capacity(), 8u);
  EXPECT_EQ(reinterpret_cast<char*>(request.wanted[0].place->data()),
            regions.regions["out"].data() + 8);
  EXPECT_FALSE(request.wanted[1].place);
  EXPECT_EQ(request.client_memory.size(), 2u);
}

TEST_F(RegionTensor, HttpRefusesInTritonsWords) {
  const std::string good = R"("shared_memory_region":"in","shared_memory_byte_size":4)";
  const auto output = [&](std::string_view parameters) {
    return HttpInput(good) + R"(,"outputs":[{"name":"x","parameters":{)" + std::string(parameters) +
           "}}]}";
  };
  const std::string no_unsigned = "attempt to access JSON non-unsigned-integer as unsigned-integer";
  const std::vector<std::pair<std::string, std::string>> cases{
      {HttpInput(R"("shared_memory_region":"none","shared_memory_byte_size":4)") + "}",
       "no region 'none'"},
      {HttpInput(R"("shared_memory_region":"in","shared_memory_byte_size":17)") + "}",
       "outside of 'in'"},
      {HttpInput(good + R"(,"shared_memory_offset":18446744073709551615)") + "}",
       "outside of 'in'"},
      {HttpInput(good + R"(,"shared_memory_offset":18446744073709551616)") + "}",
       "Unable to parse 'shared_memory_offset': " + no_unsigned},
      {HttpInput(R"("shared_memory_region":"in","shared_memory_byte_size":-1)") + "}",
       "Unable to parse 'shared_memory_byte_size': " + no_unsigned},
      // read also where no region is named
      {HttpInput(R"("shared_memory_byte_size":"x")", "INT32", R"(,"data":[1])") + "}",
       "Unable to parse 'shared_memory_byte_size': " + no_unsigned},
      {HttpInput(R"("shared_memory_byte_size":4)") + "}",
       "Input must set only one of the following fields: 'data', 'binary_data_size' in "
       "'parameters', 'shared_memory_region' in 'parameters'. But no field is set"},
      {output(R"("shared_memory_region":"none","shared_memory_byte_size":1)"), "no region 'none'"},
      {output(R"("shared_memory_region":3)"),
       "Unable to parse 'shared_memory_region': attempt to access JSON non-string as string"},
      {output(R"("shared_memory_region":"none","binary_data":true)"),
       "Output can't set both 'shared_memory_region' and 'binary_data'"},
      {output(R"("shared_memory_region":"none","classification":0)"),
       "Output can't set both 'shared_memory_region' and 'classification'"},
      {output(R"("shared_memory_byte_size":"x")"),
       "Unable to parse 'shared_memory_byte_size': " + no_unsigned},
  };
  for (const auto& [json, text] : cases) EXPECT_EQ(ReadHttp(json).message(), text) << json;
}

TEST_F(RegionTensor, StringsAreCopiedBecauseTheirLengthsAreCheckedOnce) {
  regions.regions["in"] = std::string("\2\0\0\0ab", 6);
  ASSERT_TRUE(ReadGrpc(pb::Input("a", "BYTES", {1}, Region(4, "in", 6))).ok());
  regions.regions["in"][0] = '\x7F';
  EXPECT_EQ(Data(0), std::string("\2\0\0\0ab", 6));
  memory.allow = 5;
  EXPECT_EQ(ReadGrpc(pb::Input("a", "BYTES", {1}, Region(4, "in", 6))).code(),
            StatusCode::kUnavailable);
}

TEST_F(RegionTensor, DeviceMemoryIsRefused) {
  regions.kind = base::MemoryKind::kDevice;
  EXPECT_EQ(ReadGrpc(pb::Input("a", "INT32", {1}, Region(4, "in", 4))).message(),
            "shared memory region 'in' is in device memory, which no backend here can use");
}

TEST_F(RegionTensor, OutputsGoToTheirPlaces) {
  Own(0, "abcd");
  Own(1, "efgh");
  Want(0, "out", 8, 8);
  Want(1);
  ASSERT_TRUE(Place().ok());
  EXPECT_EQ(regions.regions["out"], "........abcd" + std::string(20, '.'));
  EXPECT_TRUE(response.outputs[0].is_placed);
  EXPECT_FALSE(response.outputs[0].owner);
  EXPECT_FALSE(response.outputs[1].is_placed);
}

TEST_F(RegionTensor, APlaceMustBeLargeEnough) {
  Own(0, "abcd");
  Want(0, "out", 0, 3);
  const base::Status status = Place();
  EXPECT_EQ(status.message(),
            "shared memory size specified with the request for output 'o0' (3 bytes) should be at "
            "least 4 bytes to hold the results");
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  EXPECT_EQ(regions.regions["out"], std::string(32, '.'));
}

TEST_F(RegionTensor, APlaceMayOverlapItsInput) {
  regions.regions["in"] = "0123456789";
  Alias(0, "in", 0, 6);
  Want(0, "in", 2, 6);
  ASSERT_TRUE(Place().ok());
  EXPECT_EQ(regions.regions["in"], "0101234589");
}

TEST_F(RegionTensor, OutputsMaySwapRegions) {
  regions.regions["in"] = "aaaabbbb";
  Alias(0, "in", 0, 4);
  Alias(1, "in", 4, 4);
  Want(0, "in", 4, 4);
  Want(1, "in", 0, 4);
  ASSERT_TRUE(Place().ok());
  EXPECT_EQ(regions.regions["in"], "bbbbaaaa");
}

TEST_F(RegionTensor, AnAnswerHoldsNoMemoryOfTheClient) {
  regions.regions["in"] = "abcd";
  Alias(0, "in", 0, 4);
  ASSERT_TRUE(Place().ok());
  regions.regions["in"] = "....";
  EXPECT_EQ(TextOf({response.outputs[0].view.data, response.outputs[0].view.size}), "abcd");
  EXPECT_FALSE(response.outputs[0].owner->is_client_memory());
}

TEST_F(RegionTensor, LostMemoryIsAnError) {
  Own(0, "abcd");
  Want(0, "out", 0, 4);
  regions.lost = true;
  EXPECT_EQ(Place().message(), "taken away");
}

TEST_F(RegionTensor, AnswersSayNothingOfAPlacedOutput) {
  Own(0, "ab");
  Own(1, "c");
  Want(0, "out", 0, 4);
  Want(1);
  ASSERT_TRUE(Place().ok());
  ResponseWriter out;
  ASSERT_TRUE(WriteHttpInferResponse(plan, {.id = {}, .wanted = wanted}, response, out).ok());
  EXPECT_EQ(TextOf(out.Parts()[0].bytes),
            R"({"model_name":"m","model_version":"1","outputs":[)"
            R"({"name":"o0","datatype":"INT8","shape":[2]},)"
            R"({"name":"o1","datatype":"INT8","shape":[1],"data":[99]}]})");
  out.Clear();
  ASSERT_TRUE(WriteGrpcInferResponse(plan, {.id = {}, .wanted = wanted}, response, out).ok());
  EXPECT_TRUE(TextOf(out.Parts()[0].bytes).ends_with(pb::Text(6, "") + pb::Text(6, "c")));
}

}  // namespace
}  // namespace serving::protocol
