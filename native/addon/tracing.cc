// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "addon/tracing.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "addon/values.h"

namespace serving::addon {
namespace {

// Nanoseconds of the steady clock and of the wall clock are told together, so that either can be
// derived from the other.
int64_t WallOffsetNs() {
  using std::chrono::duration_cast;
  using std::chrono::nanoseconds;
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  const auto steady = std::chrono::steady_clock::now().time_since_epoch();
  return duration_cast<nanoseconds>(wall).count() - duration_cast<nanoseconds>(steady).count();
}

Napi::Object ToObject(Napi::Env env, const trace::TracedTensor& tensor) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("activity", std::string(tensor.activity));
  object.Set("name", tensor.name);
  object.Set("datatype", std::string(tensor::WireName(tensor.data_type)));
  Napi::Array shape = Napi::Array::New(env, tensor.shape.rank());
  for (uint32_t axis = 0; axis < tensor.shape.rank(); ++axis) {
    shape.Set(axis, static_cast<double>(tensor.shape[axis]));
  }
  object.Set("shape", shape);
  object.Set("data", Napi::Buffer<char>::Copy(env, tensor.bytes.data(), tensor.bytes.size()));
  return object;
}

}  // namespace

base::Ref<trace::Sampler> Tracing::ReadSampler(ObjectReader& reader) {
  const auto id = static_cast<uint64_t>(reader.Integer("id"));
  if (const auto found = samplers_.find(id); found != samplers_.end()) return found->second;
  const trace::Level level{.timestamps = reader.Bool("timestamps"),
                           .tensors = reader.Bool("tensors")};
  const auto rate = static_cast<uint64_t>(std::max<int64_t>(1, reader.Integer("rate")));
  return base::MakeRef<trace::Sampler>(id, level, rate, reader.Integer("count"));
}

base::Result<trace::PlanRef> Tracing::ReadPlan(Napi::Value value) {
  std::map<uint64_t, base::Ref<trace::Sampler>> samplers;
  if (value.IsUndefined()) {
    samplers_.clear();
    return trace::PlanRef();
  }
  ObjectReader reader(value, "plan");
  ObjectReader global_reader(reader.Get("global"), "global");
  auto global = ReadSampler(global_reader);
  RETURN_IF_ERROR(global_reader.status());
  samplers[global->id()] = global;
  const auto plan = base::MakeRef<trace::Plan>(std::move(global), reader.Bool("takesContext"));
  base::Status status;
  reader.ForEach("models", [&](Napi::Value entry) {
    ObjectReader model(entry, "model");
    std::string name = model.Text("name");
    ObjectReader sampler_reader(model.Get("sampler"), "sampler");
    auto sampler = ReadSampler(sampler_reader);
    if (!model.status().ok()) status = model.status();
    if (!sampler_reader.status().ok()) status = sampler_reader.status();
    samplers[sampler->id()] = sampler;
    plan->Add(std::move(name), std::move(sampler));
  });
  RETURN_IF_ERROR(std::move(status));
  RETURN_IF_ERROR(reader.status());
  samplers_ = std::move(samplers);
  return trace::PlanRef(plan);
}

Napi::Array Tracing::Counts(Napi::Env env) const {
  Napi::Array counts = Napi::Array::New(env);
  uint32_t i = 0;
  for (const auto& [id, sampler] : samplers_) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("id", static_cast<double>(id));
    object.Set("remaining", static_cast<double>(sampler->remaining()));
    counts.Set(i++, object);
  }
  return counts;
}

Napi::Object ToObject(Napi::Env env, const trace::Record& record) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("id", static_cast<double>(record.id));
  object.Set("parentId", static_cast<double>(record.parent_id));
  object.Set("sampler", static_cast<double>(record.sampler_id));
  object.Set("protocol", record.is_grpc ? "grpc" : "http");
  object.Set("model", record.model_name);
  object.Set("version", static_cast<double>(record.model_version));
  object.Set("requestId", record.request_id);
  object.Set("traceParent", record.trace_parent);
  object.Set("timestamps", record.level.timestamps);
  object.Set("failed", record.is_failed);
  object.Set("cut", record.is_cut());
  object.Set("wallOffsetNs", Napi::BigInt::New(env, WallOffsetNs()));
  Napi::Array stamps = Napi::Array::New(env, record.stamps().size());
  for (uint32_t i = 0; i < record.stamps().size(); ++i) {
    const trace::Stamp& stamp = record.stamps()[i];
    const auto ns =
        std::chrono::duration_cast<std::chrono::nanoseconds>(stamp.at.time_since_epoch());
    Napi::Object one = Napi::Object::New(env);
    one.Set("name", std::string(trace::MomentName(stamp.moment)));
    one.Set("ns", Napi::BigInt::New(env, static_cast<int64_t>(ns.count())));
    stamps.Set(i, one);
  }
  object.Set("stamps", stamps);
  Napi::Array tensors = Napi::Array::New(env, record.tensors().size());
  for (uint32_t i = 0; i < record.tensors().size(); ++i) {
    tensors.Set(i, ToObject(env, record.tensors()[i]));
  }
  object.Set("tensors", tensors);
  return object;
}

}  // namespace serving::addon
