// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <napi.h>

#include <cstdlib>

#include "addon/engine_wrap.h"
#include "addon/policy_reader.h"
#include "base/status.h"

namespace serving::addon {
namespace {

// Per environment, so that workers and reloads each have their own class.
struct InstanceData {
  Napi::FunctionReference engine;
};

Napi::Value CreateEngine(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<InstanceData>()->engine.New({info[0]});
}

// With the code of its argument. Joins no thread: one of them may be what the process would wait
// for.
[[noreturn]] void ExitAtOnce(const Napi::CallbackInfo& info) {
  std::_Exit(info[0].ToNumber().Int32Value());
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto* data = new InstanceData;
  data->engine = Napi::Persistent(EngineWrap::Define(env));
  env.SetInstanceData(data);
  exports.Set("version", NEREID_VERSION);
  exports.Set("createEngine", Napi::Function::New(env, CreateEngine, "createEngine"));
  exports.Set("exitAtOnce", Napi::Function::New(env, ExitAtOnce, "exitAtOnce"));
  exports.Set("routes", RoutesToJs(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(nereid, Init)

}  // namespace serving::addon
