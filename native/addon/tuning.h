// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <napi.h>

#include "model/load_view.h"

namespace serving::addon {

// BatchingView of src/addon/snapshot.ts.
Napi::Object ToObject(Napi::Env env, const model::LoadView& view);

}  // namespace serving::addon
