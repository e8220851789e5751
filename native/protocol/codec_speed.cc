// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// Nanoseconds that the codecs take for one small request and its answer. Run by hand; nothing
// asserts on time.

#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "protocol/grpc_infer_request.h"
#include "protocol/grpc_infer_response.h"
#include "protocol/http_infer_request.h"
#include "protocol/http_infer_response.h"
#include "protocol/test_memory.h"
#include "protocol/test_protobuf.h"

namespace serving::protocol {
namespace {

// Hands the same few buffers out again, as the server's pool does.
class PooledBuffer final : public base::Buffer {
 public:
  PooledBuffer() : base::Buffer(nullptr, 1 << 20, base::MemoryKind::kHost, 0), memory_(1 << 20) {
    data_ = memory_.data();
  }
  bool is_free = true;
  void Take() {
    is_free = false;
    Revive();
  }

 private:
  void Dispose() override { is_free = true; }
  std::vector<std::byte> memory_;
};

class PooledAllocator final : public base::BufferAllocator {
 public:
  base::BufferRef Allocate(size_t) override {
    for (PooledBuffer& buffer : buffers_) {
      if (!buffer.is_free) continue;
      buffer.Take();
      return base::BufferRef::Adopt(&buffer);
    }
    return nullptr;
  }
  base::BufferRef Reserve(size_t bytes) override { return Allocate(bytes); }

 private:
  PooledBuffer buffers_[4];
};

// Of this thread, so that neighbours on the machine count less.
double CpuNanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

template <typename Work>
void Measure(const char* name, size_t rounds, Work&& work) {
  double best = 1e18;
  for (int attempt = 0; attempt < 5; ++attempt) {
    const double start = CpuNanoseconds();
    for (size_t i = 0; i < rounds; ++i) work();
    best = std::min(best, (CpuNanoseconds() - start) / static_cast<double>(rounds));
  }
  std::printf("%-34s %10.1f ns\n", name, best);
}

struct Case {
  size_t count;
  size_t rounds;
};

void MeasureCount(const Case& test, bool whole_numbers) {
  HeapAllocator heap;
  PooledAllocator pool;
  core::ModelPlan plan;
  plan.name = "identity";
  plan.outputs.resize(1);
  plan.outputs[0].tensor.name = "OUTPUT0";
  std::string bytes;
  std::string list = "[";
  for (size_t i = 0; i < test.count; ++i) {
    const float value =
        whole_numbers ? static_cast<float>(i) : static_cast<float>(i) * 0.731f + 0.1f;
    bytes += pb::Raw({value});
    char digits[32];
    std::snprintf(digits, sizeof(digits), whole_numbers ? "%g" : "%.9g",
                  static_cast<double>(value));
    list += (i == 0 ? "" : ",") + std::string(digits);
  }
  const std::string size = std::to_string(test.count);
  const std::string grpc =
      pb::Text(1, "identity") + pb::Input("INPUT0", "FP32", {1, test.count}) + pb::RawInput(bytes);
  const std::string json = R"({"inputs":[{"name":"INPUT0","shape":[1,)" + size +
                           R"(],"datatype":"FP32","data":)" + list + "]}]}";
  const base::BufferRef grpc_body = heap.Hold(grpc);
  const base::BufferRef json_body = heap.Hold(json);
  core::InferRequest request;
  core::InferResponse response;
  core::OutputTensor& output = response.outputs.emplace_back();
  output.data_type = tensor::DataType::kFp32;
  output.shape.Append(1);
  output.shape.Append(static_cast<int64_t>(test.count));
  output.owner = heap.Hold(bytes);
  output.view = {output.owner->data(), bytes.size(), base::MemoryKind::kHost, 0};
  ResponseWriter out;
  size_t sum = 0;

  std::printf("%zu floats, %s\n", test.count, whole_numbers ? "whole numbers" : "nine digits");
  Measure("gRPC read", test.rounds, [&] {
    request.Reset();
    sum += ReadGrpcInferRequest({grpc_body->data(), grpc.size()}, pool, request).ok();
  });
  Measure("gRPC write", test.rounds, [&] {
    out.Clear();
    sum += WriteGrpcInferResponse(plan, {}, response, out).ok() + out.Parts().size();
  });
  Measure("HTTP JSON read", test.rounds, [&] {
    request.Reset();
    sum +=
        ReadHttpInferRequest(json_body, json.size(), std::nullopt, SIZE_MAX, pool, nullptr, request)
            .ok();
  });
  Measure("HTTP JSON write", test.rounds, [&] {
    out.Clear();
    sum += WriteHttpInferResponse(plan, {}, response, out).ok() + out.Parts().size();
  });
  if (sum == 0) std::printf("nothing worked\n");
}

}  // namespace
}  // namespace serving::protocol

int main() {
  for (const bool whole_numbers : {true, false}) {
    for (const auto& test : {serving::protocol::Case{16, 200'000}, {1000, 5'000}, {100'000, 40}}) {
      serving::protocol::MeasureCount(test, whole_numbers);
    }
  }
}
