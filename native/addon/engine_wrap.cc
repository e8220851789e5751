// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "addon/engine_wrap.h"

#include <algorithm>
#include <string>
#include <utility>

#include "addon/async_work.h"
#include "addon/errors.h"
#include "addon/options_reader.h"
#include "addon/regions.h"
#include "addon/snapshot.h"
#include "addon/values.h"
#include "backend/identity/identity.h"
#include "backend/onnxruntime/onnxruntime.h"
#include "backend/testing/testing.h"
#include "base/log.h"

namespace serving::addon {

Napi::Function EngineWrap::Define(Napi::Env env) {
  return DefineClass(env, "Engine",
                     {InstanceMethod("inspect", &EngineWrap::Inspect),
                      InstanceMethod("load", &EngineWrap::Load),
                      InstanceMethod("unload", &EngineWrap::Unload),
                      InstanceMethod("adjust", &EngineWrap::Adjust),
                      InstanceMethod("publish", &EngineWrap::Publish),
                      InstanceMethod("setPolicy", &EngineWrap::SetPolicy),
                      InstanceMethod("setAliases", &EngineWrap::SetAliases),
                      InstanceMethod("setTracing", &EngineWrap::SetTracing),
                      InstanceMethod("traceCounts", &EngineWrap::TraceCounts),
                      InstanceMethod("takeTraces", &EngineWrap::TakeTraces),
                      InstanceMethod("setLog", &EngineWrap::SetLog),
                      InstanceMethod("listen", &EngineWrap::Listen),
                      InstanceMethod("checkTls", &EngineWrap::CheckTls),
                      InstanceMethod("renewTls", &EngineWrap::RenewTls),
                      InstanceMethod("stopListening", &EngineWrap::StopListening),
                      InstanceMethod("drain", &EngineWrap::Drain),
                      InstanceMethod("onControl", &EngineWrap::OnControl),
                      InstanceMethod("replyHttp", &EngineWrap::ReplyHttp),
                      InstanceMethod("replyGrpc", &EngineWrap::ReplyGrpc),
                      InstanceMethod("onTokens", &EngineWrap::OnTokens),
                      InstanceMethod("onDemand", &EngineWrap::OnDemand),
                      InstanceMethod("replyToken", &EngineWrap::ReplyToken),
                      InstanceMethod("infer", &EngineWrap::Infer),
                      InstanceMethod("cancel", &EngineWrap::Cancel),
                      InstanceMethod("registerSystemRegion", &EngineWrap::RegisterSystemRegion),
                      InstanceMethod("registerCudaRegion", &EngineWrap::RegisterCudaRegion),
                      InstanceMethod("unregisterRegions", &EngineWrap::UnregisterRegions),
                      InstanceMethod("regions", &EngineWrap::Regions),
                      InstanceMethod("openRegion", &EngineWrap::OpenRegion),
                      InstanceMethod("snapshot", &EngineWrap::Snapshot),
                      InstanceMethod("setMetricsText", &EngineWrap::SetMetricsText),
                      InstanceMethod("setHealthDetails", &EngineWrap::SetHealthDetails),
                      InstanceMethod("memory", &EngineWrap::Memory),
                      InstanceMethod("trimMemory", &EngineWrap::TrimMemory),
                      InstanceMethod("batching", &EngineWrap::Batching),
                      InstanceMethod("testControl", &EngineWrap::TestControl),
                      InstanceMethod("log", &EngineWrap::Log),
                      InstanceMethod("close", &EngineWrap::Close)});
}

EngineWrap::EngineWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  Napi::Env env = info.Env();
  ObjectReader reader(info[0], "options");
  const base::LogOptions log = ReadLogOptions(reader);
  const frontend::FrontendOptions frontend_options = ReadFrontendOptions(reader);
  test_backends_ = reader.Bool("enableTestBackends");
  const std::string library = reader.Text("onnxRuntimeLibrary");
  const engine::EngineOptions engine_options{
      .memory_limit_bytes = static_cast<size_t>(reader.Integer("memoryLimitBytes")),
      .allow_inline = reader.Text("inlineExecution") != "off",
      .metrics = ReadMetricsOptions(reader),
      .allow_client_memory = reader.Bool("allowClientShm"),
      .response_cache_bytes =
          static_cast<size_t>(std::max<int64_t>(reader.IntegerOr("responseCacheBytes", 0), 0)),
      .resource_limits = ReadResourceLimits(reader)};
  if (!reader.status().ok()) {
    Throw(env, reader.status());
    return;
  }
  if (const base::Status status = base::SetLogOptions(log); !status.ok()) {
    Throw(env, status);
    return;
  }
  queue_ = JsQueue::Make(env);
  engine_ = std::make_shared<engine::Engine>(engine_options);
  engine_->Register(backend::MakeIdentityBackend());
  engine_->Register(backend::MakeOnnxRuntimeBackend({.library_path = library}));
  if (test_backends_) {
    for (auto& backend : backend::MakeTestBackends()) engine_->Register(std::move(backend));
  }
  infer_ = std::make_shared<InferBridge>(engine_, queue_);
  control_ = std::make_shared<ControlBridge>(
      queue_, [infer = std::weak_ptr(infer_)](frontend::CallToken token) {
        if (const auto alive = infer.lock()) alive->CancelFor(token);
      });
  frontend_ = std::make_shared<frontend::Frontend>(frontend_options, *engine_, *control_);
}

