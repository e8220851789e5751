// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "addon/engine_wrap.h"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "addon/alias_reader.h"
#include "addon/async_work.h"
#include "addon/errors.h"
#include "addon/options_reader.h"
#include "addon/plan_reader.h"
#include "addon/policy_reader.h"
#include "addon/regions.h"
#include "addon/snapshot.h"
#include "addon/tls_reader.h"
#include "addon/tuning.h"
#include "addon/values.h"
#include "backend/identity/identity.h"
#include "backend/onnxruntime/onnxruntime.h"
#include "backend/testing/testing.h"
#include "base/log.h"

namespace serving::addon {
namespace {

using std::chrono::milliseconds;

struct Nothing {};

Napi::Value Undefined(Napi::Env env, Nothing&) { return env.Undefined(); }

Napi::Array ToTensors(Napi::Env env, const std::vector<tensor::TensorDescriptor>& tensors) {
  Napi::Array array = Napi::Array::New(env, tensors.size());
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("name", tensors[i].name);
    object.Set("datatype", std::string(tensor::WireName(tensors[i].data_type)));
    Napi::Array shape = Napi::Array::New(env);
    uint32_t axis = 0;
    for (const int64_t dim : tensors[i].dims.dims()) shape.Set(axis++, static_cast<double>(dim));
    object.Set("shape", shape);
    array.Set(i, object);
  }
  return array;
}

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

Napi::Function EngineWrap::Define(Napi::Env env) {
  return DefineClass(env, "Engine",
                     {InstanceMethod("inspect", &EngineWrap::Inspect),
                      InstanceMethod("load", &EngineWrap::Load),
                      InstanceMethod("unload", &EngineWrap::Unload),
                      InstanceMethod("adjust", &EngineWrap::Adjust),
                      InstanceMethod("publish", &EngineWrap::Publish),
                      InstanceMethod("setPolicy", &EngineWrap::SetPolicy),
                      InstanceMethod("setAliases", &EngineWrap::SetAliases),
                      InstanceMethod("setTracing", &EngineWrap::SetTracing),
                      InstanceMethod("traceCounts", &EngineWrap::TraceCounts),
                      InstanceMethod("takeTraces", &EngineWrap::TakeTraces),
                      InstanceMethod("setLog", &EngineWrap::SetLog),
                      InstanceMethod("listen", &EngineWrap::Listen),
                      InstanceMethod("checkTls", &EngineWrap::CheckTls),
                      InstanceMethod("renewTls", &EngineWrap::RenewTls),
                      InstanceMethod("stopListening", &EngineWrap::StopListening),
                      InstanceMethod("drain", &EngineWrap::Drain),
                      InstanceMethod("onControl", &EngineWrap::OnControl),
                      InstanceMethod("replyHttp", &EngineWrap::ReplyHttp),
                      InstanceMethod("replyGrpc", &EngineWrap::ReplyGrpc),
                      InstanceMethod("onTokens", &EngineWrap::OnTokens),
                      InstanceMethod("onDemand", &EngineWrap::OnDemand),
                      InstanceMethod("replyToken", &EngineWrap::ReplyToken),
                      InstanceMethod("infer", &EngineWrap::Infer),
                      InstanceMethod("cancel", &EngineWrap::Cancel),
                      InstanceMethod("registerSystemRegion", &EngineWrap::RegisterSystemRegion),
                      InstanceMethod("registerCudaRegion", &EngineWrap::RegisterCudaRegion),
                      InstanceMethod("unregisterRegions", &EngineWrap::UnregisterRegions),
                      InstanceMethod("regions", &EngineWrap::Regions),
                      InstanceMethod("openRegion", &EngineWrap::OpenRegion),
                      InstanceMethod("snapshot", &EngineWrap::Snapshot),
                      InstanceMethod("setMetricsText", &EngineWrap::SetMetricsText),
                      InstanceMethod("setHealthDetails", &EngineWrap::SetHealthDetails),
                      InstanceMethod("memory", &EngineWrap::Memory),
                      InstanceMethod("trimMemory", &EngineWrap::TrimMemory),
                      InstanceMethod("batching", &EngineWrap::Batching),
                      InstanceMethod("testControl", &EngineWrap::TestControl),
                      InstanceMethod("log", &EngineWrap::Log),
                      InstanceMethod("close", &EngineWrap::Close)});
}

EngineWrap::EngineWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  Napi::Env env = info.Env();
  ObjectReader reader(info[0], "options");
  const base::LogOptions log = ReadLogOptions(reader);
  const frontend::FrontendOptions frontend_options = ReadFrontendOptions(reader);
  test_backends_ = reader.Bool("enableTestBackends");
  const std::string library = reader.Text("onnxRuntimeLibrary");
  const engine::EngineOptions engine_options{
      .memory_limit_bytes = static_cast<size_t>(reader.Integer("memoryLimitBytes")),
      .allow_inline = reader.Text("inlineExecution") != "off",
      .metrics = ReadMetricsOptions(reader),
      .allow_client_memory = reader.Bool("allowClientShm"),
      .response_cache_bytes =
          static_cast<size_t>(std::max<int64_t>(reader.IntegerOr("responseCacheBytes", 0), 0)),
      .resource_limits = ReadResourceLimits(reader)};
  if (!reader.status().ok()) {
    Throw(env, reader.status());
    return;
  }
  if (const base::Status status = base::SetLogOptions(log); !status.ok()) {
    Throw(env, status);
    return;
  }
  queue_ = JsQueue::Make(env);
  engine_ = std::make_shared<engine::Engine>(engine_options);
  engine_->Register(backend::MakeIdentityBackend());
  engine_->Register(backend::MakeOnnxRuntimeBackend({.library_path = library}));
  if (test_backends_) {
    for (auto& backend : backend::MakeTestBackends()) engine_->Register(std::move(backend));
  }
  infer_ = std::make_shared<InferBridge>(engine_, queue_);
  control_ = std::make_shared<ControlBridge>(
      queue_, [infer = std::weak_ptr(infer_)](frontend::CallToken token) {
        if (const auto alive = infer.lock()) alive->CancelFor(token);
      });
  frontend_ = std::make_shared<frontend::Frontend>(frontend_options, *engine_, *control_);
}

