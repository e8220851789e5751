// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// SequenceModel: the batches of `direct`, in which every sequence has its row.

#include <vector>

#include "model/sequence_model.h"
#include "model/shapes.h"

namespace serving::model {

using base::Instant;
using metrics::FailureReason;
using scheduler::kNoSequence;
using scheduler::SequenceIndex;

// The longest waiting request leads: the others share its batch if they have its shapes.
SequenceIndex SequenceModel::ChooseLeadLocked(uint32_t index, Instant now, Launch& launch) {
  SequenceIndex lead = kNoSequence;
  uint32_t ready = 0;
  Instant oldest = base::kNever;
  const uint32_t slots = sequences_.SlotsOf(index);
  for (uint32_t slot = 0; slot < slots; ++slot) {
    SequenceIndex sequence = sequences_.At({.instance = index, .slot = slot});
    // The slot of one that ends is another's.
    while (sequence != kNoSequence && sequences_.Next(sequence) != nullptr &&
           EndIfDeadLocked(sequence, now, launch)) {
      sequence = sequences_.At({.instance = index, .slot = slot});
    }
    if (sequence == kNoSequence || sequences_.Next(sequence) == nullptr) continue;
    ++ready;
    const Instant queued = sequences_.Next(sequence)->times.queued;
    if (queued < oldest) {
      oldest = queued;
      lead = sequence;
    }
  }
  const core::SequencePlan& plan = *live_->sequence;
  const Instant due = lead == kNoSequence ? base::kNever : oldest + plan.max_queue_delay;
  const bool is_enough =
      static_cast<double>(ready) >= plan.minimum_slot_utilization * static_cast<double>(plan.slots);
  if (is_enough || is_stopping_ || now >= due) return lead;
  instances_[index].due = due;
  return kNoSequence;
}

bool SequenceModel::MayShareBatchLocked(SequenceIndex lead, SequenceIndex sequence) {
  if (sequence == kNoSequence || sequences_.Next(sequence) == nullptr) return false;
  if (sequence == lead) return true;
  const core::InferRequest& one = *sequences_.Next(lead);
  const core::InferRequest& other = *sequences_.Next(sequence);
  if (has_free_shapes_ && !HaveSameShapes(plan_, one, other)) return false;
  if (!tensors_.has_free_states()) return true;
  return SequenceTensors::HaveSameStates(StatesLocked(lead), StatesLocked(sequence));
}

// As its next request will find them.
const SequenceMemory& SequenceModel::StatesLocked(SequenceIndex sequence) {
  if (sequences_.Next(sequence)->sequence_start) tensors_.ResetStates(memories_[sequence]);
  return memories_[sequence];
}

void SequenceModel::CollectDirectLocked(uint32_t index, Instant now, Launch& launch) {
  Instance& instance = instances_[index];
  // What waits for a rebuild waits here, where it can be taken back.
  if (instance.running_rows != 0 || (!instance.is_serving && instance.lost.ok())) return;
  instance.due = base::kNever;
  SequenceIndex lead = kNoSequence;
  for (;;) {
    lead = ChooseLeadLocked(index, now, launch);
    if (lead == kNoSequence) return;
    const base::Status status =
        tensors_.MakeZeros(*sequences_.Next(lead), StatesLocked(lead), instance.zeros);
    if (status.ok()) break;
    RequestChain failed;
    failed.Append(sequences_.Take(lead));
    RefuseLocked(failed, nullptr, status, FailureReason::kRejected, now, launch);
    sequences_.Finish(lead, now);
  }
  std::vector<SequenceIndex>& rows = direct_rows_;
  rows.clear();
  for (uint32_t slot = 0; slot < sequences_.SlotsOf(index); ++slot) {
    const SequenceIndex sequence = sequences_.At({.instance = index, .slot = slot});
    rows.push_back(MayShareBatchLocked(lead, sequence) ? sequence : kNoSequence);
  }
  while (rows.back() == kNoSequence) rows.pop_back();
  const core::InferRequest& like = *sequences_.Next(lead);
  for (const SequenceIndex sequence : rows) {
    if (sequence != kNoSequence) {
      TakeLocked(sequence, launch);
      continue;
    }
    core::RequestPtr row = TakeEmptyRowLocked(index);
    tensors_.MakeRow(like, memories_[lead], instance.zeros, *row);
    launch.ready.Append(std::move(row));
  }
  instance.running_rows = static_cast<uint32_t>(rows.size());
}

}  // namespace serving::model
