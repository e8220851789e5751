// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/warmup.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "device/host_pool.h"
#include "model/execution.h"
#include "model/refusal.h"
#include "tensor/real16.h"

namespace serving::model {
namespace {

using core::WarmupInput;
using core::WarmupSample;
using tensor::DataType;

// What an execution of a sample is waited for: its end, and the final response of each request.
// Any thread.
class SampleAnswers final : public ExecutionListener, public RequestTaker {
 public:
  explicit SampleAnswers(size_t requests) : open_(requests + 1) {}

  void OnExecuted(int, const base::Status&, bool) override { Close(); }
  void Add(const core::InferResponse& response) {
    std::lock_guard lock(mutex_);
    if (!response.status.ok()) errors_ += response.status.message() + "; ";
    if (response.is_final) CloseLocked();
  }
  // One that would run again has run.
  void TakeBack(core::RequestPtr, core::InferResponse&) override {
    std::lock_guard lock(mutex_);
    CloseLocked();
  }
  void AwaitExecuted(Execution& execution) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_executed_; });
    lock.unlock();
    execution.Deliver();
  }
  // After every final response.
  std::string TakeErrors() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return open_ == 0; });
    return std::move(errors_);
  }

 private:
  // Waiters may end with the lock: nothing is touched after it.
  void Close() {
    std::lock_guard lock(mutex_);
    is_executed_ = true;
    CloseLocked();
  }
  void CloseLocked() {
    --open_;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  size_t open_;               // guarded by mutex_
  bool is_executed_ = false;  // guarded by mutex_
  std::string errors_;        // guarded by mutex_
};

class WarmupSink final : public core::ResponseSink {
 public:
  WarmupSink(SampleAnswers& answers, std::shared_ptr<base::MemoryBudget> budget)
      : answers_(answers), budget_(std::move(budget)) {}

  core::InferResponse* NewResponse() override { return new core::InferResponse; }
  base::BufferRef AllocateOutput(uint32_t, size_t bytes) override {
    return device::AllocateAlone(budget_, bytes);
  }
  base::Waker* Send(core::InferResponse* raw) override {
    const std::unique_ptr<core::InferResponse> response(raw);
    answers_.Add(*response);
    return nullptr;
  }

 private:
  SampleAnswers& answers_;
  const std::shared_ptr<base::MemoryBudget> budget_;
};

// Numbers of 0 to 1 for types of real numbers, any bits for whole ones. The same at every load, so
// that a load which fails does so again.
class RandomBytes {
 public:
  void Fill(DataType type, std::span<std::byte> out) {
    switch (type) {
      case DataType::kFp32:
        return FillWith<float>(out, [this] { return static_cast<float>(Real()); });
      case DataType::kFp64:
        return FillWith<double>(out, [this] { return Real(); });
      case DataType::kFp16:
        return FillWith<tensor::Fp16>(out, [this] { return tensor::Fp16(Real()); });
      case DataType::kBf16:
        return FillWith<tensor::Bf16>(out, [this] { return tensor::Bf16(Real()); });
      case DataType::kBool:
        return FillWith<uint8_t>(out, [this] { return static_cast<uint8_t>(source_() & 1); });
      default:
        return FillWith<uint8_t>(out, [this] { return static_cast<uint8_t>(source_()); });
    }
  }

 private:
  double Real() { return std::uniform_real_distribution<double>(0, 1)(source_); }
  template <typename T, typename Make>
  static void FillWith(std::span<std::byte> out, Make make) {
    for (size_t at = 0; at + sizeof(T) <= out.size(); at += sizeof(T)) {
      const T value = make();
      std::memcpy(out.data() + at, &value, sizeof value);
    }
  }

  std::mt19937_64 source_;  // NOLINT(bugprone-random-generator-seed): always the same
};

// Bytes of one row; empty strings for BYTES. Nothing when no tensor can be so large.
std::optional<size_t> RowBytes(const WarmupInput& input) {
  const auto elements = input.dims.ElementCount();
  const size_t element_size =
      input.data_type == DataType::kBytes ? sizeof(uint32_t) : tensor::ByteSize(input.data_type);
  size_t bytes = 0;
  const bool is_countable =
      elements && !__builtin_mul_overflow(static_cast<size_t>(*elements), element_size, &bytes);
  return is_countable && bytes <= SIZE_MAX / 2 ? std::optional(bytes) : std::nullopt;
}

