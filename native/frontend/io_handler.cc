// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/io_handler.h"

#include <algorithm>
#include <string>
#include <utility>

namespace serving::frontend {
namespace {

using base::Instant;
using std::chrono::steady_clock;

// An I/O thread spends at most this much of a loop turn on running batches itself.
constexpr base::Nanoseconds kInlinePerTurn = std::chrono::microseconds(500);

// Tokens whose verdicts are kept: good ones over all threads, bad ones for each.
constexpr size_t kMostTokens = 10'000;
constexpr size_t kMostBadTokens = 1'000;
constexpr size_t kMostInquiries = 256;
constexpr size_t kMostWaiters = 1'024;

constexpr std::string_view kMetricsText = "text/plain; charset=utf-8";

std::unique_ptr<LoadHeaders> MakeLoadHeaders(Frontend& frontend) {
  if (frontend.load_meter() == nullptr) return nullptr;
  return std::make_unique<LoadHeaders>(*frontend.load_meter(), *frontend.options().load_reports);
}

}  // namespace

IoHandler::IoHandler(Frontend& frontend, int index, base::Ref<base::Waker> waker)
    : frontend_(frontend),
      options_(frontend.options()),
      index_(index),
      mailbox_(base::MakeRef<Mailbox>(std::move(waker), frontend.engine().budget())),
      pool_(base::MakeRef<device::HostPool>(frontend.engine().budget())),
      connection_limit_(frontend.engine().budget()->limit() / 4),
      verdicts_(kMostTokens / static_cast<size_t>(options_.io_threads), kMostBadTokens),
      inquiries_(kMostInquiries, kMostWaiters, kVerdictPatience),
      calls_(this),
      load_headers_(MakeLoadHeaders(frontend)),
      answers_(*pool_, options_.server_timing, options_.real16_json, load_headers_.get()) {
  SetCurrentMailbox(mailbox_.get());
  // Attached first: a table published from here on comes as a notice as well.
  frontend_.Attach(index, mailbox_, pool_);
  table_ = frontend_.engine().table();
  policy_ = frontend_.policy();
  tracing_ = frontend_.tracing();
  access_log_ = frontend_.access_log();
  aliases_ = frontend_.aliases();
}

IoHandler::~IoHandler() {
  for (const auto& acknowledgement : unacknowledged_) acknowledgement->Arrive();
  while (free_requests_ != nullptr) delete std::exchange(free_requests_, free_requests_->next);
}

net::Exchange* IoHandler::OnRequest(net::Stream& stream, const net::RequestHead& head) {
  Call& call = calls_.Open();
  SetCounted(call, true);
  call.stream = &stream;
  call.service = static_cast<Service>(head.service);
  call.received_at = steady_clock::now();
  const bool is_http2 = head.protocol == net::Protocol::kHttp2;
  const auto content_type = head.Find("content-type");
  call.is_grpc = is_http2 && content_type && content_type->starts_with(kGrpcContentType);
  if (access_log_ != nullptr && access_log_->Sample()) StartAccessEntry(call, head);
  if (!call.is_grpc && call.service == Service::kGrpc) {
    answers_.Http(call, 415, kJson,
                  R"({"error":"this port speaks gRPC: expected content-type application/grpc"})");
    return &call;
  }
  if (HasAliases(call.service)) [[unlikely]] {
    StartAliased(call, head);
    return &call;
  }
  const Route route = MatchRoute(call.is_grpc                           ? Service::kGrpc
                                 : call.service == Service::kManagement ? Service::kHttp
                                                                        : call.service,
                                 head.path);
  call.kind = route.kind;
  if (!Admit(call, head, route)) return &call;
  if (tracing_) NoteTraceParent(call, head);
  if (load_headers_) [[unlikely]]
    NoteLoadForm(call, head);
  if (call.is_grpc) {
    StartGrpc(call, head);
  } else {
    StartHttp(call, head, route);
  }
  return &call;
}

// ---- complete requests

void IoHandler::OnRequestComplete(Call& call) {
  if (call.messages) {
    call.is_body_complete = call.awaits_verdict || call.awaits_model;
    return call.is_body_complete ? void() : OnMessagesEnd(call);
  }
  if (call.is_grpc &&
      (call.prefix_received < call.prefix.size() || call.received < call.body_size)) {
    answers_.Error(call, base::Internal("the request ended before its message was complete: got " +
                                        std::to_string(call.received) + " of " +
                                        std::to_string(call.body_size) + " bytes"));
    return;
  }
  if (call.awaits_verdict) {
    call.is_body_complete = true;
    return;
  }
  // A short batch may be done before the timer looks: what is late is not begun.
  if (call.deadline != base::kNever && call.deadline <= steady_clock::now()) {
    return answers_.Error(call, base::DeadlineExceeded("Deadline Exceeded"));
  }
  call.state = Call::State::kWaiting;
  if (call.is_grpc ? call.is_compressed : call.request_coding != protocol::Coding::kIdentity) {
    const base::Status status = DecompressBody(call);
    if (!status.ok()) return answers_.Error(call, status);
  }
  if (call.grant) {
    const base::Status status = CheckMessage(call, call.body_bytes());
    if (!status.ok()) return answers_.Error(call, status);
  }
  Serve(call);
}

void IoHandler::Serve(Call& call) {
  switch (call.kind) {
    case RouteKind::kUnknown:  // refused at its head
      return;
    case RouteKind::kControl:
      if (!call.forwarded.empty()) {
        const base::Status status = CheckForwarded(call.forwarded);
        if (!status.ok()) return answers_.Error(call, status);
      }
      return PostControl(call);
    case RouteKind::kInfer:
      return call.is_grpc ? SubmitGrpcInfer(call) : SubmitHttpInfer(call);
    case RouteKind::kGenerate:
    case RouteKind::kGenerateStream:
      return SubmitGenerate(call);
    case RouteKind::kMetrics:
      return answers_.Http(call, 200, kMetricsText, frontend_.RenderMetrics());
    case RouteKind::kHealthDetails:
      return AnswerHealthDetails(call);
    case RouteKind::kNothing:
      return answers_.Http(call, 200, kMetricsText, {});
    case RouteKind::kStreamInfer:
    case RouteKind::kReflection:
      return;  // messages
    case RouteKind::kLive:
    case RouteKind::kReady:
    case RouteKind::kModelReady:
    case RouteKind::kHealthCheck:
    case RouteKind::kHealthWatch:
      return call.is_grpc ? AnswerGrpcHealth(call) : AnswerHttpHealth(call);
  }
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

// ---- answers

// True: the response is kept for later.
bool IoHandler::AnswerResponse(core::InferResponse& response) {
  const auto& sink = static_cast<const NetSink&>(*response.sink);
  Call* call = calls_.Find(sink.slot(), sink.generation());
  // Nobody waits any more?
  if (call == nullptr || call->state == Call::State::kAnswered) return false;
  if (call->trace) TraceResponse(*call->trace, call->model->plan(), response);
  if (call->access) call->access->times = response.times;
  if (call->messages) return AnswerMessage(*call, response, sink);
  if (call->generated) {
    const size_t bytes = call->flow ? call->flow->SizeOf(response) : 0;
    const size_t written = answers_.Generate(*call, response);
    if (call->flow) call->flow->Pass(bytes, written, call->stream->unsent_bytes());
  } else if (response.status.ok()) {
    answers_.Infer(*call, response);
  } else {
    answers_.Error(*call, response.status);
  }
  return false;
}

void IoHandler::AnswerReply(const ControlReply& reply) {
  Call* call = calls_.Find(reply.slot, reply.generation);
  if (call == nullptr || call->state == Call::State::kAnswered) return;
  if (call->awaits_model) [[unlikely]]
    return AnswerDemand(*call, reply);
  if (call->messages) return AnswerMessageReply(*call, reply);
  answers_.Reply(*call, reply);
}

void IoHandler::SetCounted(Call& call, bool is_counted) {
  if (std::exchange(call.is_counted, is_counted) == is_counted) return;
  is_counted ? frontend_.CountOpened() : frontend_.CountClosed();
}

void IoHandler::CancelRequests(Call& call) {
  if (call.flow) call.flow->Close();
  if (call.awaits_model) {
    frontend_.control().Cancel(MakeToken(index_, call.generation, call.slot));
  }
  if (call.messages) {
    // All are marked first, so that none of them starts to run meanwhile.
    call.messages->ForEach([](StreamRequest& request) {
      if (request.sink) request.sink->Cancel();
    });
    Flush();  // what this turn has gathered is in no queue yet
    call.messages->ForEach([](StreamRequest& request) {
      if (!request.sink) return;
      request.model->RemoveQueued(request.sink.get(), base::Cancelled("Request is cancelled"),
                                  metrics::FailureReason::kCanceled);
    });
  } else if (call.sink) {
    call.sink->Cancel();
    Flush();
    call.model->RemoveQueued(call.sink.get(), base::Cancelled("Request is cancelled"),
                             metrics::FailureReason::kCanceled);
  } else if (!call.awaits_model && call.control_expires != base::kNever &&
             call.state != Call::State::kAnswered) {
    frontend_.control().Cancel(MakeToken(index_, call.generation, call.slot));
  }
}

void IoHandler::Fail(Call& call, const base::Status& status) {
  CancelRequests(call);
  answers_.Error(call, status);
}

// ---- the loop

void IoHandler::OnWake() {
  const bool has_new_table = !mailbox_->tables.empty();
  for (TableNotice* notice = mailbox_->tables.TakeAll(); notice != nullptr;) {
    std::unique_ptr<TableNotice> owned(notice);
    notice = notice->next;
    if (owned->table) table_ = owned->table;
    if (owned->policy) policy_ = owned->policy;
    if (owned->tracing) tracing_ = *owned->tracing;
    if (owned->aliases) aliases_ = owned->aliases;
    if (owned->trims) Trim();
    // Seen is said after the turn: what was read under the old table has been submitted by then.
    unacknowledged_.push_back(std::move(owned->acknowledgement));
  }
  if (has_new_table) UpdateWatches();
  for (ControlReply* reply = mailbox_->replies.TakeAll(); reply != nullptr;) {
    std::unique_ptr<ControlReply> owned(reply);
    reply = reply->next;
    if (owned->verdict) {
      OnVerdict(*owned);
    } else {
      AnswerReply(*owned);
    }
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
    if (!AnswerResponse(*response)) NetSink::Recycle(response);
    response = following;
  }
}

void IoHandler::OnCallDrained(Call& call) {
  if (call.flow) call.flow->Settle(call.stream->unsent_bytes());
  if (call.messages) return ContinueMessages(call);
  if (call.kind == RouteKind::kHealthWatch) UpdateWatch(call);
}

void IoHandler::OnCallTimer(Call& call) {
  const Instant now = steady_clock::now();
  call.timer_at = base::kNever;
  if (call.deadline <= now) {
    return Fail(call, base::DeadlineExceeded("Deadline Exceeded"));
  }
  if (call.message_expires <= now) {
    return Fail(call, base::DeadlineExceeded("a message did not arrive in time"));
  }
  if (call.control_expires <= now) {
    return Fail(call, base::Unavailable("the control plane did not answer in time, retry later"));
  }
  if (call.queue_expires <= now) {
    call.queue_expires = base::kNever;
    if (call.messages) {
      ExpireQueuedMessages(call, now);
    } else {
      call.model->RemoveQueued(call.sink.get(), base::Unavailable("Request timeout expired"),
                               metrics::FailureReason::kRejected);
    }
  }
  if (call.retry_body_at <= now) {
    call.retry_body_at = base::kNever;
    call.stream->ResumeBody();
  }
  call.Rearm();
}

void IoHandler::OnCallClosed(Call& call, bool answered) {
  if (!answered) CancelRequests(call);
  if (call.flow) call.flow->Close();
  if (call.trace) FinishTrace(std::move(call.trace));
  if (call.messages) {
    call.messages->ForEach([this](StreamRequest& request) {
      if (request.trace) FinishTrace(std::move(request.trace));
    });
  }
  if (call.access) FinishAccessEntry(call, answered);
  SetCounted(call, false);
  calls_.Close(call);
}

}  // namespace serving::frontend
