// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "addon/infer_bridge.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "addon/errors.h"
#include "addon/values.h"
#include "engine/validate.h"
#include "tensor/data_type.h"

namespace serving::addon {

// Carries the answer of one in-process call to the JavaScript thread.
class JsSink final : public core::ResponseSink {
 public:
  JsSink(std::weak_ptr<InferBridge> bridge, std::shared_ptr<JsQueue> queue,
         std::shared_ptr<base::MemoryBudget> budget, Napi::Promise::Deferred deferred,
         double cancel_id, std::string id)
      : deferred(deferred),
        cancel_id(cancel_id),
        id(std::move(id)),
        bridge_(std::move(bridge)),
        queue_(std::move(queue)),
        budget_(std::move(budget)) {}

  core::InferResponse* NewResponse() override {
    auto* response = new core::InferResponse;
    response->sink = this;
    return response;
  }
  base::BufferRef AllocateOutput(uint32_t, size_t bytes) override {
    return device::AllocateAlone(budget_, bytes);
  }
  base::Waker* Send(core::InferResponse* response) override {
    queue_->Post([sink = base::Ref<JsSink>::Share(this), bridge = bridge_,
                  owned = std::shared_ptr<core::InferResponse>(response)](Napi::Env env) {
      if (const auto alive = bridge.lock()) alive->Finish(env, sink, owned.get());
    });
    return nullptr;
  }

  Napi::Promise::Deferred deferred;
  const double cancel_id;
  const std::string id;

