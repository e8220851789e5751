// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "addon/js_queue.h"
#include "frontend/control_call.h"

namespace serving::addon {

// Carries control calls from the I/O threads to the JavaScript handler, in batches.
//
// Threads: Post and Cancel from any; the rest on the JavaScript thread.
class ControlBridge final : public frontend::ControlPort,
                            public std::enable_shared_from_this<ControlBridge> {
 public:
  static constexpr size_t kMaxCalls = 1024;
  static constexpr size_t kMaxBytes = 64 << 20;

  // `on_cancel` is told of each call that is cancelled after JavaScript got it.
  ControlBridge(std::shared_ptr<JsQueue> queue, std::function<void(frontend::CallToken)> on_cancel)
      : queue_(std::move(queue)), on_cancel_(std::move(on_cancel)) {}

  bool Post(std::unique_ptr<frontend::ControlCall> call) override;
  void Cancel(frontend::CallToken token) override;
  void SetHandler(Napi::Function handler) { handler_ = Napi::Persistent(handler); }
  void SetTokenHandler(Napi::Function handler) { token_handler_ = Napi::Persistent(handler); }
  // `left` gets the tokens of calls that were cancelled after `handler` or another got them.
  void SetDemandHandlers(Napi::Function handler, Napi::Function left) {
    demand_handler_ = Napi::Persistent(handler);
    left_handler_ = Napi::Persistent(left);
  }
  void Close() {
    handler_.Reset();
    token_handler_.Reset();
    demand_handler_.Reset();
    left_handler_.Reset();
  }

 private:
  void Deliver(Napi::Env env);
  void DeliverCancelled(Napi::Env env);
  static void Hand(Napi::Env env, Napi::FunctionReference& handler, Napi::Array batch);

  const std::shared_ptr<JsQueue> queue_;
  const std::function<void(frontend::CallToken)> on_cancel_;
  Napi::FunctionReference handler_;
  Napi::FunctionReference token_handler_;
  Napi::FunctionReference demand_handler_;
  Napi::FunctionReference left_handler_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<frontend::ControlCall>> calls_;  // guarded by mutex_
  size_t bytes_ = 0;                                           // guarded by mutex_
  std::vector<frontend::CallToken> cancelled_;                 // guarded by mutex_
};

}  // namespace serving::addon
