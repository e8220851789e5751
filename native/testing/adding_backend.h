// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "testing/sequence_harness.h"

namespace serving::testing {

// Adds up as the backend `sequence` does, but every instance knows its own sequences only, and no
// more than `most` can be made.
class AddingBackend final : public backend::Backend {
 public:
  static constexpr int32_t kPoison = -2;  // a number that poisons the instance which gets it

  explicit AddingBackend(int most) : most_(most) {}

  std::string_view name() const override { return "adding"; }
  bool may_run_inline(const core::ModelPlan&) const override { return false; }
  base::Result<std::unique_ptr<backend::BackendModel>> Load(const core::ModelPlan&) override {
    return std::unique_ptr<backend::BackendModel>(std::make_unique<AddingModel>(*this));
  }
  int living() const { return living_; }

 private:
  struct AddingInstance final : backend::Instance {
    explicit AddingInstance(AddingBackend& owner) : owner(owner) { ++owner.living_; }
    ~AddingInstance() override { --owner.living_; }

    void Execute(backend::Batch& batch) override {
      const auto number = [&](size_t slot, int64_t row) {
        int32_t value = 0;
        std::memcpy(&value,
                    batch.inputs()[slot].view.data + static_cast<size_t>(row) * sizeof(value),
                    sizeof(value));
        return value;
      };
      std::vector<int32_t> sums;
      for (int64_t row = 0; row < batch.rows(); ++row) {
        uint64_t id = 0;
        std::memcpy(&id, batch.inputs()[4].view.data + static_cast<size_t>(row) * sizeof(id),
                    sizeof(id));
        if (number(3, row) == 0) {  // READY
          sums.push_back(0);
          continue;
        }
        if (number(0, row) == kPoison) {
          batch.Poison("told to");
          return batch.Complete(base::Internal("told to poison"));
        }
        if (number(1, row) != 0) totals[id] = 0;  // START
        sums.push_back(totals[id] += number(0, row));
        if (number(2, row) != 0) totals.erase(id);  // END
      }
      backend::BatchOutput& output = batch.outputs()[0];
      const size_t bytes = sums.size() * sizeof(int32_t);
      output.owner = batch.AllocateOutput(0, bytes);
      std::memcpy(output.owner->data(), sums.data(), bytes);
      output.data_type = tensor::DataType::kInt32;
      output.shape = tensor::Shape(std::vector<int64_t>{batch.rows(), 1});
      output.view = {.data = output.owner->data(), .size = bytes};
      batch.Complete({});
    }

    AddingBackend& owner;
    std::map<uint64_t, int32_t> totals;
  };
  struct AddingModel final : backend::BackendModel {
    explicit AddingModel(AddingBackend& owner) : owner(owner) {}
    base::Result<std::unique_ptr<backend::Instance>> CreateInstance(int index) override {
      if (index >= owner.most_) return base::Unavailable("no room for another instance");
      return std::unique_ptr<backend::Instance>(std::make_unique<AddingInstance>(owner));
    }
    AddingBackend& owner;
  };

  const int most_;
  std::atomic<int> living_{0};
};

inline core::ModelPlan Times(core::ModelPlan plan, int instances) {
  plan.instance_count = instances;
  return plan;
}

// A model whose instances can be counted.
class Changing {
 public:
  explicit Changing(const core::ModelPlan& plan, model::RecoveryOptions recovery = {}, int most = 8)
      : Changing(plan, recovery, std::make_unique<AddingBackend>(most)) {}

  static core::ModelPlan Plan(bool is_direct, uint32_t slots, int instances) {
    core::ModelPlan plan = Times(SequencePlan(is_direct, slots), instances);
    plan.outputs.pop_back();
    if (is_direct) plan.max_batch_size = slots;
    return plan;
  }

  base::Status Change(core::ModelPlan plan) { return testing::Change(*model, std::move(plan)); }
  size_t Instances() { return model->Statistics().instances.size(); }
  int living() const { return backend_.living(); }
  void AwaitLiving(int count) const {
    while (living() != count) std::this_thread::yield();
  }

 private:
  Changing(const core::ModelPlan& plan, model::RecoveryOptions recovery,
           std::unique_ptr<AddingBackend> backend)
      : backend_(*backend),
        model(plan, {.budget = Unlimited(), .recovery = recovery}, std::move(backend)) {}

  const AddingBackend& backend_;

 public:
  SequenceHarness model;
};

}  // namespace serving::testing
