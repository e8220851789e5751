// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "backend/identity/identity.h"
#include "backend/testing/testing.h"
#include "base/check.h"
#include "model/model.h"
#include "testing/requests.h"

namespace serving::testing {

// A request in flight, as its client sees it.
struct Pending {
  base::Ref<RecordingSink> sink;
  std::string sent;  // bytes of its input

  const RecordedResponse& Wait() const { return sink->Wait(); }
  std::string_view message() const { return Wait().status.message(); }
  bool is_echoed() const {
    const RecordedResponse& response = Wait();
    return response.status.ok() && response.outputs.size() == 1 &&
           response.outputs[0].bytes == sent;
  }
};

inline std::unique_ptr<backend::Backend> FindBackend(std::string_view name) {
  if (name == "identity") return backend::MakeIdentityBackend();
  for (auto& backend : backend::MakeTestBackends()) {
    if (backend->name() == name) return std::move(backend);
  }
  return nullptr;
}

// Brings a version that serves to other instances and limits.
inline base::Status Change(model::Servable& model, core::ModelPlan plan) {
  auto change = model.PrepareChange(std::move(plan));
  if (change.ok()) change.value()->Apply();
  return change.status();
}

// One loaded version with short words for what tests do to it. Plans have one INT32 input and
// output.
class ModelHarness {
 public:
  explicit ModelHarness(core::ModelPlan plan, std::unique_ptr<backend::Backend> backend = nullptr,
                        bool allow_inline = true, metrics::MetricsOptions metrics = {},
                        model::RecoveryOptions recovery = {},
                        std::function<void()> health_changed = {})
      : backend_(backend ? std::move(backend) : FindBackend(plan.backend)) {
    model_ = model::Model::Load(std::move(plan), *backend_,
                                {.budget = Unlimited(),
                                 .allow_inline = allow_inline,
                                 .metrics = std::move(metrics),
                                 .recovery = recovery,
                                 .health_changed = std::move(health_changed)})
                 .Take();
  }

  ModelHarness(core::ModelPlan plan, std::unique_ptr<backend::Backend> backend,
               const model::ModelOptions& options)
      : backend_(backend ? std::move(backend) : FindBackend(plan.backend)),
        model_(model::Model::Load(std::move(plan), *backend_, options).Take()) {}

  model::Model& operator*() { return *model_; }
  model::Model* operator->() { return model_.get(); }

  // A request of `rows` rows of one number each, whose numbers tell it from every other.
  std::pair<core::RequestPtr, Pending> Make(int64_t rows = 1, uint64_t timeout_us = 0) {
    std::vector<int32_t> numbers;
    for (int64_t i = 0; i < rows; ++i) numbers.push_back(next_number_++);
    RequestBuilder builder;
    const std::string bytes = Pack(std::span<const int32_t>(numbers));
    builder.Rows(rows).Input(0, tensor::DataType::kInt32, {rows, 1}, bytes);
    builder.request().timeout_us = timeout_us;
    Pending pending{builder.sink(), bytes};
    return {builder.Take(), std::move(pending)};
  }

  // Submits `count` requests in one chain; `allowance` as of an I/O thread.
  std::vector<Pending> Enqueue(int count, int64_t rows = 1,
                               model::InlineAllowance* allowance = nullptr) {
    model::RequestChain chain;
    std::vector<Pending> pending;
    for (int i = 0; i < count; ++i) {
      auto [request, client] = Make(rows);
      chain.Append(std::move(request));
      pending.push_back(std::move(client));
    }
    model_->Submit(std::move(chain), allowance);
    return pending;
  }
  Pending EnqueueOne(int64_t rows = 1, uint64_t timeout_us = 0) {
    auto [request, client] = Make(rows, timeout_us);
    model::RequestChain chain;
    chain.Append(std::move(request));
    model_->Submit(std::move(chain), nullptr);
    return client;
  }

  // The test door of the model's backend.
  std::string Control(std::string_view json) {
    const auto answer = model_->backend_model().Control(json);
    SERVING_CHECK(answer.ok(), "a test control failed");
    return answer.value();
  }
  // For `gate`: blocks until this many executions stand at the gate.
  void AwaitAtGate(int waiting) {
    Control(R"({"action":"await","waiting":)" + std::to_string(waiting) + "}");
  }

  metrics::ModelStatistics Statistics() { return model_->Statistics(); }

 private:
  std::unique_ptr<backend::Backend> backend_;
  base::Ref<model::Model> model_;
  int32_t next_number_ = 1;
};

}  // namespace serving::testing
