// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// EngineWrap: what holds memory, and giving it back.

#include <malloc.h>

#include "addon/async_work.h"
#include "addon/engine_wrap.h"

namespace serving::addon {
namespace {

Napi::Number Bytes(Napi::Env env, size_t bytes) {
  return Napi::Number::New(env, static_cast<double>(bytes));
}

Napi::Object Allocator(Napi::Env env) {
  const struct mallinfo2 info = mallinfo2();
  Napi::Object object = Napi::Object::New(env);
  object.Set("usedBytes", Bytes(env, info.uordblks));
  object.Set("freeBytes", Bytes(env, info.fordblks));
  object.Set("mappedBytes", Bytes(env, info.hblkhd));
  return object;
}

Napi::Array Models(Napi::Env env, const engine::Engine& engine) {
  const auto samples = engine.Snapshot();
  Napi::Array models = Napi::Array::New(env, samples.size());
  for (uint32_t i = 0; i < samples.size(); ++i) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("name", samples[i].model->plan().name);
    object.Set("version", static_cast<double>(samples[i].model->plan().version));
    object.Set("tensorBytes", Bytes(env, samples[i].statistics.tensor_bytes));
    object.Set("idleBytes", Bytes(env, samples[i].statistics.idle_bytes));
    if (const auto bytes = samples[i].model->RuntimeBytes()) {
      object.Set("runtimeBytes", Bytes(env, *bytes));
    }
    models.Set(i, object);
  }
  return models;
}

}  // namespace

Napi::Value EngineWrap::Memory(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  const base::MemoryBudget& budget = *engine_->budget();
  const frontend::Frontend::Memory requests = frontend_->memory();
  Napi::Object object = Napi::Object::New(env);
  object.Set("limitBytes", Bytes(env, budget.limit()));
  object.Set("usedBytes", Bytes(env, budget.used()));
  object.Set("peakBytes", Bytes(env, budget.peak()));
  object.Set("requestBytes", Bytes(env, requests.request_bytes));
  object.Set("idleBytes", Bytes(env, requests.idle_bytes));
  object.Set("models", Models(env, *engine_));
  object.Set("allocator", Allocator(env));
  return object;
}

Napi::Value EngineWrap::TrimMemory(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  return AsyncWork<bool>::Run(
      env,
      [frontend = frontend_, engine = engine_]() -> base::Result<bool> {
        return frontend->TrimMemory();
      },
      [](Napi::Env env, bool& trimmed) -> Napi::Value { return Napi::Boolean::New(env, trimmed); });
}

}  // namespace serving::addon
