// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "addon/values.h"
#include "base/log.h"
#include "frontend/frontend.h"
#include "metrics/metrics_options.h"
#include "net/server.h"
#include "scheduler/resource_policy.h"

namespace serving::addon {

// Parts of EngineOptions and ListenOptions (src/addon). What is missing or of the wrong
// kind is told through the reader's status.
base::LogOptions ReadLogOptions(ObjectReader& reader);
frontend::FrontendOptions ReadFrontendOptions(ObjectReader& reader);
metrics::MetricsOptions ReadMetricsOptions(ObjectReader& engine);
std::vector<scheduler::ResourceLimit> ReadResourceLimits(ObjectReader& engine);
net::ListenerOptions ReadListenerOptions(ObjectReader& reader);

}  // namespace serving::addon
