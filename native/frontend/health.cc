// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/io_handler.h"

#include <string>

#include "protocol/grpc_infer_request.h"

namespace serving::frontend {
namespace {

constexpr std::string_view kText = "text/plain";

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
    return answer(table_->is_ready, table_->is_ready ? R"({"ready":true})" : R"({"ready":false})");
  }
  const auto ready = table_->IsReady(call.model_name, call.model_version);
  if (!ready.ok()) return answers_.Error(call, ready.status());
  if (!ready.value()) return answers_.Error(call, base::InvalidArgument("Model version not ready"));
  std::string text = "{\"name\":\"";
  for (const char c : call.model_name) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  text += "\",\"ready\":true}";
  answer(true, text);
}

void IoHandler::AnswerGrpcHealth(Call& call) {
  // One bool or enum in field 1, absent when it is 0.
  const auto field_one = [](int value) {
    return value == 0 ? std::string() : std::string({'\x08', static_cast<char>(value)});
  };
  core::RequestPtr request = NewRequest(call);
  // ModelReadyRequest has name and version, HealthCheckRequest its service, where ModelInferRequest
  // has name and version; the others have no fields. What is no protobuf at all is refused for
  // each.
  const base::Status read = protocol::ReadGrpcInferRequest(call.body_bytes(), *pool_, *request);
  if (read.code() == base::StatusCode::kInternal) return answers_.Error(call, read);
  if (call.kind == RouteKind::kLive) return answers_.GrpcMessage(call, field_one(table_->is_live));
  const bool is_ready = table_->is_ready && !table_->is_exiting;
  if (call.kind == RouteKind::kReady) return answers_.GrpcMessage(call, field_one(is_ready));
  if (call.kind == RouteKind::kHealthCheck) {
    return answers_.GrpcMessage(call, field_one(is_ready ? 1 : 2));  // SERVING, NOT_SERVING
  }
  const auto ready = table_->IsReady(request->model_name, request->model_version);
  if (!ready.ok()) return answers_.Error(call, ready.status());
  answers_.GrpcMessage(call, field_one(ready.value()));
}

}  // namespace serving::frontend
