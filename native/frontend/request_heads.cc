// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/io_handler.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "protocol/grpc_frame.h"

namespace serving::frontend {
namespace {

using std::chrono::steady_clock;

constexpr base::Nanoseconds kBodyRetry = std::chrono::milliseconds(20);
// Bodies up to here are charged and allocated at once; larger ones are address space that is
// charged as it fills.
constexpr size_t kEagerBodyBytes = 64 << 10;
constexpr size_t kBodyEndAlignment = 64;

// Bodies that fill the memory together would wait for each other for ever, so one after the other
// gives up; what it held may be enough for the rest.
base::Nanoseconds BodyPatience(const Call& call) {
  constexpr uint32_t kTurns = 64;
  return std::chrono::seconds(2) + std::chrono::milliseconds(50) * (call.slot % kTurns);
}

bool IsIdentity(std::optional<std::string_view> coding) {
  return !coding || coding->empty() || *coding == "identity";
}

}  // namespace

void IoHandler::StartHttp(Call& call, const net::RequestHead& head, const Route& route) {
  // The second infer path is a test of the first one's protocol and has no aliases.
  if (call.kind == RouteKind::kInfer && !options_.native_infer_path &&
      call.alias == AliasForm::kNone) {
    call.kind = RouteKind::kControl;
  }
  if (call.kind == RouteKind::kControl) {
    TakeControlHead(call, head);
    const bool is_infer = route.kind == RouteKind::kInfer;
    const size_t limit =
        is_infer ? frontend_.engine().budget()->limit() / 4 : options_.max_input_bytes;
    StartHttpBody(call, head, limit);
    return;
  }
  if (call.kind == RouteKind::kHealthDetails && !options_.diagnostics_api) {
    answers_.Http(call, 404, kJson, R"({"error":"Not Found"})");
    return;
  }
  const bool is_generate =
      call.kind == RouteKind::kGenerate || call.kind == RouteKind::kGenerateStream;
  if (!AllowsMethod(*route.row, head.method)) {
    answers_.Http(call, 405, kJson, R"({"error":"Method Not Allowed"})");
    return;
  }
  // What an alias names is a name already; what it redirects to is a path.
  auto name = HasAliases(call.service) ? std::optional(std::string(route.model))
                                       : PercentDecode(route.model);
  if (!name) {
    answers_.Http(call, 404, kJson, R"({"error":"Not Found"})");
    return;
  }
  call.model_name = std::move(*name);
  call.model_version = route.version;
  if (is_generate && !IsIdentity(head.Find("content-encoding"))) {
    answers_.Error(
        call, base::InvalidArgument("Unsupported content-encoding, only 'identity' is supported."));
    return;
  }
  if (call.kind != RouteKind::kInfer) {
    StartHttpBody(call, head, options_.max_input_bytes);
    return;
  }
  const base::Status status =
      call.alias == AliasForm::kNone ? ReadInferHead(call, head) : ReadAliasHead(call, head);
  if (!status.ok()) return answers_.Error(call, status);
  if (!call.json_length && head.content_length.value_or(0) > options_.max_input_bytes) {
    answers_.Error(
        call, base::InvalidArgument("Request JSON size of " + std::to_string(*head.content_length) +
                                    " bytes exceeds the maximum allowed value of " +
                                    std::to_string(options_.max_input_bytes) +
                                    " bytes. Use --http-max-input-size to increase the limit."));
    return;
  }
  StartHttpBody(call, head, frontend_.engine().budget()->limit() / 4);
}

base::Status IoHandler::ReadInferHead(Call& call, const net::RequestHead& head) {
  const auto coding = protocol::ParseCoding(head.Find("content-encoding").value_or(""));
  if (!coding) return base::Unimplemented("Unsupported compression type");
  call.request_coding = *coding;
  if (const auto accepted = head.Find("accept-encoding")) {
    call.answer_coding = protocol::PreferredCoding(*accepted);
  }
  if (const auto length = head.Find("inference-header-content-length")) call.json_length = *length;
  return {};
}

void IoHandler::NoteLoadForm(Call& call, const net::RequestHead& head) {
  switch (call.kind) {
    case RouteKind::kInfer:
    case RouteKind::kGenerate:
    case RouteKind::kGenerateStream:
    case RouteKind::kStreamInfer:
      call.load_form = load_headers_->FormFor(head);
      return;
    default:
      return;
  }
}

void IoHandler::StartHttpBody(Call& call, const net::RequestHead& head, size_t limit) {
  if (!head.content_length) {
    call.body_limit = limit;
    return;
  }
  if (*head.content_length > limit) {
    const std::string text = "{\"error\":\"request body of " +
                             std::to_string(*head.content_length) + " bytes is over the limit of " +
                             std::to_string(limit) + " bytes\"}";
    answers_.Http(call, 413, kJson, text);
    return;
  }
  ReserveBody(call, *head.content_length);
}

void IoHandler::StartGrpc(Call& call, const net::RequestHead& head) {
  const auto accepted = head.Find("grpc-accept-encoding");
  call.knows_codings = accepted.has_value();
  if ((call.kind == RouteKind::kInfer || call.kind == RouteKind::kStreamInfer) &&
      options_.grpc_answer_level != protocol::CompressionLevel::kNone) {
    call.answer_coding =
        protocol::CodingForLevel(options_.grpc_answer_level, accepted.value_or(""));
  }
  if (call.kind == RouteKind::kInfer && !options_.native_infer_path)
    call.kind = RouteKind::kControl;
  if (call.kind == RouteKind::kControl || call.kind == RouteKind::kReflection) {
    TakeControlHead(call, head);
  }
  if (call.kind == RouteKind::kStreamInfer || call.kind == RouteKind::kReflection) {
    StartMessages(call, head);
  }
  call.request_coding = protocol::ParseCoding(head.Find("grpc-encoding").value_or(""))
                            .value_or(protocol::Coding::kIdentity);
  if (const auto timeout = head.Find("grpc-timeout")) {
    const auto parsed = protocol::ParseGrpcTimeout(*timeout);
    if (!parsed) {
      answers_.Error(call,
                     base::InvalidArgument("malformed grpc-timeout '" + std::string(*timeout) +
                                           "': expected up to 8 digits and one of HMSmun"));
      return;
    }
    call.deadline = call.received_at + *parsed;
    call.Rearm();
  }
}

void IoHandler::OnGrpcPrefix(Call& call) {
  const auto prefix = protocol::ParseGrpcPrefix(call.prefix);
  if (!prefix || (prefix->compressed && call.request_coding == protocol::Coding::kIdentity)) {
    Fail(call, base::Unimplemented("unsupported message compression: expected a grpc-encoding "
                                   "of identity, deflate or gzip"));
    return;
  }
  call.is_compressed = prefix->compressed;
  const size_t limit = std::min<size_t>(INT32_MAX, frontend_.engine().budget()->limit() / 4);
  if (prefix->length > limit) {
    Fail(call, base::ResourceExhausted("Received message larger than max (" +
                                       std::to_string(prefix->length) + " vs. " +
                                       std::to_string(limit) + ")"));
    return;
  }
  ReserveBody(call, prefix->length);
}

void IoHandler::ReserveBody(Call& call, size_t size) {
  call.is_length_known = true;
  call.body_size = size;
  if (size == 0) return;
  if (size <= kEagerBodyBytes) {
    call.body = pool_->Allocate(size);
  } else {
    call.body_offset = (kBodyEndAlignment - size % kBodyEndAlignment) % kBodyEndAlignment;
    call.body = pool_->Reserve(size + call.body_offset);
  }
  if (!call.body) {
    Fail(call, base::Unavailable("memory limit reached: no room for a request of " +
                                 std::to_string(size) + " bytes, retry later"));
  }
}

void IoHandler::TakeControlHead(Call& call, const net::RequestHead& head) {
  call.control = std::make_unique<ControlCall>();
  ControlCall& control = *call.control;
  control.token = MakeToken(index_, call.generation, call.slot);
  control.is_grpc = call.is_grpc;
  control.service = call.service;
  control.method = head.method;
  control.path = head.path;
  control.query = head.query;
  control.remote_address = head.remote_address;
  for (const net::Header& header : head.headers) {
    control.headers.emplace_back(header.name);
    control.headers.emplace_back(header.value);
  }
}

void IoHandler::PauseBody(Call& call) {
  const base::Instant now = steady_clock::now();
  if (call.starved_since == base::kNever || call.starved_at != call.received) {
    call.starved_since = now;
    call.starved_at = call.received;
  }
  if (now - call.starved_since >= BodyPatience(call)) {
    RefuseBody(call,
               base::Unavailable("memory limit reached: no room for the rest of a request of " +
                                 std::to_string(call.body_size) + " bytes, retry later"));
    return;
  }
  call.retry_body_at = now + kBodyRetry;
  call.Rearm();
}

void IoHandler::RefuseBody(Call& call, const base::Status& status) {
  Fail(call, status);
  call.body.Reset();
  call.stream->connection_bytes() -= std::exchange(call.charged, 0);
}

}  // namespace serving::frontend
