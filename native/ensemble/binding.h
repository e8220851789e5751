// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/ref.h"
#include "base/status.h"
#include "core/model_plan.h"
#include "model/servable.h"

namespace serving::ensemble {

class Ensemble;

// Keeps a loaded version from being stopped: whoever unloads it waits until every Hold on it is
// gone.
class Hold final : public base::RefCounted {
 public:
  class Gone {
   public:
    void Wait();

   private:
    friend class Hold;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool is_gone_ = false;  // guarded by mutex_
  };

  explicit Hold(std::shared_ptr<Gone> gone) : gone_(std::move(gone)) {}

 private:
  ~Hold() override;
  const std::shared_ptr<Gone> gone_;
};

inline constexpr uint32_t kNoTensor = UINT32_MAX;

class Binding;

// The loaded version that a step's requests go to.
struct Member {
  base::Ref<Hold> hold;  // dropped after `model`
  base::Ref<model::Servable> model;
  base::Ref<const Binding> binding;  // of an ensemble: what its own steps go to
  Ensemble* ensemble = nullptr;      // `model`, when it is one
};

// Which loaded versions the steps of one ensemble go to, from one published table to the next. A
// request keeps the binding it began with: its steps never see two generations of a model.
//
// Immutable.
class Binding final : public base::RefCounted {
 public:
  struct Input {
    uint32_t slot = 0;  // of the step's model
    uint32_t tensor = 0;
  };
  struct Step {
    Member member;
    std::vector<Input> inputs;
    std::vector<uint32_t> tensors;  // by output slot of the step's model; kNoTensor = not used
    bool uses_all_outputs = true;
  };

  // `members`: one for each step. An error when a step names a tensor that its model has not.
  static base::Result<base::Ref<const Binding>> Make(const core::ModelPlan& plan,
                                                     std::vector<Member> members);

  const std::vector<Step>& steps() const { return steps_; }

 private:
  std::vector<Step> steps_;
};

}  // namespace serving::ensemble
