// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <napi.h>

#include <cstdint>
#include <map>

#include "base/status.h"
#include "trace/record.h"
#include "trace/sampler.h"

namespace serving::addon {

// The samplers of one engine between JavaScript and native. A sampler that a new plan names by an
// id it already has goes on counting.
//
// Threads: the JavaScript thread.
class Tracing {
 public:
  // Null when nothing is to be traced.
  base::Result<trace::PlanRef> ReadPlan(Napi::Value plan);
  // `{id, remaining}` of every sampler of the last plan.
  Napi::Array Counts(Napi::Env env) const;

 private:
  base::Ref<trace::Sampler> ReadSampler(class ObjectReader& reader);

  std::map<uint64_t, base::Ref<trace::Sampler>> samplers_;
};

Napi::Object ToObject(Napi::Env env, const trace::Record& record);

}  // namespace serving::addon