base::Result<base::BufferRef> MakeInput(const core::ModelPlan& plan, const WarmupInput& input,
                                        const std::shared_ptr<base::MemoryBudget>& budget) {
  const bool is_given = input.source == WarmupInput::Source::kBytes;
  const auto size = is_given ? input.bytes.size() : RowBytes(input);
  base::BufferRef buffer = size ? device::AllocateAlone(budget, *size) : nullptr;
  if (!buffer) {
    return base::Unavailable("memory limit reached: no room for input '" + input.name +
                             "' of a warm-up of model '" + plan.name + "'");
  }
  if (is_given) {
    std::memcpy(buffer->data(), input.bytes.data(), *size);
  } else if (input.source == WarmupInput::Source::kRandom && input.data_type != DataType::kBytes) {
    RandomBytes().Fill(input.data_type, {buffer->data(), *size});
  } else {
    std::memset(buffer->data(), 0, *size);
  }
  return buffer;
}

size_t SizeOf(const WarmupInput& input) {
  return input.source == WarmupInput::Source::kBytes ? input.bytes.size() : *RowBytes(input);
}

}  // namespace

base::Result<std::vector<Warmup::Sample>> Warmup::Prepare() const {
  std::vector<Sample> samples;
  for (const WarmupSample& sample : samples_) {
    Sample& made = samples.emplace_back(Sample{&sample, {}});
    for (const WarmupInput& input : sample.inputs) {
      ASSIGN_OR_RETURN(base::BufferRef buffer, MakeInput(plan_, input, budget_));
      made.inputs.push_back(std::move(buffer));
    }
    RETURN_IF_ERROR(MakeRequest(made).status());
  }
  return samples;
}

base::Result<core::RequestPtr> Warmup::MakeRequest(const Sample& sample) const {
  core::RequestPtr request(new core::InferRequest);
  for (size_t i = 0; i < sample.inputs.size(); ++i) {
    const WarmupInput& given = sample.plan->inputs[i];
    core::InputTensor& input = request->AddInput();
    input.name = given.name;
    input.data_type = given.data_type;
    if (plan_.max_batch_size > 0) input.shape.Append(1);
    for (const int64_t dim : given.dims.dims()) input.shape.Append(dim);
    input.byte_size = SizeOf(given);
    input.parts.push_back({.data = sample.inputs[i]->data(), .size = input.byte_size});
    request->kept.push_back(sample.inputs[i]);
  }
  RETURN_IF_ERROR(validate_(plan_, *request));
  return request;
}

base::Status Warmup::Warm(backend::Instance& instance, int index,
                          const std::function<bool()>& is_stopped) const {
  ASSIGN_OR_RETURN(const std::vector<Sample> samples, Prepare());
  for (const Sample& sample : samples) {
    for (int64_t run = 0; run < sample.plan->count; ++run) {
      if (is_stopped()) return SchedulerHasStopped();
      RETURN_IF_ERROR(Run(sample, instance, index));
    }
  }
  return {};
}

base::Status Warmup::Run(const Sample& sample, backend::Instance& instance, int index) const {
  const auto requests = static_cast<size_t>(sample.plan->batch_size);
  SampleAnswers answers(requests);
  Execution execution(plan_, index, backend_.input_alignment(), budget_, &answers,
                      backend_.only_copies_values());
  if (may_run_again_) execution.SetTaker(&answers);
  for (size_t i = 0; i < requests; ++i) {
    ASSIGN_OR_RETURN(core::RequestPtr request, MakeRequest(sample));
    request->times.received = request->times.queued = std::chrono::steady_clock::now();
    request->sink = base::MakeRef<WarmupSink>(answers, budget_);
    execution.Add(std::move(request));
  }
  execution.Run(instance, std::chrono::steady_clock::now());
  answers.AwaitExecuted(execution);
  std::string errors = answers.TakeErrors();
  // Empty, or mostly what the requests were told, too.
  const std::string poison = execution.TakePoison();
  if (errors.find(poison) == std::string::npos) errors += "instance poisoned: " + poison + "; ";
  if (errors.empty()) return {};
  return base::InvalidArgument("failed to run warmup sample '" + sample.plan->name +
                               "': " + errors);
}

}  // namespace serving::model
