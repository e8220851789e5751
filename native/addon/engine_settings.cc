// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// Verbs of EngineWrap for what is in force: the dispatch table, policies, traces, texts, the log.

#include <optional>
#include <string>

#include "addon/alias_reader.h"
#include "addon/engine_wrap.h"
#include "addon/errors.h"
#include "addon/options_reader.h"
#include "addon/plan_reader.h"
#include "addon/policy_reader.h"
#include "addon/values.h"
#include "base/log.h"

namespace serving::addon {

Napi::Value EngineWrap::Publish(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  const auto deferred = Napi::Promise::Deferred::New(env);
  auto table = ReadTable(info[0], *engine_);
  if (!table.ok()) {
    deferred.Reject(ToError(env, table.status()).Value());
    return deferred.Promise();
  }
  frontend_->Publish(table.Take(), ResolveLater(env, deferred));
  return deferred.Promise();
}

Napi::Value EngineWrap::SetPolicy(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  auto policy = ReadPolicy(info[0]);
  if (!policy.ok()) return Throw(env, policy.status()), env.Undefined();
  const auto deferred = Napi::Promise::Deferred::New(env);
  frontend_->SetPolicy(policy.Take(), ResolveLater(env, deferred));
  return deferred.Promise();
}

Napi::Value EngineWrap::SetAliases(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  auto aliases = ReadAliases(info[0]);
  if (!aliases.ok()) return Throw(env, aliases.status()), env.Undefined();
  const auto deferred = Napi::Promise::Deferred::New(env);
  frontend_->SetAliases(aliases.Take(), ResolveLater(env, deferred));
  return deferred.Promise();
}

Napi::Value EngineWrap::SetTracing(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  auto plan = tracing_.ReadPlan(info[0]);
  if (!plan.ok()) return Throw(env, plan.status()), env.Undefined();
  const auto deferred = Napi::Promise::Deferred::New(env);
  frontend_->SetTracing(plan.Take(), ResolveLater(env, deferred));
  return deferred.Promise();
}

Napi::Value EngineWrap::TraceCounts(const Napi::CallbackInfo& info) {
  return tracing_.Counts(info.Env());
}

Napi::Value EngineWrap::TakeTraces(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  const auto records = frontend_->traces().TakeAll();
  Napi::Array array = Napi::Array::New(env, records.size());
  for (uint32_t i = 0; i < records.size(); ++i) array.Set(i, ToObject(env, *records[i]));
  return array;
}

void EngineWrap::SetMetricsText(const Napi::CallbackInfo& info) {
  if (frontend_) frontend_->SetMetricsText(TextArgument(info[0]));
}

void EngineWrap::SetHealthDetails(const Napi::CallbackInfo& info) {
  if (!frontend_) return;
  frontend_->SetHealthDetails(info[0].IsString() ? std::optional(TextArgument(info[0]))
                                                 : std::nullopt);
}

void EngineWrap::SetLog(const Napi::CallbackInfo& info) {
  ObjectReader reader(info[0], "log");
  const base::LogOptions log = ReadLogOptions(reader);
  if (!reader.status().ok()) return Throw(info.Env(), reader.status());
  const base::Status status = base::SetLogOptions(log);
  if (!status.ok()) Throw(info.Env(), status);
}

void EngineWrap::Log(const Napi::CallbackInfo& info) {
  const std::string severity = TextArgument(info[0]);
  const base::Severity level = severity == "error"     ? base::Severity::kError
                               : severity == "warning" ? base::Severity::kWarning
                               : severity == "info"    ? base::Severity::kInfo
                                                       : base::Severity::kVerbose;
  base::Log(level, TextArgument(info[1]), static_cast<int>(IntegerArgument(info[2])),
            TextArgument(info[3]));
}

}  // namespace serving::addon
