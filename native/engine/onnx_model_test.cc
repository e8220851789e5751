// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// A real model through validation, queue, gather, ONNX Runtime and scatter.

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "backend/onnxruntime/onnxruntime.h"
#include "backend/onnxruntime/ort_library_for_test.h"
#include "engine/engine.h"
#include "engine/validate.h"
#include "gtest/gtest.h"
#include "testing/onnx_file.h"
#include "testing/requests.h"

namespace serving::engine {
namespace {

using serving::testing::Pack;
using serving::testing::RecordingSink;
using serving::testing::RequestBuilder;
using serving::testing::TemporaryFile;
using serving::testing::Tensor;
using serving::testing::Unpack;
using tensor::DataType;

core::ModelPlan SimplePlan() {
  core::ModelPlan plan;
  plan.name = "simple";
  plan.backend = "onnxruntime";
  plan.model_file = NEREID_MODEL_REPOSITORY "/simple/1/model.onnx";
  plan.max_batch_size = 8;
  plan.instance_count = 2;
  plan.batching.emplace();
  for (const char* name : {"INPUT0", "INPUT1"}) {
    plan.inputs.push_back(Tensor(name, DataType::kInt32, {16}));
  }
  for (const char* name : {"OUTPUT0", "OUTPUT1"}) {
    plan.outputs.push_back(Tensor(name, DataType::kInt32, {16}));
  }
  return plan;
}

class OnnxModel : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    SKIP_WITHOUT_ONNX_RUNTIME();
    backend::ort::OpenWithoutLeakReport();
    engine_ = std::make_unique<Engine>(
        EngineOptions{.memory_limit_bytes = 64 << 20, .allow_inline = GetParam()});
    engine_->Register(
        backend::MakeOnnxRuntimeBackend({.library_path = backend::ort::LibraryForTest()}));
  }

  // Submits INPUT0 = `left` everywhere and INPUT1 = 1.
  base::Ref<RecordingSink> Ask(model::Servable& model, int32_t left, int64_t rows) {
    const auto size = static_cast<size_t>(rows) * 16;
    const std::vector<int32_t> a(size, left);
    const std::vector<int32_t> b(size, 1);
    RequestBuilder request;
    request.Input(0, DataType::kInt32, {rows, 16}, Pack(std::span<const int32_t>(a)))
        .Input(1, DataType::kInt32, {rows, 16}, Pack(std::span<const int32_t>(b)));
    request.request().inputs[0].name = "INPUT0";
    request.request().inputs[1].name = "INPUT1";
    EXPECT_EQ(Validate(model.plan(), request.request()).message(), "");
    base::Ref<RecordingSink> sink = request.sink();
    model::RequestChain chain;
    chain.Append(request.Take());
    model::InlineAllowance allowance{std::chrono::microseconds(500)};
    model.Submit(std::move(chain), GetParam() ? &allowance : nullptr);
    return sink;
  }

  static bool IsRight(RecordingSink& sink, int32_t left, int64_t rows) {
    const auto& response = sink.Wait();
    const std::vector<int32_t> sum(static_cast<size_t>(rows) * 16, left + 1);
    const std::vector<int32_t> difference(static_cast<size_t>(rows) * 16, left - 1);
    return response.status.ok() && response.outputs.size() == 2 &&
           Unpack<int32_t>(response.outputs[0].bytes) == sum &&
           Unpack<int32_t>(response.outputs[1].bytes) == difference;
  }

  std::unique_ptr<Engine> engine_;
};

