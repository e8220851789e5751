// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// Verbs of EngineWrap for calls: those that TypeScript answers, and those it makes.

#include <memory>
#include <string>
#include <utility>

#include "addon/engine_wrap.h"
#include "addon/errors.h"
#include "addon/policy_reader.h"
#include "addon/values.h"

namespace serving::addon {
namespace {

std::string BytesOf(Napi::Value value) {
  if (value.IsString()) return value.As<Napi::String>().Utf8Value();
  if (value.IsTypedArray()) {
    const auto array = value.As<Napi::TypedArray>();
    const auto* data = static_cast<const char*>(array.ArrayBuffer().Data());
    return {data + array.ByteOffset(), array.ByteLength()};
  }
  return {};
}

}  // namespace

void EngineWrap::OnControl(const Napi::CallbackInfo& info) {
  if (info[0].IsFunction()) {
    control_->SetHandler(info[0].As<Napi::Function>());
  } else {
    Throw(info.Env(), base::InvalidArgument("onControl: expected a function"));
  }
}

void EngineWrap::OnTokens(const Napi::CallbackInfo& info) {
  if (info[0].IsFunction()) {
    control_->SetTokenHandler(info[0].As<Napi::Function>());
  } else {
    Throw(info.Env(), base::InvalidArgument("onTokens: expected a function"));
  }
}

void EngineWrap::OnDemand(const Napi::CallbackInfo& info) {
  if (info[0].IsFunction() && info[1].IsFunction()) {
    control_->SetDemandHandlers(info[0].As<Napi::Function>(), info[1].As<Napi::Function>());
  } else {
    Throw(info.Env(), base::InvalidArgument("onDemand: expected two functions"));
  }
}

void EngineWrap::ReplyToken(const Napi::CallbackInfo& info) {
  if (!frontend_) return;
  auto verdict = ReadVerdict(info[1]);
  if (!verdict.ok()) return Throw(info.Env(), verdict.status());
  auto reply = std::make_unique<frontend::ControlReply>();
  reply->verdict = verdict.Take();
  frontend_->Reply(static_cast<frontend::CallToken>(IntegerArgument(info[0])), std::move(reply));
}

void EngineWrap::ReplyHttp(const Napi::CallbackInfo& info) {
  if (!frontend_) return;  // closed while TypeScript was thinking: nobody waits
  ObjectReader reader(info[1], "reply");
  auto reply = std::make_unique<frontend::ControlReply>();
  reply->http_status = static_cast<int>(reader.Integer("status"));
  const auto headers = reader.Texts("headers");
  for (size_t i = 0; i + 1 < headers.size(); i += 2) {
    reply->headers.emplace_back(headers[i], headers[i + 1]);
  }
  reply->body = BytesOf(reader.Get("body"));
  if (!reader.status().ok()) return Throw(info.Env(), reader.status());
  frontend_->Reply(static_cast<frontend::CallToken>(IntegerArgument(info[0])), std::move(reply));
}

void EngineWrap::ReplyGrpc(const Napi::CallbackInfo& info) {
  if (!frontend_) return;
  ObjectReader reader(info[1], "reply");
  auto reply = std::make_unique<frontend::ControlReply>();
  const int64_t code = reader.Integer("code");
  if (code != 0) {
    reply->grpc_status = {static_cast<base::StatusCode>(code), reader.Text("message")};
  }
  reply->body = BytesOf(reader.Get("body"));
  if (!reader.status().ok()) return Throw(info.Env(), reader.status());
  frontend_->Reply(static_cast<frontend::CallToken>(IntegerArgument(info[0])), std::move(reply));
}

Napi::Value EngineWrap::Infer(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  return infer_->Infer(env, info[0], NumberArgument(info[1]));
}

void EngineWrap::Cancel(const Napi::CallbackInfo& info) { infer_->Cancel(NumberArgument(info[0])); }

}  // namespace serving::addon