// The environment ends (or the object was dropped): threads must not outlive it.
EngineWrap::~EngineWrap() {
  if (frontend_) Shutdown(std::move(frontend_), std::move(engine_));
  if (control_) control_->Close();
  if (queue_) queue_->Close();
}

void EngineWrap::Shutdown(std::shared_ptr<frontend::Frontend> frontend,
                          std::shared_ptr<engine::Engine> engine) {
  frontend->Stop();
  engine->Stop();
}

bool EngineWrap::IsOpen(Napi::Env env) const {
  if (frontend_) return true;
  Throw(env, base::Unavailable("the engine is closed"));
  return false;
}

Napi::Value EngineWrap::Inspect(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  return AsyncWork<backend::Inspection>::Run(
      env,
      [engine = engine_, backend = TextArgument(info[0]), file = TextArgument(info[1])] {
        return engine->Inspect(backend, file);
      },
      [](Napi::Env env, backend::Inspection& inspection) -> Napi::Value {
        Napi::Object object = Napi::Object::New(env);
        object.Set("inputs", ToTensors(env, inspection.inputs));
        object.Set("outputs", ToTensors(env, inspection.outputs));
        return object;
      });
}

Napi::Value EngineWrap::Load(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  auto plan = ReadPlan(info[0]);
  return AsyncWork<engine::ModelHandle>::Run(
      env,
      [engine = engine_, plan = std::make_shared<base::Result<core::ModelPlan>>(
                             std::move(plan))]() -> base::Result<engine::ModelHandle> {
        if (!plan->ok()) return plan->status();
        return engine->Load(plan->Take());
      },
      [](Napi::Env env, engine::ModelHandle& handle) -> Napi::Value {
        return Napi::Number::New(env, static_cast<double>(handle));
      });
}

