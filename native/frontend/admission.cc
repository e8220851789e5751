// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "frontend/answer_head.h"
#include "frontend/io_handler.h"
#include "protocol/grpc_frame.h"
#include "protocol/pb_wire.h"

namespace serving::frontend {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::string_view kPreflightSeconds = "600";

std::optional<base::Nanoseconds> ParseMilliseconds(std::string_view text) {
  uint32_t value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end.ec != std::errc() || end.ptr != text.data() + text.size()) return std::nullopt;
  return milliseconds(value);
}

// The shortest of the deadlines that the headers name; InvalidArgument for one that is none.
base::Result<std::optional<base::Nanoseconds>> DeadlineOf(const net::RequestHead& head) {
  std::optional<base::Nanoseconds> shortest;
  for (const net::Header& header : head.headers) {
    const bool is_grpc = header.name == "grpc-timeout";
    if (!is_grpc && header.name != "x-request-timeout-ms" &&
        header.name != "x-envoy-expected-rq-timeout-ms") {
      continue;
    }
    const auto parsed =
        is_grpc ? protocol::ParseGrpcTimeout(header.value) : ParseMilliseconds(header.value);
    if (!parsed) {
      return base::InvalidArgument(
          "malformed " + std::string(header.name) + " '" + std::string(header.value) +
          "': expected " +
          (is_grpc ? "up to 8 digits and one of HMSmun" : "a whole number of milliseconds"));
    }
    if (!shortest || *parsed < *shortest) shortest = *parsed;
  }
  return shortest;
}

// The message's text in the field, the last one as protobuf has it; Internal when the bytes are no
// message.
base::Result<std::string_view> ModelOfMessage(std::span<const std::byte> message, uint32_t field) {
  protocol::WireReader reader(message);
  std::string_view model;
  while (!reader.AtEnd()) {
    const auto tag = reader.ReadTag();
    if (!tag) return base::Internal("Unable to parse request");
    if (!tag->Is(field, protocol::WireType::kBytes)) {
      if (!reader.Skip(*tag)) return base::Internal("Unable to parse request");
      continue;
    }
    const auto bytes = reader.ReadBytes();
    if (!bytes) return base::Internal("Unable to parse request");
    model = {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
  }
  return model;
}

std::string MethodNames(Methods methods) {
  static constexpr std::pair<Methods, std::string_view> kNames[] = {
      {kGet, "GET"}, {kPost, "POST"}, {kPut, "PUT"}, {kDelete, "DELETE"}};
  std::string names;
  for (const auto& [bit, name] : kNames) {
    if ((methods & bit) == 0) continue;
    if (!names.empty()) names += ", ";
    names += name;
  }
  return names;
}

}  // namespace

bool IoHandler::Admit(Call& call, const net::RequestHead& head, const Route& route) {
  call.row = route.row;
  if (policy_->is_open() && route.row != nullptr) [[likely]]
    return true;
  if (policy_->has_cors() && !call.is_grpc && AdmitOrigin(call, head, route)) return false;
  if (route.row == nullptr) {
    if (call.is_grpc) {
      answers_.Error(call, base::Unimplemented("unknown method '" + std::string(head.path) + "'"));
    } else {
      answers_.Http(call, 404, kJson, R"({"error":"Not Found"})");
    }
    return false;
  }
  Admission admission = policy_->Check(head, route, call.service, call.is_grpc);
  if (!admission.status.ok()) return Refuse(call, admission.status), false;
  if ((route.kind == RouteKind::kInfer || route.kind == RouteKind::kStreamInfer) &&
      call.alias == AliasForm::kNone) {
    if (const base::Pattern* pattern = policy_->forward_pattern(call.is_grpc)) {
      call.forwarded = HeadersToForward(head, *pattern, call.is_grpc);
    }
  }
  if (policy_->takes_deadlines() && !call.is_grpc) {
    const auto deadline = DeadlineOf(head);
    if (!deadline.ok()) return answers_.Error(call, deadline.status()), false;
    if (deadline.value()) {
      call.deadline = call.received_at + *deadline.value();
      call.Rearm();
    }
  }
  if (!admission.token.empty()) return AdmitToken(call, admission, route);
  if (admission.grant) Use(call, std::move(admission.grant));
  return true;
}