 private:
  std::weak_ptr<InferBridge> bridge_;
  std::shared_ptr<JsQueue> queue_;
  const std::shared_ptr<base::MemoryBudget> budget_;
};

namespace {

Napi::Object ToTensor(Napi::Env env, const core::ModelPlan& plan,
                      const core::OutputTensor& output) {
  Napi::Object tensor = Napi::Object::New(env);
  tensor.Set("name", plan.outputs[output.slot].tensor.name);
  tensor.Set("datatype", std::string(tensor::WireName(output.data_type)));
  Napi::Array shape = Napi::Array::New(env, output.shape.rank());
  for (uint32_t i = 0; i < output.shape.rank(); ++i) {
    shape.Set(i, static_cast<double>(output.shape[i]));
  }
  tensor.Set("shape", shape);
  // A fresh ArrayBuffer, so that typed arrays over it are aligned.
  Napi::ArrayBuffer bytes = Napi::ArrayBuffer::New(env, output.view.size);
  if (output.view.size != 0) std::memcpy(bytes.Data(), output.view.data, output.view.size);
  tensor.Set("data", Napi::Uint8Array::New(env, output.view.size, bytes, 0));
  return tensor;
}

Napi::Value ToValue(Napi::Env env, bool value) { return Napi::Boolean::New(env, value); }
Napi::Value ToValue(Napi::Env env, int64_t value) { return Napi::BigInt::New(env, value); }
Napi::Value ToValue(Napi::Env env, uint64_t value) { return Napi::BigInt::New(env, value); }
Napi::Value ToValue(Napi::Env env, double value) { return Napi::Number::New(env, value); }
Napi::Value ToValue(Napi::Env env, const std::string& value) {
  return Napi::String::New(env, value);
}

Napi::Object ToAnswer(Napi::Env env, const core::ModelPlan& plan, const std::string& id,
                      const core::InferResponse& response) {
  Napi::Object answer = Napi::Object::New(env);
  answer.Set("modelName", plan.name);
  answer.Set("modelVersion", std::to_string(plan.version));
  answer.Set("id", id);
  Napi::Array outputs = Napi::Array::New(env, response.outputs.size());
  for (uint32_t i = 0; i < response.outputs.size(); ++i) {
    outputs.Set(i, ToTensor(env, plan, response.outputs[i]));
  }
  answer.Set("outputs", outputs);
  if (!response.parameters.empty()) {
    Napi::Object parameters = Napi::Object::New(env);
    for (const auto& [name, value] : response.parameters) {
      parameters.Set(name, std::visit([&](const auto& one) { return ToValue(env, one); }, value));
    }
    answer.Set("parameters", parameters);
  }
  return answer;
}

base::Status ReadInput(Napi::Value value, base::BufferAllocator& allocator,
                       core::InferRequest& request) {
  ObjectReader reader(value, "input");
  const std::string name = reader.Text("name");
  const std::string type_name = reader.Text("datatype");
  const auto dims = reader.Integers("shape");
  RETURN_IF_ERROR(reader.status());
  const auto type = tensor::ParseWireName(type_name);
  if (!type) return base::InvalidArgument("input.datatype: unknown type '" + type_name + "'");
  const Napi::Value data = reader.Get("data");
  if (!data.IsTypedArray() || data.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    return base::InvalidArgument("input.data: expected a Uint8Array");
  }
  const auto bytes = data.As<Napi::Uint8Array>();
  base::BufferRef buffer = allocator.Allocate(bytes.ByteLength());
  if (!buffer) return base::Unavailable("memory limit reached, retry later");
  if (bytes.ByteLength() != 0) std::memcpy(buffer->data(), bytes.Data(), bytes.ByteLength());
  core::InputTensor& input = request.AddInput();
  input.name = request.arena.Keep(name);
  input.data_type = *type;
  input.data_type_name = tensor::WireName(*type);
  ASSIGN_OR_RETURN(input.shape, ToShape(dims));
  input.parts.push_back({.data = buffer->data(), .size = bytes.ByteLength()});
  input.byte_size = bytes.ByteLength();
  request.kept.push_back(std::move(buffer));
  return {};
}

void ReadSequence(ObjectReader& reader, core::InferRequest& request) {
  const Napi::Value value = reader.Get("sequence");
  if (value.IsUndefined()) return;
  ObjectReader sequence(value, "call.sequence");
  const Napi::Value id = sequence.Get("id");
  if (id.IsBigInt()) {
    bool is_lossless = false;
    const uint64_t number = id.As<Napi::BigInt>().Uint64Value(&is_lossless);
    if (!is_lossless) sequence.Fail("id", "64 bits without a sign");
    if (number != 0) request.correlation_id = number;
  } else if (id.IsString()) {
    request.correlation_id = request.arena.Keep(id.As<Napi::String>().Utf8Value());
  } else {
    sequence.Fail("id", "a bigint or a string");
  }
  request.sequence_start = sequence.Bool("start");
  request.sequence_end = sequence.Bool("end");
  reader.Merge(sequence.status());
}

std::optional<core::ParameterValue> ToParameter(Napi::Value value, core::TextArena& arena) {
  if (value.IsString()) return arena.Keep(value.As<Napi::String>().Utf8Value());
  if (value.IsBoolean()) return value.As<Napi::Boolean>().Value();
  if (value.IsNumber()) return value.As<Napi::Number>().DoubleValue();
  if (!value.IsBigInt()) return std::nullopt;
  const auto number = value.As<Napi::BigInt>();
  bool is_exact = false;
  if (const int64_t small = number.Int64Value(&is_exact); is_exact) return small;
  const uint64_t large = number.Uint64Value(&is_exact);
  return is_exact ? std::optional<core::ParameterValue>(large) : std::nullopt;
}

void ReadParameters(ObjectReader& reader, core::InferRequest& request) {
  if (!reader.Has("parameters")) return;
  reader.ForEach("parameters", [&](Napi::Value entry) {
    const auto pair = entry.IsArray() ? entry.As<Napi::Array>() : Napi::Array();
    const Napi::Value name = pair.IsEmpty() ? entry : pair.Get(0u);
    const auto value = pair.IsEmpty() ? std::nullopt : ToParameter(pair.Get(1), request.arena);
    if (!value || !name.IsString()) {
      reader.Fail("parameters",
                  "pairs of a name and a text, a boolean, a number or a bigint of 64 bits");
      return;
    }
    request.parameters.push_back({request.arena.Keep(name.As<Napi::String>().Utf8Value()), *value});
  });
}

}  // namespace

InferBridge::InferBridge(std::shared_ptr<engine::Engine> engine, std::shared_ptr<JsQueue> queue)
    : engine_(std::move(engine)),
      queue_(std::move(queue)),
      pool_(base::MakeRef<device::HostPool>(engine_->budget())) {}

base::Result<core::RequestPtr> InferBridge::ReadCall(Napi::Value value,
                                                     frontend::CallToken& caller) {
  ObjectReader reader(value, "call");
  core::RequestPtr request(new core::InferRequest);
  request->model_name = request->arena.Keep(reader.Text("model"));
  request->model_version = request->arena.Keep(reader.TextOr("version", ""));
  request->id = request->arena.Keep(reader.TextOr("id", ""));
  request->priority = static_cast<uint64_t>(reader.IntegerOr("priority", 0));
  request->timeout_us = static_cast<uint64_t>(reader.IntegerOr("timeoutUs", 0));
  caller = static_cast<frontend::CallToken>(reader.IntegerOr("caller", 0));
  ReadSequence(reader, *request);
  ReadParameters(reader, *request);
  base::Status status;
  reader.ForEach("inputs", [&](Napi::Value input) {
    if (status.ok()) status = ReadInput(input, *pool_, *request);
  });
  for (const std::string& name : reader.Texts("outputs")) {
    request->wanted.push_back({.name = request->arena.Keep(name)});
  }
  RETURN_IF_ERROR(reader.status());
  RETURN_IF_ERROR(status);
  return request;
}

Napi::Value InferBridge::Infer(Napi::Env env, Napi::Value call, double cancel_id) {
  const auto deferred = Napi::Promise::Deferred::New(env);
  const auto refuse = [&](const base::Status& status) {
    deferred.Reject(ToError(env, status).Value());
    return deferred.Promise();
  };
  frontend::CallToken caller = 0;
  auto read = ReadCall(call, caller);
  if (!read.ok()) return refuse(read.status());
  if (caller != 0 && std::ranges::find(cancelled_, caller) != cancelled_.end()) {
    return refuse(base::Cancelled("Request is cancelled"));
  }
  core::RequestPtr request = read.Take();
  const engine::DispatchTableRef table = engine_->table();
  auto model = table->Resolve(request->model_name, request->model_version);
  if (!model.ok()) return refuse(model.status());
  if (model.value()->plan().decoupled) {
    return refuse(
        base::Unimplemented("infer doesn't support models with decoupled transaction policy"));
  }
  const base::Status valid = engine::Validate(model.value()->plan(), *request);
  if (!valid.ok()) return refuse(valid);
  auto sink = base::MakeRef<JsSink>(weak_from_this(), queue_, engine_->budget(), deferred,
                                    cancel_id, std::string(request->id));
  request->sink = sink;
  request->times.received = std::chrono::steady_clock::now();
  auto shared = base::Ref<model::Servable>::Share(model.value());
  const auto timeout = shared->QueueTimeout(*request);
  if (timeout) {
    if (const base::Status started = timers_.Start(); !started.ok()) return refuse(started);
  }
  Running& running = running_[cancel_id];
  running = {.sink = sink, .model = shared, .caller = caller};
  queue_->Hold(env);
  model::RequestChain chain;
  chain.Append(std::move(request));
  shared->Submit(chain, nullptr);
  if (timeout) {
    running.timer = timers_.Add(std::chrono::steady_clock::now() + *timeout, {sink, shared});
  }
  return deferred.Promise();
}

void InferBridge::Finish(Napi::Env env, base::Ref<JsSink> sink, core::InferResponse* response) {
  const auto found = running_.find(sink->cancel_id);
  if (found == running_.end()) return;
  const base::Ref<model::Servable> model = std::move(found->second.model);
  if (found->second.timer) timers_.Remove(*found->second.timer);
  running_.erase(found);
  queue_->Drop(env);
  if (response->status.ok()) {
    sink->deferred.Resolve(ToAnswer(env, model->plan(), sink->id, *response));
  } else {
    sink->deferred.Reject(ToError(env, response->status).Value());
  }
}

void InferBridge::Cancel(double cancel_id) {
  const auto found = running_.find(cancel_id);
  if (found == running_.end()) return;
  Cancel(Running(found->second));
}

void InferBridge::CancelFor(frontend::CallToken caller) {
  std::vector<Running> found;
  for (const auto& [id, running] : running_) {
    if (running.caller == caller) found.push_back(running);
  }
  for (const Running& running : found) Cancel(running);
  if (!found.empty()) return;
  cancelled_.push_back(caller);
  if (cancelled_.size() > kMostRemembered) cancelled_.pop_front();
}

void InferBridge::Cancel(const Running& running) {
  running.sink->Cancel();
  running.model->RemoveQueued(running.sink.get(), base::Cancelled("Request is cancelled"),
                              metrics::FailureReason::kCanceled);
}

}  // namespace serving::addon
