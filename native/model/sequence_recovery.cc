// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// SequenceModel: instances that their backend gave up on.

#include <algorithm>
#include <chrono>
#include <utility>

#include "model/sequence_model.h"
#include "model/sequence_refusal.h"

namespace serving::model {

using base::Instant;
using metrics::FailureReason;
using scheduler::kNoSequence;
using scheduler::SequenceIndex;
using std::chrono::steady_clock;

// Comes before the answers of the batch that poisoned the instance.
void SequenceModel::OnHealth(uint32_t index) {
  const Instant now = steady_clock::now();
  const std::shared_ptr<const Models> models = ListModels();
  const base::Ref<Model> model = index < models->size() ? (*models)[index] : nullptr;
  if (!model) return;
  base::Status lost = model->CheckNotLost();
  std::vector<base::Ref<SequenceStep>> handed;
  Launch launch;
  {
    std::lock_guard lock(mutex_);
    Instance& instance = instances_[index];
    if (instance.model.get() != model.get()) return;  // gone meanwhile
    const bool is_serving = model->CanServe();
    const bool was_serving = std::exchange(instance.is_serving, is_serving);
    instance.lost = std::move(lost);
    if (was_serving && !is_serving) {
      sequences_.Park(index);
      if (plan_.sequence->states.empty()) handed = EndSequencesOfLocked(index, now, launch);
    } else if (!was_serving && is_serving) {
      sequences_.Unpark(index);
    }
    CheckLostLocked(now, launch);
    CollectLocked(now, launch);
    SettleLocked();
  }
  Start(launch, nullptr);
  for (const base::Ref<SequenceStep>& step : handed) {
    model->RemoveQueued(step.get(), StateIsLost(plan_), FailureReason::kBackend);
  }
}

void SequenceModel::CheckLostLocked(Instant now, Launch& launch) {
  lost_ = {};
  for (const Instance& instance : instances_) {
    if (!instance.model) continue;
    // What is left of one that leaves goes on there.
    if (instance.lost.ok()) {
      lost_ = {};
      return;
    }
    lost_ = instance.lost;
  }
  RefuseLocked(sequences_.EndAll(), nullptr, lost_, FailureReason::kBackend, now, launch);
}

std::vector<base::Ref<SequenceStep>> SequenceModel::EndSequencesOfLocked(uint32_t index,
                                                                         Instant now,
                                                                         Launch& launch) {
  std::vector<base::Ref<SequenceStep>> handed;
  for (uint32_t slot = 0; slot < sequences_.SlotsOf(index); ++slot) {
    const SequenceIndex sequence = sequences_.At({.instance = index, .slot = slot});
    if (sequence == kNoSequence) continue;
    if (running_[sequence] != nullptr)
      handed.push_back(base::Ref<SequenceStep>::Share(running_[sequence]));
    const core::InferRequest* next = sequences_.FirstWaiting(sequence);
    if (next != nullptr && next->sequence_start) continue;  // has no state yet
    RefuseLocked(sequences_.End(sequence), nullptr, StateIsLost(plan_), FailureReason::kBackend,
                 now, launch);
  }
  return handed;
}

}  // namespace serving::model
