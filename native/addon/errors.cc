// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "addon/errors.h"

namespace serving::addon {

Napi::Error ToError(Napi::Env env, const base::Status& status) {
  Napi::Error error = Napi::Error::New(env, status.message());
  error.Set("code", Napi::Number::New(env, static_cast<int>(status.code())));
  return error;
}

}  // namespace serving::addon
