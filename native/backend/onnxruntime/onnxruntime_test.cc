// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "backend/onnxruntime/onnxruntime.h"

#include <dlfcn.h>

#include <atomic>
#include <cstdlib>
#include <thread>
#include <vector>

#include "backend/onnxruntime/ort_library_for_test.h"
#include "gtest/gtest.h"
#include "testing/onnx_file.h"
#include "testing/requests.h"
#include "testing/test_batch.h"

namespace serving::backend {
namespace {

using serving::testing::OnnxFile;
using serving::testing::Pack;
using serving::testing::PackStrings;
using serving::testing::TemporaryFile;
using serving::testing::Tensor;
using serving::testing::TestBatch;
using serving::testing::Unpack;
using serving::testing::UnpackStrings;
using tensor::DataType;
using namespace std::string_literals;

// Element types as onnx.proto numbers them.
constexpr int kFloat = 1;
constexpr int kInt32 = 6;
constexpr int kString = 8;
constexpr int kBool = 9;
constexpr int kFloat16 = 10;
constexpr int kBfloat16 = 16;
constexpr int kFloat8 = 17;

core::ModelPlan PlanOf(const std::string& file, int64_t max_batch_size,
                       std::vector<core::TensorPlan> inputs,
                       std::vector<core::TensorPlan> outputs) {
  core::ModelPlan plan;
  plan.name = "m";
  plan.backend = "onnxruntime";
  plan.model_file = file;
  plan.max_batch_size = max_batch_size;
  plan.inputs = std::move(inputs);
  plan.outputs = std::move(outputs);
  return plan;
}

class OnnxRuntime : public ::testing::Test {
 protected:
  void SetUp() override {
    SKIP_WITHOUT_ONNX_RUNTIME();
    ort::OpenWithoutLeakReport();
    backend_ = MakeOnnxRuntimeBackend({.library_path = ort::LibraryForTest()});
  }

  // Loads a file of these bytes and makes one instance.
  base::Status Load(core::ModelPlan plan, const OnnxFile& file) {
    file_ = std::make_unique<TemporaryFile>("model.onnx", file.Bytes());
    plan.model_file = file_->path();
    return Load(std::move(plan));
  }
  base::Status Load(core::ModelPlan plan) {
    plan_ = std::move(plan);
    auto model = backend_->Load(plan_);
    if (!model.ok()) return model.status();
    model_ = model.Take();
    auto instance = model_->CreateInstance(0);
    if (!instance.ok()) return instance.status();
    instance_ = instance.Take();
    return {};
  }

