// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <napi.h>

#include "base/status.h"
#include "frontend/policy.h"
#include "frontend/token_cache.h"

namespace serving::addon {

// AccessPolicy of src/addon/access-policy.ts, compiled.
base::Result<frontend::PolicyRef> ReadPolicy(Napi::Value value);

// TokenVerdict of src/addon/access-policy.ts.
base::Result<frontend::Verdict> ReadVerdict(Napi::Value value);

// `routes` of src/addon/types.ts: the table that every request is matched against.
Napi::Array RoutesToJs(Napi::Env env);

}  // namespace serving::addon
