// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "base/ref.h"

namespace serving::core {

class InferRequest;
struct InferResponse;
struct ModelPlan;

// Hears of the requests that are made to answer one: those of an ensemble's steps.
//
// Threads: OnStep any; OnResponse one at a time.
class RequestObserver : public base::RefCounted {
 public:
  // A step's request to the model with this plan is about to be sent. Returns who hears of that
  // one.
  virtual base::Ref<RequestObserver> OnStep(const ModelPlan& plan, const InferRequest& request) = 0;
  // The next response to the request it was made for.
  virtual void OnResponse(const ModelPlan& plan, const InferResponse& response) = 0;
};

}  // namespace serving::core
