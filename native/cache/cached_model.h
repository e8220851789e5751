// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <memory>

#include "base/ref.h"
#include "cache/response_cache.h"
#include "core/model_plan.h"
#include "metrics/metrics_options.h"
#include "model/servable.h"

namespace serving::cache {

// The model wants it and each of its requests has one answer.
bool MayCache(const core::ModelPlan& plan);

// Stands before a loaded version: a request that was answered before is answered from the cache on
// the thread that submits it, without the queue; the others go on, and their answers are kept.
// Only complete answers are: one final response, no error. Counts both. Stop forgets them.
base::Ref<model::Servable> MakeCachedModel(base::Ref<model::Servable> model,
                                           std::shared_ptr<ResponseCache> cache,
                                           const metrics::MetricsOptions& metrics);

}  // namespace serving::cache
