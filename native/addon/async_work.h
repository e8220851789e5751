// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <napi.h>

#include <functional>
#include <optional>
#include <utility>

#include "addon/errors.h"
#include "base/status.h"

namespace serving::addon {

// The value of work that is done for what it changes: undefined in JavaScript.
struct Nothing {};

inline Napi::Value Undefined(Napi::Env env, Nothing&) { return env.Undefined(); }

// Runs `work` on the environment's worker pool and settles a promise with what `convert` makes of
// its value.
template <typename T>
class AsyncWork final : public Napi::AsyncWorker {
 public:
  using Work = std::function<base::Result<T>()>;
  using Convert = std::function<Napi::Value(Napi::Env, T&)>;

  static Napi::Value Run(Napi::Env env, Work work, Convert convert) {
    auto* worker = new AsyncWork(env, std::move(work), std::move(convert));
    const Napi::Promise promise = worker->deferred_.Promise();
    worker->Queue();  // deletes itself after OnOK
    return promise;
  }

  void Execute() override { result_.emplace(work_()); }

  void OnOK() override {
    Napi::HandleScope scope(Env());
    if (result_->ok()) {
      deferred_.Resolve(convert_(Env(), result_->value()));
    } else {
      deferred_.Reject(ToError(Env(), result_->status()).Value());
    }
  }

 private:
  AsyncWork(Napi::Env env, Work work, Convert convert)
      : AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        work_(std::move(work)),
        convert_(std::move(convert)) {}

  Napi::Promise::Deferred deferred_;
  Work work_;
  Convert convert_;
  std::optional<base::Result<T>> result_;
};

}  // namespace serving::addon