  std::unique_ptr<Backend> backend_;
  std::unique_ptr<TemporaryFile> file_;
  core::ModelPlan plan_;
  std::unique_ptr<BackendModel> model_;
  std::unique_ptr<Instance> instance_;
};

core::ModelPlan SimplePlan() {
  return PlanOf(
      NEREID_MODEL_REPOSITORY "/simple/1/model.onnx", 8,
      {Tensor("INPUT0", DataType::kInt32, {16}), Tensor("INPUT1", DataType::kInt32, {16})},
      {Tensor("OUTPUT0", DataType::kInt32, {16}), Tensor("OUTPUT1", DataType::kInt32, {16})});
}

std::string Counting(int from, int count) {
  std::vector<int32_t> values;
  for (int i = 0; i < count; ++i) values.push_back(from + i);
  return Pack(std::span<const int32_t>(values));
}

TEST_F(OnnxRuntime, AddsAndSubtractsEveryRow) {
  ASSERT_TRUE(Load(SimplePlan()).ok());
  TestBatch batch(plan_);
  batch.Rows(3)
      .Input(0, DataType::kInt32, {3, 16}, Counting(100, 48))
      .Input(1, DataType::kInt32, {3, 16}, Counting(1, 48));
  ASSERT_EQ(batch.Run(*instance_).message(), "");
  EXPECT_EQ(batch.OutputShape(0), "[3,16]");
  const auto sum = Unpack<int32_t>(batch.OutputBytes(0));
  const auto difference = Unpack<int32_t>(batch.OutputBytes(1));
  ASSERT_EQ(sum.size(), 48u);
  for (int i = 0; i < 48; ++i) {
    EXPECT_EQ(sum[static_cast<size_t>(i)], 101 + 2 * i);
    EXPECT_EQ(difference[static_cast<size_t>(i)], 99);
  }
}

TEST_F(OnnxRuntime, WritesOutputsOfKnownShapeIntoTheBatchsMemory) {
  ASSERT_TRUE(Load(SimplePlan()).ok());
  TestBatch batch(plan_);
  batch.Input(0, DataType::kInt32, {1, 16}, Counting(0, 16))
      .Input(1, DataType::kInt32, {1, 16}, Counting(0, 16));
  ASSERT_TRUE(batch.Run(*instance_).ok());
  EXPECT_EQ(batch.charged_bytes(), 2 * 64u);
  EXPECT_EQ(batch.output(0).owner->data(), batch.output(0).view.data);
}

TEST_F(OnnxRuntime, ComputesOnlyWantedOutputs) {
  ASSERT_TRUE(Load(SimplePlan()).ok());
  TestBatch batch(plan_);
  batch.DoNotWant(0)
      .Input(0, DataType::kInt32, {1, 16}, Counting(7, 16))
      .Input(1, DataType::kInt32, {1, 16}, Counting(0, 16));
  ASSERT_TRUE(batch.Run(*instance_).ok());
  EXPECT_FALSE(batch.output(0).owner);
  EXPECT_EQ(Unpack<int32_t>(batch.OutputBytes(1))[15], 7);
}

TEST_F(OnnxRuntime, AnswersThatTheBudgetIsFull) {
  ASSERT_TRUE(Load(SimplePlan()).ok());
  TestBatch batch(plan_, 100);
  batch.Input(0, DataType::kInt32, {1, 16}, Counting(0, 16))
      .Input(1, DataType::kInt32, {1, 16}, Counting(0, 16));
  const base::Status status = batch.Run(*instance_);
  EXPECT_EQ(status.code(), base::StatusCode::kUnavailable);
  EXPECT_EQ(status.message(),
            "memory limit reached: no room for an output of model 'm', retry later");
}

TEST_F(OnnxRuntime, ReadsAndWritesNumbersAsText) {
  ASSERT_TRUE(Load(PlanOf(NEREID_MODEL_REPOSITORY "/simple_string/1/model.onnx", 8,
                          {Tensor("INPUT0", DataType::kBytes, {16}),
                           Tensor("INPUT1", DataType::kBytes, {16})},
                          {Tensor("OUTPUT0", DataType::kBytes, {16}),
                           Tensor("OUTPUT1", DataType::kBytes, {16})}))
                  .ok());
  std::string left;
  std::string right;
  for (int i = 0; i < 16; ++i) {
    tensor::AppendBytesElement(left, std::to_string(1000 + i));
    tensor::AppendBytesElement(right, "1");
  }
  TestBatch batch(plan_);
  batch.Input(0, DataType::kBytes, {1, 16}, left).Input(1, DataType::kBytes, {1, 16}, right);
  ASSERT_EQ(batch.Run(*instance_).message(), "");
  const auto sum = UnpackStrings(batch.OutputBytes(0));
  ASSERT_EQ(sum.size(), 16u);
  EXPECT_EQ(sum[0], "1001");
  EXPECT_EQ(sum[15], "1016");
}

OnnxFile IdentityFile(int type, const std::vector<int64_t>& dims) {
  OnnxFile file;
  file.Input("x", type, dims).Output("y", type, dims).Node("Identity", {"x"}, {"y"});
  return file;
}

TEST_F(OnnxRuntime, KeepsEveryByteOfStrings) {
  ASSERT_TRUE(Load(PlanOf("", 4, {Tensor("x", DataType::kBytes, {-1})},
                          {Tensor("y", DataType::kBytes, {-1})}),
                   IdentityFile(kString, {-1, -1}))
                  .ok());
  const std::string bytes =
      PackStrings({"a\0b"s, "", "\0"s, "\xff\xfe", std::string(5000, 'x'), "last"});
  TestBatch batch(plan_);
  batch.Rows(2).Input(0, DataType::kBytes, {2, 3}, bytes);
  ASSERT_EQ(batch.Run(*instance_).message(), "");
  EXPECT_EQ(batch.OutputShape(0), "[2,3]");
  EXPECT_EQ(batch.OutputBytes(0), bytes);
}

TEST_F(OnnxRuntime, HandsOverMemoryOfItsOwnForFreeShapes) {
  ASSERT_TRUE(Load(PlanOf("", 0, {Tensor("x", DataType::kFp32, {-1, 2})},
                          {Tensor("y", DataType::kFp32, {-1, 2})}),
                   IdentityFile(kFloat, {-1, 2}))
                  .ok());
  base::BufferRef output;
  {
    TestBatch batch(plan_);
    batch.Input(0, DataType::kFp32, {3, 2}, Pack<float>({1, 2, 3, 4, 5, 6}));
    ASSERT_EQ(batch.Run(*instance_).message(), "");
    EXPECT_EQ(batch.OutputShape(0), "[3,2]");
    EXPECT_EQ(batch.charged_bytes(), 0u);
    output = batch.output(0).owner;
  }
  // The answer may be written long after the model and the backend are gone.
  instance_.reset();
  model_.reset();
  backend_.reset();
  const std::string_view bytes(reinterpret_cast<const char*>(output->data()), output->capacity());
  EXPECT_EQ(Unpack<float>(bytes), (std::vector<float>{1, 2, 3, 4, 5, 6}));
}

TEST_F(OnnxRuntime, PassesTensorsWithoutElements) {
  ASSERT_TRUE(Load(PlanOf("", 0, {Tensor("x", DataType::kFp32, {-1, 2})},
                          {Tensor("y", DataType::kFp32, {-1, 2})}),
                   IdentityFile(kFloat, {-1, 2}))
                  .ok());
  TestBatch batch(plan_);
  batch.Input(0, DataType::kFp32, {0, 2}, "");
  ASSERT_EQ(batch.Run(*instance_).message(), "");
  EXPECT_EQ(batch.OutputShape(0), "[0,2]");
  EXPECT_EQ(batch.OutputBytes(0), "");
}

TEST_F(OnnxRuntime, CarriesHalvesBitForBit) {
  for (const auto& [onnx, type] :
       {std::pair{kFloat16, DataType::kFp16}, std::pair{kBfloat16, DataType::kBf16}}) {
    ASSERT_EQ(Load(PlanOf("", 0, {Tensor("x", type, {4})}, {Tensor("y", type, {4})}),
                   IdentityFile(onnx, {4}))
                  .message(),
              "");
    const std::string bytes = Pack<uint16_t>({0x0000, 0x7e01, 0xfc00, 0x3c00});
    TestBatch batch(plan_);
    batch.Input(0, type, {4}, bytes);
    ASSERT_EQ(batch.Run(*instance_).message(), "");
    EXPECT_EQ(batch.OutputBytes(0), bytes);
  }
}

TEST_F(OnnxRuntime, TakesEveryByteButZeroAsTrue) {
  OnnxFile file;
  file.Input("x", kBool, {4}).Output("y", kBool, {4}).Node("Not", {"x"}, {"y"});
  ASSERT_TRUE(
      Load(PlanOf("", 0, {Tensor("x", DataType::kBool, {4})}, {Tensor("y", DataType::kBool, {4})}),
           file)
          .ok());
  TestBatch batch(plan_);
  batch.Input(0, DataType::kBool, {4}, "\x00\x01\x02\xff"s);
  ASSERT_EQ(batch.Run(*instance_).message(), "");
  EXPECT_EQ(batch.OutputBytes(0), "\x01\x00\x00\x00"s);
}

TEST_F(OnnxRuntime, ReshapesBetweenProtocolAndModel) {
  core::ModelPlan plan = PlanOf("", 4, {Tensor("x", DataType::kFp32, {2, -1})},
                                {Tensor("y", DataType::kFp32, {2, -1})});
  plan.inputs[0].reshape = tensor::Shape(std::vector<int64_t>{1, 2, -1, 1});
  plan.outputs[0].reshape = tensor::Shape(std::vector<int64_t>{1, 2, -1, 1});
  ASSERT_EQ(Load(plan, IdentityFile(kFloat, {-1, 1, 2, -1, 1})).message(), "");
  TestBatch batch(plan_);
  const std::string bytes = Pack<float>({1, 2, 3, 4, 5, 6});
  batch.Input(0, DataType::kFp32, {1, 2, 3}, bytes);
  ASSERT_EQ(batch.Run(*instance_).message(), "");
  EXPECT_EQ(batch.OutputShape(0), "[1,2,3]");
  EXPECT_EQ(batch.OutputBytes(0), bytes);
}

TEST_F(OnnxRuntime, ReshapesFixedShapesAway) {
  // dims [1] of the protocol is a model that wants one number per row and no further dimension.
  core::ModelPlan plan =
      PlanOf("", 4, {Tensor("x", DataType::kFp32, {1})}, {Tensor("y", DataType::kFp32, {1})});
  plan.inputs[0].reshape = tensor::Shape();
  plan.outputs[0].reshape = tensor::Shape();
  ASSERT_EQ(Load(plan, IdentityFile(kFloat, {-1})).message(), "");
  TestBatch batch(plan_);
  batch.Rows(2).Input(0, DataType::kFp32, {2, 1}, Pack<float>({5, 6}));
  ASSERT_EQ(batch.Run(*instance_).message(), "");
  EXPECT_EQ(batch.OutputShape(0), "[2,1]");
  EXPECT_EQ(Unpack<float>(batch.OutputBytes(0)), (std::vector<float>{5, 6}));
}

TEST_F(OnnxRuntime, LetsOutInputsThatHaveAValueInTheFile) {
  OnnxFile file;
  file.Input("x", kFloat, {1})
      .Input("step", kFloat, {1})
      .Initializer("step", kFloat, {1}, Pack<float>({10}))
      .Output("y", kFloat, {1})
      .Node("Add", {"x", "step"}, {"y"});
  core::ModelPlan plan =
      PlanOf("", 0, {Tensor("x", DataType::kFp32, {1}), Tensor("step", DataType::kFp32, {1})},
             {Tensor("y", DataType::kFp32, {1})});
  plan.inputs[1].optional = true;
  ASSERT_EQ(Load(plan, file).message(), "");
  TestBatch without(plan_);
  without.Input(0, DataType::kFp32, {1}, Pack<float>({1}));
  ASSERT_EQ(without.Run(*instance_).message(), "");
  EXPECT_EQ(Unpack<float>(without.OutputBytes(0))[0], 11);
  TestBatch with(plan_);
  with.Input(0, DataType::kFp32, {1}, Pack<float>({1}))
      .Input(1, DataType::kFp32, {1}, Pack<float>({2}));
  ASSERT_EQ(with.Run(*instance_).message(), "");
  EXPECT_EQ(Unpack<float>(with.OutputBytes(0))[0], 3);
}

TEST_F(OnnxRuntime, AnswersAFailedRunInTritonsWordsAndGoesOn) {
  // The file leaves the inner dimension free; only the run finds that 3 columns do not meet 2 rows.
  OnnxFile file;
  file.Input("a", kFloat, {-1, -1})
      .Input("b", kFloat, {-1, -1})
      .Output("y", kFloat, {-1, -1})
      .Node("MatMul", {"a", "b"}, {"y"});
  ASSERT_EQ(
      Load(PlanOf("", 0,
                  {Tensor("a", DataType::kFp32, {-1, -1}), Tensor("b", DataType::kFp32, {-1, -1})},
                  {Tensor("y", DataType::kFp32, {-1, -1})}),
           file)
          .message(),
      "");
  TestBatch broken(plan_);
  broken.Input(0, DataType::kFp32, {1, 3}, Pack<float>({1, 2, 3}))
      .Input(1, DataType::kFp32, {2, 1}, Pack<float>({1, 2}));
  const base::Status status = broken.Run(*instance_);
  EXPECT_EQ(status.code(), base::StatusCode::kInternal);
  EXPECT_TRUE(status.message().starts_with("onnx runtime error ")) << status.message();
  EXPECT_EQ(status.message().find("/onnxruntime/"), std::string::npos) << status.message();
  TestBatch good(plan_);
  good.Input(0, DataType::kFp32, {1, 2}, Pack<float>({1, 2}))
      .Input(1, DataType::kFp32, {2, 1}, Pack<float>({3, 4}));
  ASSERT_EQ(good.Run(*instance_).message(), "");
  EXPECT_EQ(Unpack<float>(good.OutputBytes(0))[0], 11);
}

class OnnxRuntimeSessions : public OnnxRuntime,
                            public ::testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Shared, OnnxRuntimeSessions, ::testing::Values("true", "false"));

TEST_P(OnnxRuntimeSessions, RunOnManyThreads) {
  core::ModelPlan plan = SimplePlan();
  plan.parameters["share_session_between_instances"] = GetParam();
  ASSERT_TRUE(Load(plan).ok());
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const auto instance = model_->CreateInstance(t).Take();
      for (int run = 0; run < 200; ++run) {
        TestBatch batch(plan_);
        batch.Input(0, DataType::kInt32, {1, 16}, Counting(1000 * t + run, 16))
            .Input(1, DataType::kInt32, {1, 16}, Counting(0, 16));
        if (!batch.Run(*instance).ok() ||
            Unpack<int32_t>(batch.OutputBytes(1))[5] != 1000 * t + run) {
          ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(OnnxRuntime, TellsWhatItsSessionsHold) {
  constexpr size_t kWeights = size_t{1} << 20;
  OnnxFile file;
  file.Input("x", kFloat, {-1, 1})
      .Output("y", kFloat, {-1, 1 << 18})
      .Initializer("w", kFloat, {1, 1 << 18}, std::string(kWeights, '\0'))
      .Node("MatMul", {"x", "w"}, {"y"});
  const auto plan = [](std::map<std::string, std::string> parameters) {
    core::ModelPlan made = PlanOf("", 0, {Tensor("x", DataType::kFp32, {-1, 1})},
                                  {Tensor("y", DataType::kFp32, {-1, 1 << 18})});
    made.parameters = std::move(parameters);
    return made;
  };
  ASSERT_EQ(Load(plan({{"share_session_between_instances", "false"}}), file).message(), "");
  if (!ort::Library::Open(ort::LibraryForTest()).value()->tells_statistics()) {
    EXPECT_FALSE(model_->RuntimeBytes());
    GTEST_SKIP() << "ONNX Runtime is older than 1.23";
  }
  const size_t loaded = model_->RuntimeBytes().value_or(0);
  EXPECT_GE(loaded, kWeights);
  EXPECT_LT(loaded, 3 * kWeights);
  {
    const auto second = model_->CreateInstance(1);
    ASSERT_TRUE(second.ok());
    EXPECT_EQ(model_->RuntimeBytes(), 2 * loaded);
  }
  EXPECT_EQ(model_->RuntimeBytes(), loaded);
  // The output is not of a known shape, so the library brings its memory.
  TestBatch batch(plan_);
  batch.Input(0, DataType::kFp32, {4, 1}, Pack<float>({1, 2, 3, 4}));
  ASSERT_EQ(batch.Run(*instance_).message(), "");
  EXPECT_GE(model_->RuntimeBytes(), loaded + 4 * kWeights);

  ASSERT_EQ(Load(plan({{"share_session_between_instances", "true"}}), file).message(), "");
  const auto sharing = model_->CreateInstance(1);
  EXPECT_EQ(model_->RuntimeBytes(), loaded);
  ASSERT_EQ(Load(plan({{"enable_mem_arena", "0"}}), file).message(), "");
  EXPECT_FALSE(model_->RuntimeBytes());
}

TEST_F(OnnxRuntime, DescribesAFileInItsOrder) {
  OnnxFile file;
  file.Input("zeta", kFloat, {-1, 3})
      .Input("alpha", kInt32, {2})
      .Output("out", kFloat, {-1, 3})
      .Output("copy", kInt32, {2})
      .Node("Identity", {"zeta"}, {"out"})
      .Node("Identity", {"alpha"}, {"copy"});
  const TemporaryFile model("model.onnx", file.Bytes());
  const auto inspection = backend_->Inspect(model.path());
  ASSERT_TRUE(inspection.ok()) << inspection.status().message();
  const auto& [inputs, outputs] = inspection.value();
  ASSERT_EQ(inputs.size(), 2u);
  EXPECT_EQ(inputs[0].name, "zeta");
  EXPECT_EQ(inputs[0].dims.ToString(), "[-1,3]");
  EXPECT_EQ(inputs[1].name, "alpha");
  EXPECT_EQ(inputs[1].data_type, DataType::kInt32);
  ASSERT_EQ(outputs.size(), 2u);
  EXPECT_EQ(outputs[0].name, "out");
}

TEST_F(OnnxRuntime, DescribesTheExampleModel) {
  const auto inspection = backend_->Inspect(NEREID_MODEL_REPOSITORY "/digits/1/model.onnx");
  ASSERT_TRUE(inspection.ok()) << inspection.status().message();
  EXPECT_EQ(inspection.value().inputs[0].dims.ToString(), "[-1,1,8,8]");
  EXPECT_EQ(inspection.value().outputs.size(), 2u);
}

TEST_F(OnnxRuntime, NamesATensorThatTheProtocolCannotCarry) {
  const TemporaryFile complex("model.onnx", IdentityFile(kFloat8, {2}).Bytes());
  EXPECT_EQ(backend_->Inspect(complex.path()).status().message(),
            "onnxruntime: input 'x' of the model is a tensor of FLOAT8E4M3FN, which the protocol "
            "has no datatype for");
  OnnxFile file;
  file.Input("x", kFloat, {2})
      .SequenceOutput("list", kFloat)
      .Node("SequenceConstruct", {"x"}, {"list"});
  const TemporaryFile sequence("model.onnx", file.Bytes());
  EXPECT_EQ(backend_->Inspect(sequence.path()).status().message(),
            "onnxruntime: output 'list' of the model is a sequence, which the protocol has no "
            "datatype for");
}

TEST_F(OnnxRuntime, SaysWhyAFileIsNoModelWithoutItsFolder) {
  const TemporaryFile file("model.onnx", "this is no protobuf");
  const base::Status status = backend_->Inspect(file.path()).status();
  EXPECT_EQ(status.code(), base::StatusCode::kInternal);
  EXPECT_TRUE(
      status.message().starts_with("onnx runtime error 7: Load model from model.onnx failed:"))
      << status.message();
  EXPECT_EQ(status.message().find(file.folder()), std::string::npos);
  const base::Status missing = backend_->Inspect(file.folder() + "/none.onnx").status();
  EXPECT_EQ(missing.code(), base::StatusCode::kInternal);
  EXPECT_EQ(missing.message().find(file.folder()), std::string::npos);
  EXPECT_EQ(backend_->Inspect("").status().code(), base::StatusCode::kInternal);
}

TEST_F(OnnxRuntime, HoldsThePlanAgainstTheFile) {
  const auto with = [](auto change) {
    core::ModelPlan plan = SimplePlan();
    change(plan);
    return plan;
  };
  EXPECT_EQ(Load(with([](auto& plan) { plan.inputs[1].tensor.name = "OTHER"; })).message(),
            "unexpected inference input 'OTHER', allowed inputs are: INPUT0, INPUT1");
  EXPECT_EQ(Load(with([](auto& plan) { plan.outputs[0].tensor.name = "OTHER"; })).message(),
            "unexpected inference output 'OTHER', allowed outputs are: OUTPUT0, OUTPUT1");
  EXPECT_EQ(Load(with([](auto& plan) { plan.inputs.pop_back(); })).message(),
            "unable to load model 'm', configuration expects 1 inputs, model provides 2");
  EXPECT_EQ(
      Load(with([](auto& plan) { plan.inputs[0].tensor.data_type = DataType::kFp32; })).message(),
      "unable to load model 'm', unexpected datatype INT32 for input 'INPUT0', expecting FP32");
  EXPECT_EQ(
      Load(with([](auto& plan) {
        plan.inputs[0].tensor.dims = tensor::Shape(std::vector<int64_t>{8});
      })).message(),
      "model 'm', tensor 'INPUT0': the model expects 2 dimensions (shape [-1,16]) but the model "
      "configuration specifies 2 dimensions (an initial batch dimension because max_batch_size > "
      "0 followed by the explicit tensor shape, making complete shape [-1,8])");
  EXPECT_EQ(
      Load(with([](auto& plan) { plan.max_batch_size = 0; })).message(),
      "model 'm', tensor 'INPUT0': the model expects 2 dimensions (shape [-1,16]) but the model "
      "configuration specifies 1 dimensions (shape [16])");
  EXPECT_TRUE(Load(with([](auto& plan) { plan.outputs.erase(plan.outputs.begin()); })).ok());
}

TEST_F(OnnxRuntime, RefusesBatchingForAFixedFirstDimension) {
  EXPECT_EQ(
      Load(PlanOf("", 4, {Tensor("x", DataType::kFp32, {2})}, {Tensor("y", DataType::kFp32, {2})}),
           IdentityFile(kFloat, {1, 2}))
          .message(),
      "model 'm', tensor 'x': for the model to support batching the shape should have at least "
      "1 dimension and the first dimension must be -1; but shape expected by the model is [1,2]");
}

TEST_F(OnnxRuntime, ReadsItsSettings) {
  core::ModelPlan plan = SimplePlan();
  EXPECT_TRUE(backend_->may_run_inline(plan));
  plan.parameters = {{"intra_op_thread_count", "2"},
                     {"execution_mode", "0"},
                     {"optimization.graph.level", "-1"},
                     {"enable_mem_arena", "0"},
                     {"enable_mem_pattern", "0"},
                     {"session.intra_op.allow_spinning", "0"},
                     {"somebody's own", "x"}};
  EXPECT_FALSE(backend_->may_run_inline(plan));
  EXPECT_EQ(Load(plan).message(), "");
  plan.parameters = {{"share_session_between_instances", "maybe"}};
  EXPECT_EQ(Load(plan).message(),
            "onnxruntime: parameter 'share_session_between_instances' of model 'm' is 'maybe', "
            "expected true or false");
  plan.parameters = {{"execution_mode", "1"}};
  EXPECT_FALSE(backend_->may_run_inline(plan));
  plan.parameters = {{"intra_op_thread_count", "many"}};
  EXPECT_EQ(Load(plan).message(),
            "onnxruntime: parameter 'intra_op_thread_count' of model 'm' is 'many', expected an "
            "integer from 0 to 1024");
}

TEST(OnnxRuntimeLibrary, SaysThatItIsNotInstalled) {
  const std::string sentence =
      "onnxruntime: ONNX Runtime is not installed: run 'nereid setup onnxruntime' or give "
      "--onnxruntime-library=PATH";
  for (const char* path : {"", "/nowhere/libonnxruntime.so.1"}) {
    const auto backend = MakeOnnxRuntimeBackend({.library_path = path});
    EXPECT_EQ(backend->Load(SimplePlan()).status().message(), sentence);
    EXPECT_EQ(backend->Inspect("model.onnx").status().message(), sentence);
    EXPECT_EQ(backend->Inspect("model.onnx").status().code(), base::StatusCode::kUnavailable);
  }
}

TEST(OnnxRuntimeLibrary, TellsOtherFilesFromItself) {
  const TemporaryFile text("libonnxruntime.so.1",
                           "no library at all, but long enough to look into");
  const base::Status no_elf =
      MakeOnnxRuntimeBackend({.library_path = text.path()})->Inspect("m").status();
  EXPECT_TRUE(
      no_elf.message().starts_with("onnxruntime: the library of ONNX Runtime does not load: "))
      << no_elf.message();
  EXPECT_EQ(no_elf.message().find(text.folder()), std::string::npos) << no_elf.message();
  Dl_info here;  // any other shared object: the one that brings abort()
  ASSERT_NE(dladdr(reinterpret_cast<void*>(&std::abort), &here), 0);
  const base::Status other =
      MakeOnnxRuntimeBackend({.library_path = here.dli_fname})->Inspect("m").status();
  EXPECT_TRUE(other.message().find("another library") != std::string::npos) << other.message();
}

}  // namespace
}  // namespace serving::backend
