// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <napi.h>

#include <deque>
#include <functional>
#include <memory>
#include <mutex>

namespace serving::addon {

// Work that other threads leave for the JavaScript thread. One wake of the event loop runs
// everything that is there.
//
// Threads: Post from any; the rest on the JavaScript thread. Posting after Close drops the work;
// whoever posts may live longer than the environment (the queue is shared).
class JsQueue {
 public:
  using Work = std::function<void(Napi::Env)>;

  // Lives at least until its thread-safe function has been finalized.
  static std::shared_ptr<JsQueue> Make(Napi::Env env);

  void Post(Work work);

  // The event loop stays alive while something is held: a listener, a promise.
  void Hold(Napi::Env env);
  void Drop(Napi::Env env);

  void Close();

 private:
  static void Run(Napi::Env env, Napi::Function, JsQueue* queue, void*);
  using Function = Napi::TypedThreadSafeFunction<JsQueue, void, Run>;

  JsQueue() = default;
  void RunAll(Napi::Env env);

  Function function_;
  int holds_ = 0;
  std::mutex mutex_;
  std::deque<Work> work_;   // guarded by mutex_
  bool is_closed_ = false;  // guarded by mutex_
};

}  // namespace serving::addon
