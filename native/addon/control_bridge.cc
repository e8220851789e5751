// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "addon/control_bridge.h"

#include <algorithm>
#include <string>
#include <utility>

namespace serving::addon {
namespace {

Napi::Object ToObject(Napi::Env env, const frontend::ControlCall& call) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("token", static_cast<double>(call.token));
  object.Set("protocol", call.is_grpc ? "grpc" : "http");
  object.Set("service", std::string(frontend::ServiceName(call.service)));
  object.Set("method", call.method);
  object.Set("path", call.path);
  object.Set("query", call.query);
  Napi::Array headers = Napi::Array::New(env, call.headers.size());
  for (uint32_t i = 0; i < call.headers.size(); ++i) headers.Set(i, call.headers[i]);
  object.Set("headers", headers);
  object.Set("body", Napi::Buffer<char>::Copy(env, call.body.data(), call.body.size()));
  object.Set("remoteAddress", call.remote_address);
  return object;
}

Napi::Object ToInquiry(Napi::Env env, const frontend::ControlCall& call) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("inquiry", static_cast<double>(call.token));
  object.Set("token", call.body);
  return object;
}

Napi::Object ToDemand(Napi::Env env, const frontend::ControlCall& call) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("token", static_cast<double>(call.token));
  object.Set("model", call.path);
  object.Set("bytes", static_cast<double>(call.demand_bytes));
  return object;
}

}  // namespace

bool ControlBridge::Post(std::unique_ptr<frontend::ControlCall> call) {
  const size_t bytes = call->ByteSize();
  bool is_first = false;
  {
    std::lock_guard lock(mutex_);
    // One call is always taken, so that a large one is not refused for ever.
    if (calls_.size() >= kMaxCalls || (!calls_.empty() && bytes_ + bytes > kMaxBytes)) return false;
    is_first = calls_.empty();
    bytes_ += bytes;
    calls_.push_back(std::move(call));
  }
  if (is_first) queue_->Post([self = shared_from_this()](Napi::Env env) { self->Deliver(env); });
  return true;
}

void ControlBridge::Cancel(frontend::CallToken token) {
  bool is_first = false;
  {
    std::lock_guard lock(mutex_);
    const auto waiting = std::ranges::find_if(
        calls_, [token](const auto& call) { return !call->is_inquiry && call->token == token; });
    if (waiting != calls_.end()) {
      bytes_ -= (*waiting)->ByteSize();
      calls_.erase(waiting);  // its delivery, which is on its way, may find nothing
      return;
    }
    is_first = cancelled_.empty();
    cancelled_.push_back(token);
  }
  if (is_first)
    queue_->Post([self = shared_from_this()](Napi::Env env) { self->DeliverCancelled(env); });
}

void ControlBridge::DeliverCancelled(Napi::Env env) {
  std::vector<frontend::CallToken> cancelled;
  {
    std::lock_guard lock(mutex_);
    cancelled.swap(cancelled_);
  }
  for (const frontend::CallToken token : cancelled) on_cancel_(token);
  if (left_handler_.IsEmpty()) return;
  Napi::Array tokens = Napi::Array::New(env, cancelled.size());
  for (uint32_t i = 0; i < cancelled.size(); ++i) {
    tokens.Set(i, static_cast<double>(cancelled[i]));
  }
  Hand(env, left_handler_, tokens);
}

void ControlBridge::Deliver(Napi::Env env) {
  std::vector<std::unique_ptr<frontend::ControlCall>> calls;
  {
    std::lock_guard lock(mutex_);
    calls.swap(calls_);
    bytes_ = 0;
  }
  Napi::Array batch = Napi::Array::New(env);
  Napi::Array tokens = Napi::Array::New(env);
  Napi::Array demands = Napi::Array::New(env);
  for (const auto& call : calls) {
    if (call->is_inquiry) {
      tokens.Set(tokens.Length(), ToInquiry(env, *call));
    } else if (call->is_demand) {
      demands.Set(demands.Length(), ToDemand(env, *call));
    } else {
      batch.Set(batch.Length(), ToObject(env, *call));
    }
  }
  Hand(env, token_handler_, tokens);
  Hand(env, demand_handler_, demands);
  Hand(env, handler_, batch);
}

void ControlBridge::Hand(Napi::Env env, Napi::FunctionReference& handler, Napi::Array batch) {
  // Without a handler (closing) the calls' deadline answers them.
  if (batch.Length() == 0 || handler.IsEmpty()) return;
  handler.Call({batch});
  // A handler that throws is a bug in TypeScript; its calls end by their deadline, the process goes
  // on.
  if (env.IsExceptionPending()) env.GetAndClearPendingException();
}

}  // namespace serving::addon