Napi::Value EngineWrap::Unload(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  return AsyncWork<Nothing>::Run(
      env,
      [engine = engine_, handle = IntegerArgument(info[0])]() -> base::Result<Nothing> {
        RETURN_IF_ERROR(engine->Unload(handle));
        return Nothing{};
      },
      Undefined);
}

Napi::Value EngineWrap::Adjust(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  using Adjustments = std::vector<engine::Engine::Adjustment>;
  auto read = ReadAdjustments(info[0]);
  if (!read.ok()) return Throw(env, read.status()), env.Undefined();
  return AsyncWork<Nothing>::Run(
      env,
      [engine = engine_,
       adjustments = std::make_shared<Adjustments>(read.Take())]() -> base::Result<Nothing> {
        RETURN_IF_ERROR(engine->Adjust(std::move(*adjustments)));
        return Nothing{};
      },
      Undefined);
}

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

Napi::Value EngineWrap::SetAliases(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  auto aliases = ReadAliases(info[0]);
  if (!aliases.ok()) return Throw(env, aliases.status()), env.Undefined();
  const auto deferred = Napi::Promise::Deferred::New(env);
  frontend_->SetAliases(aliases.Take(), ResolveLater(env, deferred));
  return deferred.Promise();
}

// Resolves the promise on the JavaScript thread, from whatever thread calls the result.
std::function<void()> EngineWrap::ResolveLater(Napi::Env env, Napi::Promise::Deferred deferred) {
  queue_->Hold(env);
  return [queue = queue_, deferred] {
    queue->Post([queue, deferred](Napi::Env env) {
      queue->Drop(env);
      deferred.Resolve(env.Undefined());
    });
  };
}

Napi::Value EngineWrap::Listen(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  ObjectReader reader(info[0], "listen");
  const net::ListenerOptions options = ReadListenerOptions(reader);
  if (!reader.status().ok()) return Throw(env, reader.status()), env.Undefined();
  auto listening = frontend_->Listen(options);
  if (!listening.ok()) return Throw(env, listening.status()), env.Undefined();
  if (listeners_++ == 0) queue_->Hold(env);
  if (options.tls) tls_[listening.value().id] = options.tls;
  Napi::Object object = Napi::Object::New(env);
  object.Set("id", listening.value().id);
  object.Set("host", listening.value().host);
  object.Set("port", listening.value().port);
  return object;
}

void EngineWrap::CheckTls(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  ObjectReader reader(info[0], "checkTls");
  const net::TlsOptions options = ReadTls(reader);
  if (reader.status().ok()) reader.Merge(net::TlsContext::Make(options).status());
  if (!reader.status().ok()) Throw(env, reader.status());
}

void EngineWrap::RenewTls(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return;
  const auto found = tls_.find(static_cast<int>(IntegerArgument(info[0])));
  if (found == tls_.end()) {
    Throw(env, base::NotFound("renewTls: expected the id of a listener with TLS"));
    return;
  }
  ObjectReader reader(info[1], "renewTls");
  const net::TlsOptions options = ReadTls(reader);
  if (reader.status().ok()) reader.Merge(found->second->Renew(options));
  if (!reader.status().ok()) Throw(env, reader.status());
}

Napi::Value EngineWrap::StopListening(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  return AsyncWork<Nothing>::Run(
      env,
      [frontend = frontend_]() -> base::Result<Nothing> {
        frontend->StopListening();
        return Nothing{};
      },
      Undefined);
}

Napi::Value EngineWrap::Drain(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  return AsyncWork<bool>::Run(
      env,
      [frontend = frontend_, timeout = milliseconds(IntegerArgument(info[0]))]()
          -> base::Result<bool> { return frontend->Drain(timeout); },
      [](Napi::Env env, bool& drained) -> Napi::Value { return Napi::Boolean::New(env, drained); });
}

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

