// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <napi.h>

#include <functional>
#include <map>
#include <memory>

#include "addon/control_bridge.h"
#include "addon/infer_bridge.h"
#include "addon/js_queue.h"
#include "addon/tracing.h"
#include "engine/engine.h"
#include "frontend/frontend.h"
#include "net/tls_context.h"

namespace serving::addon {

// The `Engine` object of src/addon/types.ts: one engine, its frontend and its bridges.
//
// Threads: the JavaScript thread; what blocks runs on the environment's worker pool and comes back
// as a promise. Owns everything native of its environment. When the environment ends first, the
// clean-up hook stops and joins. Its verbs stand in engine_*.cc by what they are for, and in
// memory.cc.
class EngineWrap final : public Napi::ObjectWrap<EngineWrap> {
 public:
  static Napi::Function Define(Napi::Env env);

  explicit EngineWrap(const Napi::CallbackInfo& info);
  ~EngineWrap() override;

 private:
  Napi::Value Inspect(const Napi::CallbackInfo& info);
  Napi::Value Load(const Napi::CallbackInfo& info);
  Napi::Value Unload(const Napi::CallbackInfo& info);
  Napi::Value Adjust(const Napi::CallbackInfo& info);
  Napi::Value Publish(const Napi::CallbackInfo& info);
  Napi::Value SetPolicy(const Napi::CallbackInfo& info);
  Napi::Value SetTracing(const Napi::CallbackInfo& info);
  Napi::Value TraceCounts(const Napi::CallbackInfo& info);
  Napi::Value TakeTraces(const Napi::CallbackInfo& info);
  void SetLog(const Napi::CallbackInfo& info);
  Napi::Value SetAliases(const Napi::CallbackInfo& info);
  Napi::Value Listen(const Napi::CallbackInfo& info);
  void CheckTls(const Napi::CallbackInfo& info);
  void RenewTls(const Napi::CallbackInfo& info);
  Napi::Value StopListening(const Napi::CallbackInfo& info);
  Napi::Value Drain(const Napi::CallbackInfo& info);
  void OnControl(const Napi::CallbackInfo& info);
  void OnTokens(const Napi::CallbackInfo& info);
  void OnDemand(const Napi::CallbackInfo& info);
  void ReplyToken(const Napi::CallbackInfo& info);
  void ReplyHttp(const Napi::CallbackInfo& info);
  void ReplyGrpc(const Napi::CallbackInfo& info);
  Napi::Value Infer(const Napi::CallbackInfo& info);
  void Cancel(const Napi::CallbackInfo& info);
  void RegisterSystemRegion(const Napi::CallbackInfo& info);
  void RegisterCudaRegion(const Napi::CallbackInfo& info);
  void UnregisterRegions(const Napi::CallbackInfo& info);
  Napi::Value Regions(const Napi::CallbackInfo& info);
  Napi::Value OpenRegion(const Napi::CallbackInfo& info);
  Napi::Value Snapshot(const Napi::CallbackInfo& info);
  void SetMetricsText(const Napi::CallbackInfo& info);
  void SetHealthDetails(const Napi::CallbackInfo& info);
  Napi::Value Memory(const Napi::CallbackInfo& info);
  Napi::Value TrimMemory(const Napi::CallbackInfo& info);
  Napi::Value Batching(const Napi::CallbackInfo& info);
  Napi::Value TestControl(const Napi::CallbackInfo& info);
  void Log(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  // False, with an exception pending, after Close.
  bool IsOpen(Napi::Env env) const;
  std::function<void()> ResolveLater(Napi::Env env, Napi::Promise::Deferred deferred);
  // Stops every thread of the engine. Blocks; any thread, once.
  static void Shutdown(std::shared_ptr<frontend::Frontend> frontend,
                       std::shared_ptr<engine::Engine> engine);

  bool test_backends_ = false;
  std::shared_ptr<JsQueue> queue_;
  std::shared_ptr<ControlBridge> control_;
  std::shared_ptr<engine::Engine> engine_;
  std::shared_ptr<frontend::Frontend> frontend_;
  std::shared_ptr<InferBridge> infer_;
  int listeners_ = 0;
  std::map<int, base::Ref<net::TlsContext>> tls_;  // by the listener's id
  Tracing tracing_;
};

}  // namespace serving::addon
