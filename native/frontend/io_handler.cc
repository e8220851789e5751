// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/io_handler.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/validate.h"
#include "protocol/grpc_frame.h"
#include "protocol/grpc_infer_request.h"
#include "protocol/http_infer_request.h"

namespace serving::frontend {
namespace {

using base::Instant;
using std::chrono::steady_clock;

// An I/O thread spends at most this much of a loop turn on running batches itself.
constexpr base::Nanoseconds kInlinePerTurn = std::chrono::microseconds(500);
constexpr base::Nanoseconds kBodyRetry = std::chrono::milliseconds(20);
// Bodies up to here are charged and allocated at once; larger ones are address space that is
// charged as it fills.
constexpr size_t kEagerBodyBytes = 64 << 10;
constexpr size_t kBodyEndAlignment = 64;

constexpr std::string_view kText = "text/plain";
constexpr std::string_view kMetricsText = "text/plain; charset=utf-8";

// Bytes inside another buffer, from an offset to its end.
class BufferSlice final : public base::Buffer {
 public:
  BufferSlice(base::BufferRef whole, size_t offset)
      : Buffer(whole->data() + offset, whole->capacity() - offset, whole->kind(), whole->device()),
        whole_(std::move(whole)) {}

 private:
  base::BufferRef whole_;
};

}  // namespace

IoHandler::IoHandler(Frontend& frontend, int index, base::Ref<base::Waker> waker)
    : frontend_(frontend),
      options_(frontend.options()),
      index_(index),
      mailbox_(base::MakeRef<Mailbox>(std::move(waker), frontend.engine().budget())),
      pool_(base::MakeRef<device::HostPool>(frontend.engine().budget())),
      calls_(this),
      answers_(*pool_) {
  SetCurrentMailbox(mailbox_.get());
  // Attached first: a table published from here on comes as a notice as well.
  frontend_.Attach(index, mailbox_);
  table_ = frontend_.engine().table();
}

IoHandler::~IoHandler() {
  for (const auto& acknowledgement : unacknowledged_) acknowledgement->Arrive();
  while (free_requests_ != nullptr) delete std::exchange(free_requests_, free_requests_->next);
}

// ---- heads

net::Exchange* IoHandler::OnRequest(net::Stream& stream, const net::RequestHead& head) {
  Call& call = calls_.Open();
  frontend_.CountOpened();
  call.stream = &stream;
  call.service = static_cast<Service>(head.service);
  call.received_at = steady_clock::now();
  const bool is_http2 = head.protocol == net::Protocol::kHttp2;
  const auto content_type = head.Find("content-type");
  call.is_grpc = is_http2 && content_type && content_type->starts_with(kGrpcContentType);
  if (call.is_grpc) {
    StartGrpc(call, head);
  } else {
    StartHttp(call, head);
  }
  return &call;
}

void IoHandler::StartHttp(Call& call, const net::RequestHead& head) {
  const Route route =
      call.service == Service::kMetrics ? MatchMetrics(head.path) : MatchHttp(head.path);
  call.kind = route.kind;
  if (call.service == Service::kGrpc) {
    answers_.Http(call, 415, kJson,
                  R"({"error":"this port speaks gRPC: expected content-type application/grpc"})");
    return;
  }
  if (call.kind == RouteKind::kInfer && !options_.native_infer_path)
    call.kind = RouteKind::kControl;
  if (call.kind == RouteKind::kControl) {
    TakeControlHead(call, head);
    const bool is_infer = route.kind == RouteKind::kInfer;
    const size_t limit =
        is_infer ? frontend_.engine().budget()->limit() / 4 : options_.max_input_bytes;
    StartHttpBody(call, head, limit);
    return;
  }
  const std::string_view method = call.kind == RouteKind::kInfer ? "POST" : "GET";
  if (head.method != method) {
    answers_.Http(call, 405, kJson, R"({"error":"Method Not Allowed"})");
    return;
  }
  auto name = PercentDecode(route.model);
  if (!name) {
    answers_.Http(call, 404, kJson, R"({"error":"Not Found"})");
    return;
  }
  call.model_name = std::move(*name);
  call.model_version = route.version;
  if (call.kind != RouteKind::kInfer) {
    StartHttpBody(call, head, options_.max_input_bytes);
    return;
  }
  const auto coding = protocol::ParseCoding(head.Find("content-encoding").value_or(""));
  if (!coding) {
    answers_.Error(call, base::Unimplemented("Unsupported compression type"));
    return;
  }
  call.request_coding = *coding;
  if (const auto accepted = head.Find("accept-encoding")) {
    call.answer_coding = protocol::PreferredCoding(*accepted);
  }
  if (const auto length = head.Find("inference-header-content-length")) call.json_length = *length;
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
  const Route route = MatchGrpc(head.path);
  call.kind = route.kind;
  if (call.kind == RouteKind::kInfer && !options_.native_infer_path)
    call.kind = RouteKind::kControl;
  if (call.kind == RouteKind::kControl) TakeControlHead(call, head);
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
    answers_.Error(call,
                   base::Unimplemented("unsupported message compression: expected a grpc-encoding "
                                       "of identity, deflate or gzip"));
    return;
  }
  call.is_compressed = prefix->compressed;
  const size_t limit = std::min<size_t>(INT32_MAX, frontend_.engine().budget()->limit() / 4);
  if (prefix->length > limit) {
    answers_.Error(call, base::ResourceExhausted("Received message larger than max (" +
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
    answers_.Error(call, base::Unavailable("memory limit reached: no room for a request of " +
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
  call.retry_body_at = steady_clock::now() + kBodyRetry;
  call.Rearm();
}

// ---- complete requests

void IoHandler::OnRequestComplete(Call& call) {
  if (call.is_grpc &&
      (call.prefix_received < call.prefix.size() || call.received < call.body_size)) {
    answers_.Error(call, base::Internal("the request ended before its message was complete: got " +
                                        std::to_string(call.received) + " of " +
                                        std::to_string(call.body_size) + " bytes"));
    return;
  }
  call.state = Call::State::kWaiting;
  if (call.is_grpc ? call.is_compressed : call.request_coding != protocol::Coding::kIdentity) {
    const base::Status status = DecompressBody(call);
    if (!status.ok()) return answers_.Error(call, status);
  }
  switch (call.kind) {
    case RouteKind::kControl:
      return PostControl(call);
    case RouteKind::kInfer:
      return call.is_grpc ? SubmitGrpcInfer(call) : SubmitHttpInfer(call);
    case RouteKind::kMetrics:
      return answers_.Http(call, 200, kMetricsText, frontend_.RenderMetrics());
    case RouteKind::kNothing:
      return answers_.Http(call, 200, kMetricsText, {});
    case RouteKind::kLive:
    case RouteKind::kReady:
    case RouteKind::kModelReady:
    case RouteKind::kHealthCheck:
      return call.is_grpc ? AnswerGrpcHealth(call) : AnswerHttpHealth(call);
  }
}

base::Status IoHandler::DecompressBody(Call& call) {
  ASSIGN_OR_RETURN(protocol::Decompressed plain,
                   protocol::Decompress(call.body_bytes(), call.request_coding,
                                        options_.max_input_bytes, *pool_));
  call.body = std::move(plain.buffer);
  call.body_offset = 0;
  call.received = call.body_size = plain.size;
  return {};
}

core::RequestPtr IoHandler::NewRequest(Call& call) {
  if (free_requests_ == nullptr) free_requests_ = mailbox_->requests.TakeAll();
  core::InferRequest* request = free_requests_;
  if (request != nullptr) {
    free_requests_ = request->next;
    request->next = nullptr;
  } else {
    request = new core::InferRequest;
    request->home = mailbox_.get();
  }
  request->times.received = call.received_at;
  request->body = call.body_offset != 0
                      ? base::BufferRef(base::MakeRef<BufferSlice>(call.body, call.body_offset))
                      : call.body;
  return core::RequestPtr(request);
}

void IoHandler::SubmitHttpInfer(Call& call) {
  auto model = table_->Resolve(call.model_name, call.model_version);
  if (!model.ok()) return answers_.Error(call, model.status());
  if (model.value()->plan().decoupled) {
    return answers_.Error(call, base::Unimplemented("HTTP end point doesn't support models with "
                                                    "decoupled transaction policy"));
  }
  core::RequestPtr request = NewRequest(call);
  request->model_name = call.model_name;
  request->model_version = call.model_version;
  const auto json_length =
      call.json_length ? std::optional<std::string_view>(*call.json_length) : std::nullopt;
  base::Status status = protocol::ReadHttpInferRequest(request->body, call.received, json_length,
                                                       options_.max_input_bytes, *pool_,
                                                       &model.value()->plan(), *request);
  if (status.ok()) status = engine::Validate(model.value()->plan(), *request);
  if (!status.ok()) return answers_.Error(call, status);
  Submit(call, std::move(request), model.value());
}

void IoHandler::SubmitGrpcInfer(Call& call) {
  core::RequestPtr request = NewRequest(call);
  const base::Status read = protocol::ReadGrpcInferRequest(call.body_bytes(), *pool_, *request);
  if (!read.ok() && read.code() == base::StatusCode::kInternal) return answers_.Error(call, read);
  auto model = table_->Resolve(request->model_name, request->model_version);
  if (!model.ok()) return answers_.Error(call, model.status());
  if (model.value()->plan().decoupled) {
    return answers_.Error(call, base::Unimplemented("ModelInfer RPC doesn't support models with "
                                                    "decoupled transaction policy"));
  }
  if (!read.ok()) return answers_.Error(call, read);
  const base::Status valid = engine::Validate(model.value()->plan(), *request);
  if (!valid.ok()) return answers_.Error(call, valid);
  Submit(call, std::move(request), model.value());
}

void IoHandler::Submit(Call& call, core::RequestPtr request, model::Model* model) {
  call.model = base::Ref<model::Model>::Share(model);
  call.id = request->id;
  call.wanted = request->wanted;
  call.binary_by_default = request->binary_by_default;
  call.sink = base::MakeRef<NetSink>(mailbox_, call.slot, call.generation);
  call.body.Reset();  // the request has it
  request->sink = call.sink;
  request->deadline = call.deadline;
  if (const auto timeout = model->QueueTimeout(*request)) {
    call.queue_expires = steady_clock::now() + *timeout;
    call.Rearm();
  }
  auto found = std::ranges::find(pending_, model, [](const Pending& p) { return p.model.get(); });
  if (found == pending_.end()) {
    pending_.push_back({.model = call.model, .chain = {}});
    found = pending_.end() - 1;
  }
  found->chain.Append(std::move(request));
}

void IoHandler::PostControl(Call& call) {
  const auto body = call.body_bytes();
  call.control->body.assign(reinterpret_cast<const char*>(body.data()), body.size());
  call.body.Reset();
  if (!frontend_.control().Post(std::move(call.control))) {
    answers_.Error(call, base::Unavailable("too many management calls are waiting, retry later"));
    return;
  }
  call.control_expires = steady_clock::now() + options_.control_timeout;
  call.Rearm();
}

// ---- health, from the dispatch table

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

// ---- answers

void IoHandler::AnswerResponse(core::InferResponse& response) {
  const auto* sink = static_cast<NetSink*>(response.sink);
  Call* call = calls_.Find(sink->slot(), sink->generation());
  if (call == nullptr || call->state != Call::State::kWaiting) return;  // nobody waits any more
  if (response.status.ok()) {
    answers_.Infer(*call, response);
  } else {
    answers_.Error(*call, response.status);
  }
}

void IoHandler::AnswerReply(const ControlReply& reply) {
  Call* call = calls_.Find(reply.slot, reply.generation);
  if (call != nullptr && call->state == Call::State::kWaiting) answers_.Reply(*call, reply);
}

// ---- the loop

void IoHandler::OnWake() {
  for (TableNotice* notice = mailbox_->tables.TakeAll(); notice != nullptr;) {
    std::unique_ptr<TableNotice> owned(notice);
    notice = notice->next;
    table_ = owned->table;
    // Seen is said after the turn: what was read under the old table has been submitted by then.
    unacknowledged_.push_back(std::move(owned->acknowledgement));
  }
  for (ControlReply* reply = mailbox_->replies.TakeAll(); reply != nullptr;) {
    std::unique_ptr<ControlReply> owned(reply);
    reply = reply->next;
    AnswerReply(*owned);
  }
  DeliverResponses();
}

void IoHandler::OnTurnEnd() {
  Flush();
  DeliverResponses();
  for (const auto& acknowledgement : unacknowledged_) acknowledgement->Arrive();
  unacknowledged_.clear();
}

void IoHandler::Flush() {
  if (pending_.empty()) return;
  model::InlineAllowance allowance{.left = kInlinePerTurn};
  for (Pending& pending : pending_) pending.model->Submit(pending.chain, &allowance);
  pending_.clear();
}

void IoHandler::DeliverResponses() {
  for (core::InferResponse* response = mailbox_->responses.TakeAll(); response != nullptr;) {
    core::InferResponse* following = response->next;
    AnswerResponse(*response);
    NetSink::Recycle(response);
    response = following;
  }
}

void IoHandler::OnCallTimer(Call& call) {
  const Instant now = steady_clock::now();
  call.timer_at = base::kNever;
  if (call.deadline <= now) {
    if (call.model) {
      call.sink->Cancel();
      call.model->RemoveQueued(call.sink.get(), base::Cancelled("Request is cancelled"),
                               metrics::FailureReason::kCanceled);
    }
    return answers_.Error(call, base::DeadlineExceeded("Deadline Exceeded"));
  }
  if (call.control_expires <= now) {
    return answers_.Error(
        call, base::Unavailable("the control plane did not answer in time, retry later"));
  }
  if (call.queue_expires <= now) {
    call.queue_expires = base::kNever;
    call.model->RemoveQueued(call.sink.get(), base::Unavailable("Request timeout expired"),
                             metrics::FailureReason::kRejected);
  }
  if (call.retry_body_at <= now) {
    call.retry_body_at = base::kNever;
    call.stream->ResumeBody();
  }
  call.Rearm();
}

void IoHandler::OnCallClosed(Call& call, bool answered) {
  if (!answered && call.sink) {
    call.sink->Cancel();
    call.model->RemoveQueued(call.sink.get(), base::Cancelled("Request is cancelled"),
                             metrics::FailureReason::kCanceled);
  }
  calls_.Close(call);
  frontend_.CountClosed();
}

}  // namespace serving::frontend
