// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <napi.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>

#include "addon/js_queue.h"
#include "base/ref.h"
#include "core/response_sink.h"
#include "device/host_pool.h"
#include "engine/engine.h"
#include "frontend/control_call.h"
#include "model/queue_timers.h"

namespace serving::addon {

class JsSink;

// In-process infer calls: the library, and the TypeScript infer path. JavaScript thread only, but
// for the answers.
class InferBridge final : public std::enable_shared_from_this<InferBridge> {
 public:
  InferBridge(std::shared_ptr<engine::Engine> engine, std::shared_ptr<JsQueue> queue);

  // Copies the inputs, submits, and returns the promise of the answer.
  Napi::Value Infer(Napi::Env env, Napi::Value call, double cancel_id);
  void Cancel(double cancel_id);
  // What runs, or is asked for a little later, on behalf of a control call that nobody waits for.
  void CancelFor(frontend::CallToken caller);

 private:
  friend class JsSink;
  struct Running {
    base::Ref<core::ResponseSink> sink;
    base::Ref<model::Servable> model;
    frontend::CallToken caller;  // 0 = the program itself
    std::optional<model::QueueTimers::Key> timer{};
  };
  // A call may be cancelled before its handler has come to ask for an infer.
  static constexpr size_t kMostRemembered = 256;

  base::Result<core::RequestPtr> ReadCall(Napi::Value call, frontend::CallToken& caller);
  static void Cancel(const Running& running);
  void Finish(Napi::Env env, base::Ref<JsSink> sink, core::InferResponse* response);

  std::shared_ptr<engine::Engine> engine_;
  std::shared_ptr<JsQueue> queue_;
  base::Ref<device::HostPool> pool_;
  model::QueueTimers timers_;
  std::unordered_map<double, Running> running_;  // by cancel id
  std::deque<frontend::CallToken> cancelled_;    // callers of which nothing ran, the last ones
};

}  // namespace serving::addon
