// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/refusal.h"

#include "core/infer_response.h"

namespace serving::model {

void SendRefusal(const Refusal& refusal) {
  const core::InferRequest& request = *refusal.request;
  core::InferResponse* response = request.sink->NewResponse();
  response->status = {refusal.status.code(),
                      core::RequestPrefix(request.id) + refusal.status.message()};
  response->times = request.times;
  response->is_final = true;
  core::SendNow(*request.sink, response);
}

void SendRefusals(std::vector<Refusal>& refusals) {
  for (const Refusal& refusal : refusals) SendRefusal(refusal);
  refusals.clear();
}

base::Status SchedulerHasStopped() {
  return base::Unavailable(
      "Server is stopping, scheduler for model has stopped accepting new inference requests");
}

base::Status QueueIsFull(const core::QueuePlan& queue) {
  return {queue.full_status, "Exceeds maximum queue size"};
}

}  // namespace serving::model
