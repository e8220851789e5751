// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// Verbs of EngineWrap that load versions and ask them.

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "addon/async_work.h"
#include "addon/engine_wrap.h"
#include "addon/errors.h"
#include "addon/plan_reader.h"
#include "addon/tuning.h"
#include "addon/values.h"

namespace serving::addon {
namespace {

Napi::Array ToTensors(Napi::Env env, const std::vector<tensor::TensorDescriptor>& tensors) {
  Napi::Array array = Napi::Array::New(env, tensors.size());
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("name", tensors[i].name);
    object.Set("datatype", std::string(tensor::WireName(tensors[i].data_type)));
    Napi::Array shape = Napi::Array::New(env);
    uint32_t axis = 0;
    for (const int64_t dim : tensors[i].dims.dims()) shape.Set(axis++, static_cast<double>(dim));
    object.Set("shape", shape);
    array.Set(i, object);
  }
  return array;
}

}  // namespace

Napi::Value EngineWrap::Inspect(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  return AsyncWork<backend::Inspection>::Run(
      env,
      [engine = engine_, backend = TextArgument(info[0]), file = TextArgument(info[1])] {
        return engine->Inspect(backend, file);
      },
      [](Napi::Env env, backend::Inspection& inspection) -> Napi::Value {
        Napi::Object object = Napi::Object::New(env);
        object.Set("inputs", ToTensors(env, inspection.inputs));
        object.Set("outputs", ToTensors(env, inspection.outputs));
        return object;
      });
}

Napi::Value EngineWrap::Load(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  auto plan = ReadPlan(info[0]);
  return AsyncWork<engine::ModelHandle>::Run(
      env,
      [engine = engine_, plan = std::make_shared<base::Result<core::ModelPlan>>(
                             std::move(plan))]() -> base::Result<engine::ModelHandle> {
        if (!plan->ok()) return plan->status();
        return engine->Load(plan->Take());
      },
      [](Napi::Env env, engine::ModelHandle& handle) -> Napi::Value {
        return Napi::Number::New(env, static_cast<double>(handle));
      });
}

Napi::Value EngineWrap::Unload(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  return AsyncWork<Nothing>::Run(
      env,
      [engine = engine_, handle = IntegerArgument(info[0])]() -> base::Result<Nothing> {
        RETURN_IF_ERROR(engine->Unload(handle));
        return Nothing{};
      },
      Undefined);
}

Napi::Value EngineWrap::Adjust(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  using Adjustments = std::vector<engine::Engine::Adjustment>;
  auto read = ReadAdjustments(info[0]);
  if (!read.ok()) return Throw(env, read.status()), env.Undefined();
  return AsyncWork<Nothing>::Run(
      env,
      [engine = engine_,
       adjustments = std::make_shared<Adjustments>(read.Take())]() -> base::Result<Nothing> {
        RETURN_IF_ERROR(engine->Adjust(std::move(*adjustments)));
        return Nothing{};
      },
      Undefined);
}

Napi::Value EngineWrap::Batching(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  const auto model = engine_->Find(IntegerArgument(info[0]));
  if (!model) return Throw(env, base::NotFound("no such loaded model")), env.Undefined();
  const auto view = model->ViewLoad();
  return view ? ToObject(env, *view) : env.Undefined();
}

Napi::Value EngineWrap::TestControl(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  return AsyncWork<std::string>::Run(
      env,
      [engine = engine_, enabled = test_backends_, handle = IntegerArgument(info[0]),
       json = TextArgument(info[1])]() -> base::Result<std::string> {
        if (!enabled) {
          return base::NotFound("test controls need --enable-test-backends");
        }
        const auto model = engine->Find(handle);
        if (!model) return base::NotFound("no such loaded model");
        return model->Control(json);
      },
      [](Napi::Env env, std::string& json) -> Napi::Value { return Napi::String::New(env, json); });
}

}  // namespace serving::addon