// A browser's question before a request is answered here; true = it was one.
bool IoHandler::AdmitOrigin(Call& call, const net::RequestHead& head, const Route& route) {
  const auto origin = head.Find("origin");
  if (!policy_->allows_any_origin()) call.varies_by_origin = true;
  if (!origin) return false;
  if (policy_->AllowsOrigin(*origin)) {
    call.allowed_origin = policy_->allows_any_origin() ? std::string("*") : std::string(*origin);
  }
  const auto method = head.Find("access-control-request-method");
  if (head.method != "OPTIONS" || !method || route.row == nullptr) return false;
  if (call.allowed_origin.empty()) {
    answers_.Http(call, 403, kJson, R"({"error":"this origin is not allowed"})");
    return true;
  }
  const std::string methods = MethodNames(route.row->methods);
  net::Header headers[] = {
      {"access-control-allow-methods", methods},
      {"access-control-max-age", kPreflightSeconds},
      {"access-control-allow-headers", head.Find("access-control-request-headers").value_or("")}};
  call.MarkAnswered();
  SendHttpHead(call, 204, {headers, headers[2].value.empty() ? 2u : 3u}, 0);
  call.stream->Finish({});
  return true;
}

// A verdict that is known, or the call waits for one; false = refused.
bool IoHandler::AdmitToken(Call& call, const Admission& admission, const Route& route) {
  if (const Verdict* known = verdicts_.Find(admission.digest, call.received_at)) {
    const base::Status status =
        known->status.ok() ? CheckGrant(*known->grant, *route.row, NameOfModel(route, call.service))
                           : known->status;
    if (!status.ok()) return Refuse(call, status), false;
    Use(call, known->grant);
    return true;
  }
  const auto asked =
      inquiries_.Wait(admission.digest, {call.slot, call.generation}, call.received_at);
  bool is_asked = asked.has_value();
  if (asked && asked->is_new) {
    auto question = std::make_unique<ControlCall>();
    question->token = MakeToken(index_, asked->id.generation, asked->id.slot);
    question->is_inquiry = true;
    question->body = admission.token;
    is_asked = frontend_.control().Post(std::move(question));
    if (!is_asked) inquiries_.End(asked->id);
  }
  if (!is_asked) {
    answers_.Error(call, base::Unavailable("too many new tokens are waiting, retry later"));
    return false;
  }
  call.awaits_verdict = true;
  call.route_model = NameOfModel(route, call.service);
  call.control_expires = steady_clock::now() + kVerdictPatience;
  call.Rearm();
  return true;
}

void IoHandler::OnVerdict(const ControlReply& reply) {
  auto ended = inquiries_.End({reply.slot, reply.generation});
  if (!ended) return;
  const Verdict& verdict = *reply.verdict;
  if (verdict.lifetime.count() > 0) {
    verdicts_.Put(ended->digest, verdict, steady_clock::now());
  }
  for (const TokenInquiries::Waiter& waiter : ended->waiters) {
    Call* call = calls_.Find(waiter.slot, waiter.generation);
    if (call == nullptr || !call->awaits_verdict) continue;  // gone, or answered by its deadline
    call->awaits_verdict = false;
    if (call->state == Call::State::kAnswered) continue;
    const base::Status status = verdict.status.ok()
                                    ? CheckGrant(*verdict.grant, *call->row, call->route_model)
                                    : verdict.status;
    if (!status.ok()) {
      Refuse(*call, status);
      continue;
    }
    Use(*call, verdict.grant);
    call->control_expires = base::kNever;
    call->Rearm();
    if (call->is_body_complete) {
      OnRequestComplete(*call);
    } else if (call->messages) {
      ContinueMessages(*call);
    }
  }
}

// Kept only while it can still say no.
void IoHandler::Use(Call& call, GrantRef grant) {
  if (!grant->covers_all_models() && call.row->model_field != 0) call.grant = std::move(grant);
}

base::Status IoHandler::CheckMessage(const Call& call, std::span<const std::byte> message) {
  ASSIGN_OR_RETURN(const std::string_view model, ModelOfMessage(message, call.row->model_field));
  return CheckModel(*call.grant, model);
}

void IoHandler::Refuse(Call& call, const base::Status& status) {
  const bool is_unknown = status.code() == base::StatusCode::kUnauthenticated;
  if (call.is_grpc || !is_unknown) return answers_.Error(call, status);
  answers_.Unauthenticated(call, status);
}

}  // namespace serving::frontend
