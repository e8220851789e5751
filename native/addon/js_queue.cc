// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "addon/js_queue.h"

#include <utility>

namespace serving::addon {

std::shared_ptr<JsQueue> JsQueue::Make(Napi::Env env) {
  std::shared_ptr<JsQueue> queue(new JsQueue);
  using Keeper = std::shared_ptr<JsQueue>;
  queue->function_ = Function::New(
      env, "nereid", 0, 1, queue.get(),
      [](Napi::Env, Keeper* keeper, JsQueue*) {
        // The environment may end before Close: the function is gone then, and releasing it would
        // touch freed memory.
        {
          std::lock_guard lock((*keeper)->mutex_);
          (*keeper)->is_closed_ = true;
        }
        delete keeper;
      },
      new Keeper(queue));
  queue->function_.Unref(env);
  return queue;
}

void JsQueue::Post(Work work) {
  std::lock_guard lock(mutex_);
  if (is_closed_) return;
  work_.push_back(std::move(work));
  // Calls are coalesced: one is under way as long as work waits.
  if (work_.size() == 1) function_.NonBlockingCall();
}

void JsQueue::Run(Napi::Env env, Napi::Function, JsQueue* queue, void*) {
  if (env != nullptr) queue->RunAll(env);
}

void JsQueue::RunAll(Napi::Env env) {
  std::deque<Work> work;
  {
    std::lock_guard lock(mutex_);
    work.swap(work_);
  }
  for (Work& each : work) {
    Napi::HandleScope scope(env);
    each(env);
  }
}

void JsQueue::Hold(Napi::Env env) {
  if (holds_++ == 0) function_.Ref(env);
}

void JsQueue::Drop(Napi::Env env) {
  if (--holds_ == 0) function_.Unref(env);
}

void JsQueue::Close() {
  std::deque<Work> dropped;
  {
    std::lock_guard lock(mutex_);
    if (is_closed_) return;
    is_closed_ = true;
    dropped.swap(work_);
    function_.Release();
  }
}

}  // namespace serving::addon
