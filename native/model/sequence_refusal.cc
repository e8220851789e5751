// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/sequence_refusal.h"

#include <string>
#include <variant>

#include "core/infer_response.h"

namespace serving::model {
namespace {

std::string ToText(const core::CorrelationId& id) {
  if (const auto* number = std::get_if<uint64_t>(&id)) return std::to_string(*number);
  const auto* text = std::get_if<std::string_view>(&id);
  return text == nullptr ? std::string() : std::string(*text);
}

}  // namespace

base::Status NeedsId(const core::ModelPlan& plan) {
  return base::InvalidArgument("inference request to model '" + plan.name +
                               "' must specify a non-zero or non-empty correlation ID");
}

base::Status NeedsStart(const core::ModelPlan& plan, const core::InferRequest& request) {
  return base::InvalidArgument("inference request for sequence " + ToText(request.correlation_id) +
                               " to model '" + plan.name +
                               "' must specify the START flag on the first request of the "
                               "sequence");
}

base::Status NeedsOneRow(const core::ModelPlan& plan) {
  return base::InvalidArgument("inference request to model '" + plan.name +
                               "' must specify batch-size 1 due to requirements of sequence "
                               "batcher");
}

base::Status WithId(const core::InferRequest& request, const base::Status& status) {
  return {status.code(), core::RequestPrefix(request.id) + status.message()};
}

base::Status SequenceTimedOut() {
  return base::Unavailable("timeout of the corresponding sequence has been expired");
}

base::Status SequenceHasEnded(const core::ModelPlan& plan, const core::InferRequest& request) {
  return base::Cancelled("sequence " + ToText(request.correlation_id) + " of model '" + plan.name +
                         "' has ended: a request of it was not run");
}

base::Status StateIsLost(const core::ModelPlan& plan) {
  return base::Unavailable("the sequence has ended: the instance of model '" + plan.name +
                           "' that served it was lost, and its state with it");
}

}  // namespace serving::model