void EngineWrap::RegisterSystemRegion(const Napi::CallbackInfo& info) {
  if (!IsOpen(info.Env())) return;
  const base::Status status = addon::RegisterSystemRegion(engine_->regions(), info[0]);
  if (!status.ok()) Throw(info.Env(), status);
}

void EngineWrap::RegisterCudaRegion(const Napi::CallbackInfo& info) {
  if (!IsOpen(info.Env())) return;
  const base::Status status = addon::RegisterCudaRegion(engine_->regions(), info[0]);
  if (!status.ok()) Throw(info.Env(), status);
}

void EngineWrap::UnregisterRegions(const Napi::CallbackInfo& info) {
  if (!IsOpen(info.Env())) return;
  const base::Status status =
      addon::UnregisterRegions(engine_->regions(), TextArgument(info[0]), TextArgument(info[1]));
  if (!status.ok()) Throw(info.Env(), status);
}

Napi::Value EngineWrap::Regions(const Napi::CallbackInfo& info) {
  if (!IsOpen(info.Env())) return info.Env().Undefined();
  return ListRegions(info.Env(), engine_->regions());
}

Napi::Value EngineWrap::OpenRegion(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  auto memory = addon::OpenRegion(env, engine_->regions(), TextArgument(info[0]), info[1], info[2]);
  if (!memory.ok()) return Throw(env, memory.status()), env.Undefined();
  return memory.Take();
}

Napi::Value EngineWrap::Snapshot(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  Napi::Object object = Napi::Object::New(env);
  const auto samples = engine_->Snapshot();
  Napi::Array models = Napi::Array::New(env, samples.size());
  for (uint32_t i = 0; i < samples.size(); ++i) models.Set(i, ToObject(env, samples[i]));
  object.Set("models", models);
  object.Set("connections", static_cast<double>(frontend_->connections()));
  object.Set("inFlight", static_cast<double>(frontend_->in_flight()));
  object.Set("memoryUsedBytes", static_cast<double>(engine_->budget()->used()));
  object.Set("memoryLimitBytes", static_cast<double>(engine_->budget()->limit()));
  return object;
}

void EngineWrap::SetMetricsText(const Napi::CallbackInfo& info) {
  if (frontend_) frontend_->SetMetricsText(TextArgument(info[0]));
}

void EngineWrap::SetHealthDetails(const Napi::CallbackInfo& info) {
  if (!frontend_) return;
  frontend_->SetHealthDetails(info[0].IsString() ? std::optional(TextArgument(info[0]))
                                                 : std::nullopt);
}

Napi::Value EngineWrap::Batching(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  const auto model = engine_->Find(IntegerArgument(info[0]));
  if (!model) return Throw(env, base::NotFound("no such loaded model")), env.Undefined();
  const auto view = model->ViewLoad();
  return view ? ToObject(env, *view) : env.Undefined();
}

Napi::Value EngineWrap::TestControl(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  return AsyncWork<std::string>::Run(
      env,
      [engine = engine_, enabled = test_backends_, handle = IntegerArgument(info[0]),
       json = TextArgument(info[1])]() -> base::Result<std::string> {
        if (!enabled) {
          return base::NotFound("test controls need --enable-test-backends");
        }
        const auto model = engine->Find(handle);
        if (!model) return base::NotFound("no such loaded model");
        return model->Control(json);
      },
      [](Napi::Env env, std::string& json) -> Napi::Value { return Napi::String::New(env, json); });
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

Napi::Value EngineWrap::Close(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto frontend = std::move(frontend_);
  auto engine = engine_;
  if (std::exchange(listeners_, 0) > 0) queue_->Drop(env);
  return AsyncWork<Nothing>::Run(
      env,
      [frontend, engine]() -> base::Result<Nothing> {
        if (frontend) Shutdown(frontend, engine);
        return Nothing{};
      },
      Undefined);
}

}  // namespace serving::addon
