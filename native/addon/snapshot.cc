// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "addon/snapshot.h"

namespace serving::addon {
namespace {

Napi::BigInt Big(Napi::Env env, uint64_t value) { return Napi::BigInt::New(env, value); }

Napi::Object ToObject(Napi::Env env, const metrics::Duration& duration) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("count", Big(env, duration.count));
  object.Set("ns", Big(env, duration.ns));
  return object;
}

Napi::Array Batches(Napi::Env env, const metrics::ModelStatistics& statistics) {
  Napi::Array batches = Napi::Array::New(env, statistics.batches.size());
  uint32_t i = 0;
  for (const auto& [rows, batch] : statistics.batches) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("batchSize", Big(env, static_cast<uint64_t>(rows)));
    object.Set("computeInput", ToObject(env, batch.compute_input));
    object.Set("computeInfer", ToObject(env, batch.compute_infer));
    object.Set("computeOutput", ToObject(env, batch.compute_output));
    batches.Set(i++, object);
  }
  return batches;
}

Napi::Object Failures(Napi::Env env, const metrics::ModelStatistics& statistics) {
  using metrics::FailureReason;
  const auto count = [&](FailureReason reason) {
    return Big(env, statistics.failures[static_cast<size_t>(reason)]);
  };
  Napi::Object object = Napi::Object::New(env);
  object.Set("rejected", count(FailureReason::kRejected));
  object.Set("canceled", count(FailureReason::kCanceled));
  object.Set("backend", count(FailureReason::kBackend));
  object.Set("other", count(FailureReason::kOther));
  return object;
}

Napi::Array Responses(Napi::Env env, const metrics::ModelStatistics& statistics) {
  Napi::Array responses = Napi::Array::New(env, statistics.responses.size());
  uint32_t i = 0;
  for (const metrics::ResponseStatistics& response : statistics.responses) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("computeInfer", ToObject(env, response.compute_infer));
    object.Set("computeOutput", ToObject(env, response.compute_output));
    object.Set("success", ToObject(env, response.success));
    object.Set("fail", ToObject(env, response.fail));
    object.Set("emptyResponse", ToObject(env, response.empty_response));
    object.Set("cancel", ToObject(env, response.cancel));
    responses.Set(i++, object);
  }
  return responses;
}

Napi::Array Instances(Napi::Env env, const metrics::ModelStatistics& statistics) {
  Napi::Array instances = Napi::Array::New(env, statistics.instances.size());
  uint32_t i = 0;
  for (const metrics::InstanceState& instance : statistics.instances) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("state", std::string(metrics::ConditionName(instance.condition)));
    object.Set("reason", instance.reason);
    object.Set("failedAttempts", instance.failed_attempts);
    object.Set("poisonings", static_cast<double>(instance.poisonings));
    instances.Set(i++, object);
  }
  return instances;
}

}  // namespace

Napi::Object ToObject(Napi::Env env, const engine::Engine::NamedSample& sample) {
  const metrics::ModelStatistics& statistics = sample.statistics;
  Napi::Object object = Napi::Object::New(env);
  object.Set("handle", static_cast<double>(sample.handle));
  object.Set("name", sample.model->plan().name);
  object.Set("version", static_cast<double>(sample.model->plan().version));
  object.Set("received", Big(env, statistics.received));
  object.Set("pending", Big(env, statistics.pending));
  object.Set("lastInferenceMs", Big(env, statistics.last_inference_ms));
  object.Set("inferenceCount", Big(env, statistics.inference_count));
  object.Set("executionCount", Big(env, statistics.execution_count));
  object.Set("success", ToObject(env, statistics.success));
  object.Set("fail", ToObject(env, statistics.fail));
  object.Set("queue", ToObject(env, statistics.queue));
  object.Set("computeInput", ToObject(env, statistics.compute_input));
  object.Set("computeInfer", ToObject(env, statistics.compute_infer));
  object.Set("computeOutput", ToObject(env, statistics.compute_output));
  const metrics::CacheStatistics cache = statistics.cache.value_or(metrics::CacheStatistics{});
  object.Set("cacheHit", ToObject(env, cache.hit));
  object.Set("cacheMiss", ToObject(env, cache.miss));
  object.Set("batches", Batches(env, statistics));
  object.Set("failures", Failures(env, statistics));
  object.Set("responses", Responses(env, statistics));
  object.Set("instances", Instances(env, statistics));
  object.Set("canServe", sample.model->CanServe());
  return object;
}

}  // namespace serving::addon