// The environment ends (or the object was dropped): threads must not outlive it.
EngineWrap::~EngineWrap() {
  if (frontend_) Shutdown(std::move(frontend_), std::move(engine_));
  if (control_) control_->Close();
  if (queue_) queue_->Close();
}

void EngineWrap::Shutdown(std::shared_ptr<frontend::Frontend> frontend,
                          std::shared_ptr<engine::Engine> engine) {
  frontend->Stop();
  engine->Stop();
}

bool EngineWrap::IsOpen(Napi::Env env) const {
  if (frontend_) return true;
  Throw(env, base::Unavailable("the engine is closed"));
  return false;
}

// Resolves the promise on the JavaScript thread, from whatever thread calls the result.
std::function<void()> EngineWrap::ResolveLater(Napi::Env env, Napi::Promise::Deferred deferred) {
  queue_->Hold(env);
  return [queue = queue_, deferred] {
    queue->Post([queue, deferred](Napi::Env env) {
      queue->Drop(env);
      deferred.Resolve(env.Undefined());
    });
  };
}

void EngineWrap::RegisterSystemRegion(const Napi::CallbackInfo& info) {
  if (!IsOpen(info.Env())) return;
  const base::Status status = addon::RegisterSystemRegion(engine_->regions(), info[0]);
  if (!status.ok()) Throw(info.Env(), status);
}

void EngineWrap::RegisterCudaRegion(const Napi::CallbackInfo& info) {
  if (!IsOpen(info.Env())) return;
  const base::Status status = addon::RegisterCudaRegion(engine_->regions(), info[0]);
  if (!status.ok()) Throw(info.Env(), status);
}

void EngineWrap::UnregisterRegions(const Napi::CallbackInfo& info) {
  if (!IsOpen(info.Env())) return;
  const base::Status status =
      addon::UnregisterRegions(engine_->regions(), TextArgument(info[0]), TextArgument(info[1]));
  if (!status.ok()) Throw(info.Env(), status);
}

Napi::Value EngineWrap::Regions(const Napi::CallbackInfo& info) {
  if (!IsOpen(info.Env())) return info.Env().Undefined();
  return ListRegions(info.Env(), engine_->regions());
}

Napi::Value EngineWrap::OpenRegion(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  auto memory = addon::OpenRegion(env, engine_->regions(), TextArgument(info[0]), info[1], info[2]);
  if (!memory.ok()) return Throw(env, memory.status()), env.Undefined();
  return memory.Take();
}

Napi::Value EngineWrap::Snapshot(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  Napi::Object object = Napi::Object::New(env);
  const auto samples = engine_->Snapshot();
  Napi::Array models = Napi::Array::New(env, samples.size());
  for (uint32_t i = 0; i < samples.size(); ++i) models.Set(i, ToObject(env, samples[i]));
  object.Set("models", models);
  object.Set("connections", static_cast<double>(frontend_->connections()));
  object.Set("inFlight", static_cast<double>(frontend_->in_flight()));
  object.Set("memoryUsedBytes", static_cast<double>(engine_->budget()->used()));
  object.Set("memoryLimitBytes", static_cast<double>(engine_->budget()->limit()));
  return object;
}

Napi::Value EngineWrap::Close(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto frontend = std::move(frontend_);
  auto engine = engine_;
  if (std::exchange(listeners_, 0) > 0) queue_->Drop(env);
  return AsyncWork<Nothing>::Run(
      env,
      [frontend, engine]() -> base::Result<Nothing> {
        if (frontend) Shutdown(frontend, engine);
        return Nothing{};
      },
      Undefined);
}

}  // namespace serving::addon
