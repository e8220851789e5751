// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "core/infer_response.h"
#include "engine/validate.h"
#include "fuzz/targets.h"
#include "protocol/content_coding.h"
#include "protocol/generate_request.h"
#include "protocol/grpc_infer_request.h"
#include "protocol/grpc_infer_response.h"
#include "protocol/http_infer_request.h"
#include "protocol/http_infer_response.h"
#include "protocol/test_memory.h"

namespace serving::fuzz {
namespace {

using protocol::HeapAllocator;
using tensor::DataType;

constexpr size_t kMaxBytes = 1 << 20;

core::TensorPlan Tensor(std::string name, DataType type, std::vector<int64_t> dims, bool optional) {
  core::TensorPlan plan;
  plan.tensor = {.name = std::move(name), .data_type = type, .dims = tensor::Shape(dims)};
  plan.optional = optional;
  return plan;
}

// One optional input of every kind, echoed.
const core::ModelPlan& Plan() {
  static const core::ModelPlan plan = [] {
    core::ModelPlan made;
    made.name.assign(1, 'm');
    made.max_batch_size = 8;
    made.inputs = {
        Tensor("I", DataType::kInt32, {-1}, false), Tensor("F", DataType::kFp32, {2, -1}, true),
        Tensor("S", DataType::kBytes, {-1}, true), Tensor("B", DataType::kBool, {1}, true),
        Tensor("H", DataType::kFp16, {-1}, true)};
    made.outputs = made.inputs;
    return made;
  }();
  return plan;
}

// Every part must be readable to its last byte; what is valid must be writable as an answer.
void Use(core::InferRequest& request) {
  size_t sum = 0;
  core::InferResponse response;
  for (const core::InputTensor& input : request.inputs) {
    size_t bytes = 0;
    for (const tensor::TensorView& part : input.parts) {
      bytes += part.size;
      for (size_t i = 0; i < part.size; ++i) sum += static_cast<size_t>(part.data[i]);
    }
    SERVING_CHECK(bytes == input.byte_size, "the parts of an input are not its size");
  }
  // Keeps the reads above.
  SERVING_CHECK(sum != SIZE_MAX, "a sum of bytes");
  if (!engine::Validate(Plan(), request).ok()) return;
  for (const core::InputTensor& input : request.inputs) {
    SERVING_CHECK(input.slot < Plan().inputs.size(), "a valid input has no slot");
    SERVING_CHECK(request.batch_size >= 1 && request.batch_size <= Plan().max_batch_size,
                  "a valid request has an impossible batch");
    if (input.parts.size() != 1) continue;
    core::OutputTensor& output = response.outputs.emplace_back();
    output.slot = input.slot;
    output.data_type = input.data_type;
    output.shape = input.shape;
    output.view = input.parts[0];
  }
  protocol::ResponseWriter out;
  const protocol::AnswerForm form{
      .id = request.id, .wanted = {}, .binary_by_default = request.binary_by_default};
  (void)protocol::WriteHttpInferResponse(Plan(), form, response, out);
  out.Clear();
  (void)protocol::WriteGrpcInferResponse(Plan(), form, response, out);
}

std::string_view TextOf(std::span<const uint8_t> data) {
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

// Nothing that came in as `bytes` may make the server take more than a few times as much.
void CheckMemory(const HeapAllocator& memory, size_t bytes) {
  SERVING_CHECK(memory.largest <= 64 + 16 * bytes, "a small request took a large buffer");
}

void ReadHttp(std::string_view body, std::optional<std::string_view> header_length) {
  HeapAllocator memory;
  {
    core::InferRequest request;
    request.model_name = "m";
    const base::BufferRef held = memory.Hold(body);
    if (protocol::ReadHttpInferRequest(held, body.size(), header_length, kMaxBytes, memory, &Plan(),
                                       request)
            .ok()) {
      Use(request);
    }
    CheckMemory(memory, body.size());
  }
  SERVING_CHECK(memory.alive == 0, "a buffer outlived its request");
}

}  // namespace

void FuzzHttpJson(std::span<const uint8_t> data) { ReadHttp(TextOf(data), std::nullopt); }

// A length of the JSON part as text, a line end, the body.
void FuzzHttpBinary(std::span<const uint8_t> data) {
  const std::string_view text = TextOf(data);
  const size_t line = text.find('\n');
  if (line == std::string_view::npos) return;
  ReadHttp(text.substr(line + 1), text.substr(0, line));
}

void FuzzGenerate(std::span<const uint8_t> data) {
  HeapAllocator memory;
  {
    core::InferRequest request;
    request.model_name = "m";
    const std::string_view text = TextOf(data);
    request.body = memory.Hold(text);
    const std::string_view body(reinterpret_cast<const char*>(request.body->data()), text.size());
    if (protocol::ReadGenerateRequest(body, kMaxBytes, memory, Plan(), request).ok()) Use(request);
    CheckMemory(memory, text.size());
  }
  SERVING_CHECK(memory.alive == 0, "a buffer outlived its request");
}

void FuzzGrpcInfer(std::span<const uint8_t> data) {
  HeapAllocator memory;
  {
    core::InferRequest request;
    request.body = memory.Hold(TextOf(data));
    if (protocol::ReadGrpcInferRequest({request.body->data(), data.size()}, memory, request).ok()) {
      Use(request);
    }
    CheckMemory(memory, data.size());
  }
  SERVING_CHECK(memory.alive == 0, "a buffer outlived its request");
}

// The first byte chooses the coding; the rest is both a compressed text and a plain one.
void FuzzContentCoding(std::span<const uint8_t> data) {
  if (data.empty()) return;
  const auto coding = data[0] % 2 == 0 ? protocol::Coding::kGzip : protocol::Coding::kDeflate;
  const auto bytes = std::as_bytes(data.subspan(1));
  HeapAllocator memory;
  if (const auto plain = protocol::Decompress(bytes, coding, kMaxBytes, memory); plain.ok()) {
    SERVING_CHECK(plain.value().size <= kMaxBytes, "a body grew past its limit");
  }
  std::string packed;
  if (!protocol::Compress(bytes, coding, packed)) return;
  const auto back =
      protocol::Decompress(std::as_bytes(std::span(packed)), coding, kMaxBytes, memory);
  SERVING_CHECK(back.ok() && back.value().size == bytes.size(), "a text did not come back");
  SERVING_CHECK(std::ranges::equal(bytes, std::span(back.value().buffer->data(), bytes.size())),
                "a text came back otherwise");
}

}  // namespace serving::fuzz
