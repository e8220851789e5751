// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// Verbs of EngineWrap for sockets: from listening to the last answer.

#include <chrono>

#include "addon/async_work.h"
#include "addon/engine_wrap.h"
#include "addon/errors.h"
#include "addon/options_reader.h"
#include "addon/tls_reader.h"
#include "addon/values.h"

namespace serving::addon {

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
      [frontend = frontend_, timeout = std::chrono::milliseconds(IntegerArgument(info[0]))]()
          -> base::Result<bool> { return frontend->Drain(timeout); },
      [](Napi::Env env, bool& drained) -> Napi::Value { return Napi::Boolean::New(env, drained); });
}

}  // namespace serving::addon
