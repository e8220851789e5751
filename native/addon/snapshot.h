// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <napi.h>

#include "engine/engine.h"

namespace serving::addon {

// ModelStatistics of src/addon/snapshot.ts; 64-bit numbers as BigInt.
Napi::Object ToObject(Napi::Env env, const engine::Engine::NamedSample& sample);

}  // namespace serving::addon
