// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <napi.h>

#include "base/status.h"

namespace serving::addon {

// An Error with the canonical gRPC number in `code`. The one place where a Status becomes
// JavaScript.
Napi::Error ToError(Napi::Env env, const base::Status& status);

inline void Throw(Napi::Env env, const base::Status& status) {
  ToError(env, status).ThrowAsJavaScriptException();
}

}  // namespace serving::addon
