// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/io_handler.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "protocol/grpc_infer_request.h"

namespace serving::frontend {
namespace {

constexpr std::string_view kText = "text/plain";

// One bool or enum in field 1, absent when it is 0.
std::string FieldOne(int value) {
  return value == 0 ? std::string() : std::string({'\x08', static_cast<char>(value)});
}

// grpc.health.v1.HealthCheckResponse.ServingStatus.
enum ServingStatus : int { kServing = 1, kNotServing = 2, kServiceUnknown = 3 };

bool IsService(std::string_view name) {
  static constexpr std::string_view kServices[] = {
      "", "inference.GRPCInferenceService", "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"};
  return std::ranges::find(kServices, name) != std::end(kServices);
}

}  // namespace

void IoHandler::AnswerHttpHealth(Call& call) {
  const bool json = options_.json_health_bodies;
  const auto answer = [&](bool good, std::string_view body) {
    answers_.Http(call, good ? 200 : 400, json ? kJson : kText, json ? body : "");
  };
  if (call.kind == RouteKind::kLive) {
    return answer(table_->is_live, table_->is_live ? R"({"live":true})" : R"({"live":false})");
  }
  if (table_->is_exiting) return answers_.Error(call, base::Unavailable("Server exiting"));
  if (call.kind == RouteKind::kReady) {
    const bool is_ready = table_->IsServerReady();
    return answer(is_ready, is_ready ? R"({"ready":true})" : R"({"ready":false})");
  }
  const auto ready = table_->IsReady(call.model_name, call.model_version);
  if (!ready.ok()) return Unresolved(call, call.model_name, ready.status());
  if (!ready.value()) {
    return Unresolved(call, call.model_name, base::InvalidArgument("Model version not ready"));
  }
  std::string text = "{\"name\":\"";
  for (const char c : call.model_name) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  text += "\",\"ready\":true}";
  answer(true, text);
}

void IoHandler::AnswerGrpcHealth(Call& call) {
  core::RequestPtr request = NewRequest(call);
  // ModelReadyRequest has name and version, HealthCheckRequest its service, where ModelInferRequest
  // has name and version; the others have no fields. What is no protobuf at all is refused for
  // each.
  const base::Status read = protocol::ReadGrpcInferRequest(call.body_bytes(), *pool_, *request);
  if (read.code() == base::StatusCode::kInternal) return answers_.Error(call, read);
  if (call.kind == RouteKind::kLive) return answers_.GrpcMessage(call, FieldOne(table_->is_live));
  const bool is_ready = table_->IsServerReady();
  if (call.kind == RouteKind::kReady) return answers_.GrpcMessage(call, FieldOne(is_ready));
  if (call.kind == RouteKind::kHealthCheck) {
    return answers_.GrpcMessage(call, FieldOne(is_ready ? kServing : kNotServing));
  }
  if (call.kind == RouteKind::kHealthWatch) return StartWatch(call, request->model_name);
  const auto ready = table_->IsReady(request->model_name, request->model_version);
  if (!ready.ok()) return Unresolved(call, request->model_name, ready.status());
  if (!ready.value() && Demand(call, request->model_name)) return;
  answers_.GrpcMessage(call, FieldOne(ready.value()));
}

void IoHandler::StartWatch(Call& call, std::string_view service) {
  SetCounted(call, false);  // a server that stops does not wait for its watchers
  call.model_name = service;
  watches_.emplace_back(call.slot, call.generation);
  UpdateWatch(call);
}

// Tells the status unless the client knows it. One who does not read is told the latest when it
// does, so nothing gathers.
void IoHandler::UpdateWatch(Call& call) {
  if (call.state == Call::State::kAnswered || call.stream->unsent_bytes() > 0) return;
  const bool is_ready = table_->IsServerReady();
  const ServingStatus status = !IsService(call.model_name) ? kServiceUnknown
                               : is_ready                  ? kServing
                                                           : kNotServing;
  if (status == std::exchange(call.watched, status)) return;
  answers_.StreamMessage(call, FieldOne(status));
}

void IoHandler::UpdateWatches() {
  std::erase_if(watches_, [this](const auto& watch) {
    Call* const call = calls_.Find(watch.first, watch.second);
    if (call != nullptr) UpdateWatch(*call);
    return call == nullptr;
  });
}

}  // namespace serving::frontend