INSTANTIATE_TEST_SUITE_P(Modes, OnnxModel, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Inline" : "Threads"; });

TEST_P(OnnxModel, AnswersManyClientsAtOnce) {
  const auto handle = engine_->Load(SimplePlan());
  ASSERT_TRUE(handle.ok()) << handle.status().message();
  const auto model = engine_->Find(handle.value());
  std::atomic<int> wrong{0};
  std::vector<std::thread> clients;
  for (int32_t t = 0; t < 3; ++t) {
    clients.emplace_back([&, t] {
      for (int32_t i = 0; i < 500; i += 4) {
        std::vector<base::Ref<RecordingSink>> sinks;
        for (int32_t k = 0; k < 4; ++k) sinks.push_back(Ask(*model, 1000 * t + i + k, 1 + k));
        for (int32_t k = 0; k < 4; ++k) {
          if (!IsRight(*sinks[static_cast<size_t>(k)], 1000 * t + i + k, 1 + k)) ++wrong;
        }
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(model->Statistics().success.count, 1500u);
}

TEST_P(OnnxModel, KeepsServingWhenANewVersionDoesNotLoad) {
  const ModelHandle handle = engine_->Load(SimplePlan()).Take();
  const TemporaryFile corrupt("model.onnx", "\x08\x07this is cut");
  core::ModelPlan next = SimplePlan();
  next.version = 2;
  next.model_file = corrupt.path();
  const base::Status status = engine_->Load(next).status();
  EXPECT_TRUE(status.message().starts_with("onnx runtime error ")) << status.message();
  EXPECT_EQ(status.message().find(corrupt.folder()), std::string::npos) << status.message();
  const auto model = engine_->Find(handle);
  const auto sink = Ask(*model, 5, 2);
  EXPECT_TRUE(IsRight(*sink, 5, 2));
  EXPECT_EQ(engine_->Snapshot().size(), 1u);
}

TEST_P(OnnxModel, GivesAllMemoryBack) {
  const ModelHandle handle = engine_->Load(SimplePlan()).Take();
  {
    const auto model = engine_->Find(handle);
    for (int32_t i = 0; i < 20; ++i) EXPECT_TRUE(IsRight(*Ask(*model, i, 8), i, 8));
  }
  ASSERT_TRUE(engine_->Unload(handle).ok());
  EXPECT_EQ(engine_->budget()->used(), 0u);
}

// Multiplies a matrix of one row with one of one column. Only a run finds that their sizes differ,
// and it fails like a device: its words are the name of the node, which the library quotes.
std::string ProductFile() {
  constexpr int kFloat = 1;
  serving::testing::OnnxFile file;
  file.Input("a", kFloat, {-1, -1})
      .Input("b", kFloat, {-1, -1})
      .Output("y", kFloat, {-1, -1})
      .Node("MatMul", {"a", "b"}, {"y"})
      .NodeName("CUDA failure 700: an illegal memory access was encountered");
  return file.Bytes();
}

core::ModelPlan ProductPlan(const TemporaryFile& file) {
  core::ModelPlan plan;
  plan.name = "product";
  plan.backend = "onnxruntime";
  plan.model_file = file.path();
  plan.inputs.push_back(Tensor("a", DataType::kFp32, {-1, -1}));
  plan.inputs.push_back(Tensor("b", DataType::kFp32, {-1, -1}));
  plan.outputs.push_back(Tensor("y", DataType::kFp32, {-1, -1}));
  const auto zeros = [](const char* name) {
    return core::WarmupInput{name, DataType::kFp32, tensor::Shape(std::vector<int64_t>{1, 1}),
                             core::WarmupInput::Source::kZero, ""};
  };
  plan.warmup.push_back({"zeros", 1, 1, {zeros("a"), zeros("b")}});
  return plan;
}

base::Ref<RecordingSink> AskProduct(model::Servable& model, std::vector<float> row,
                                    std::vector<float> column) {
  RequestBuilder request;
  request
      .Input(0, DataType::kFp32, {1, static_cast<int64_t>(row.size())},
             Pack(std::span<const float>(row)))
      .Input(1, DataType::kFp32, {static_cast<int64_t>(column.size()), 1},
             Pack(std::span<const float>(column)));
  request.request().inputs[0].name = "a";
  request.request().inputs[1].name = "b";
  EXPECT_EQ(Validate(model.plan(), request.request()).message(), "");
  base::Ref<RecordingSink> sink = request.sink();
  model::RequestChain chain;
  chain.Append(request.Take());
  model::InlineAllowance allowance{std::chrono::microseconds(500)};
  model.Submit(std::move(chain), &allowance);
  return sink;
}

// Session, failure and rebuild are real; that the failure looks like one of a device is planted.
TEST_P(OnnxModel, RebuildsASessionThatFailedForGood) {
  const TemporaryFile bytes("model.onnx", ProductFile());
  const auto handle = engine_->Load(ProductPlan(bytes));
  ASSERT_TRUE(handle.ok()) << handle.status().message();
  const auto model = engine_->Find(handle.value());
  for (uint64_t times = 1; times <= 3; ++times) {
    const auto broken = AskProduct(*model, {1, 2, 3}, {1, 2});
    EXPECT_EQ(broken->Wait().status.code(), base::StatusCode::kInternal);
    EXPECT_NE(broken->Wait().status.message().find("CUDA failure 700"), std::string::npos);
    const auto whole = AskProduct(*model, {1, 2}, {3, 4});
    ASSERT_EQ(whole->Wait().status.message(), "");
    EXPECT_EQ(Unpack<float>(whole->Wait().outputs[0].bytes), std::vector<float>{11});
    const auto statistics = model->Statistics();
    EXPECT_EQ(statistics.poisonings, times);
    EXPECT_EQ(statistics.rebuilds, times);
    EXPECT_EQ(statistics.instances.at(0).failed_attempts, 0);
  }
}

// The same failure of a file that is gone meanwhile: no session can be opened in its place.
TEST_P(OnnxModel, SaysWhyASessionCannotBeRebuilt) {
  auto bytes = std::make_unique<TemporaryFile>("model.onnx", ProductFile());
  const auto handle = engine_->Load(ProductPlan(*bytes));
  ASSERT_TRUE(handle.ok()) << handle.status().message();
  const auto model = engine_->Find(handle.value());
  bytes.reset();
  EXPECT_FALSE(AskProduct(*model, {1, 2, 3}, {1, 2})->Wait().status.ok());
  while (model->Statistics().instances.at(0).failed_attempts == 0) std::this_thread::yield();
  EXPECT_FALSE(model->CanServe());
  EXPECT_TRUE(model->Statistics().instances.at(0).reason.starts_with("onnx runtime error 3: "))
      << model->Statistics().instances.at(0).reason;
  model->Stop();
}

}  // namespace
}  // namespace serving::engine
