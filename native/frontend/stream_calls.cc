// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// gRPC calls that bring many messages: ModelStreamInfer, whose requests run here, and reflection,
// whose messages go to TypeScript one by one.

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "engine/validate.h"
#include "frontend/io_handler.h"
#include "protocol/grpc_infer_request.h"

namespace serving::frontend {
namespace {

using base::Instant;
using std::chrono::steady_clock;

}  // namespace

void IoHandler::StartMessages(Call& call, const net::RequestHead& head) {
  call.messages = std::make_unique<MessageStream>();
  call.stream->AllowSlowBody();
  SetCounted(call, false);  // until there is something to answer
  if (call.kind != RouteKind::kStreamInfer) return;
  call.messages->ends_at_error = head.Find("triton_grpc_error") == "true";
  call.flow = base::MakeRef<ResponseFlow>(options_.max_stream_responses);
}

// Some bytes of a message have come.
void IoHandler::OnMessageBytes(Call& call) {
  if (call.state == Call::State::kAnswered) return;
  const bool has_prefix = call.prefix_received == call.prefix.size();
  if (has_prefix && call.received == call.body_size) {
    call.demands = 0;
    OnMessage(call);
    return call.awaits_model ? call.HoldMessage() : call.ResetMessage();
  }
  const base::Nanoseconds limit = options_.limits.body_timeout;
  if (call.message_expires != base::kNever || limit.count() == 0) return;
  call.message_expires = steady_clock::now() + limit;
  call.Rearm();
}

void IoHandler::OnMessage(Call& call) {
  if (call.is_compressed) {
    const base::Status status = DecompressBody(call);
    if (!status.ok()) return Fail(call, status);
  }
  call.kind == RouteKind::kStreamInfer ? SubmitMessage(call, {}) : PostMessage(call);
}

// The client has sent its last message.
void IoHandler::OnMessagesEnd(Call& call) {
  if (call.prefix_received > 0) {
    return Fail(call, base::Internal("the request ended before its message was complete: got " +
                                     std::to_string(call.received) + " of " +
                                     std::to_string(call.body_size) + " bytes"));
  }
  call.state = Call::State::kWaiting;
  ContinueMessages(call);
}

void IoHandler::ContinueMessages(Call& call) {
  if (call.state == Call::State::kAnswered) return;
  MessageStream& messages = *call.messages;
  SetCounted(call, messages.unanswered() > 0);
  if (call.state == Call::State::kWaiting) {
    if (messages.unanswered() == 0) answers_.StreamEnd(call);
  } else if (messages.TakeHold(call.flow.get())) {
    call.stream->ResumeBody();
  }
}

// ---- infer

void IoHandler::SubmitMessage(Call& call, const base::Status& demanded) {
  call.received_at = steady_clock::now();
  core::RequestPtr request = NewRequest(call);
  const base::Status read = protocol::ReadGrpcInferRequest(call.body_bytes(), *pool_, *request,
                                                           frontend_.engine().regions());
  if (!read.ok() && read.code() == base::StatusCode::kInternal) {
    // No message: nothing behind it is read, what came before is answered, as gRPC's own library
    // makes Triton do.
    call.state = Call::State::kWaiting;
    return ContinueMessages(call);
  }
  if (call.grant) {
    const base::Status allowed = CheckModel(*call.grant, request->model_name);
    if (!allowed.ok()) return RefuseMessage(call, request->id, allowed, true);
  }
  auto found = table_->Resolve(request->model_name, request->model_version);
  if (!found.ok()) {
    if (!demanded.ok()) return RefuseMessage(call, request->id, demanded, true);
    if (Demand(call, request->model_name)) return;
    return RefuseMessage(call, request->id, found.status(), true);
  }
  model::Servable* const model = found.value();
  const bool is_ordered = !model->plan().decoupled;
  if (!read.ok()) return RefuseMessage(call, request->id, read, is_ordered);
  base::Status valid = engine::Validate(model->plan(), *request);
  if (valid.ok() && !call.forwarded.empty()) valid = Forward(call, *request);
  if (!valid.ok()) return RefuseMessage(call, request->id, valid, is_ordered);

  MessageStream& messages = *call.messages;
  const uint32_t slot = messages.Open(is_ordered);
  StreamRequest& entry = messages[slot];
  // What the message has charged is given back with its answer.
  messages.CountBytes(entry, call.received, std::exchange(call.charged, 0));
  entry.model = base::Ref<model::Servable>::Share(model);
  entry.sink = base::MakeRef<NetSink>(mailbox_, call.slot, call.generation, call.flow, slot);
  entry.id = request->id;
  entry.wanted = request->wanted;
  entry.wants_empty_final = request->wants_empty_final;
  if (!request->client_memory.empty()) {
    entry.client_memory = request->client_memory;
    entry.sink->SetPlaces(request->wanted);
  }
  if (tracing_) entry.trace = StartTrace(call, *request, model->plan());
  request->sink = entry.sink;
  request->deadline = call.deadline;
  if (const auto timeout = model->QueueTimeout(*request)) {
    entry.queue_expires = steady_clock::now() + *timeout;
    call.queue_expires = std::min(call.queue_expires, entry.queue_expires);
    call.Rearm();
  }
  SetCounted(call, true);
  Gather(std::move(request), model);
}

void IoHandler::RefuseMessage(Call& call, std::string_view id, const base::Status& status,
                              bool is_ordered) {
  MessageStream& messages = *call.messages;
  const uint32_t slot = messages.Open(is_ordered);
  messages[slot].id = id;
  messages[slot].refusal = status.message();
  SetCounted(call, true);
  if (!messages.IsTurn(slot)) return;
  answers_.StreamRefusal(call, id, status.message());
  CloseMessage(call, messages[slot]);
}

bool IoHandler::AnswerMessage(Call& call, core::InferResponse& response, const NetSink& sink) {
  StreamRequest* const request = call.messages->Find(sink);
  if (request == nullptr) return false;
  if (!call.messages->IsTurn(sink.request())) {
    MessageStream::Hold(*request, &response);
    return true;
  }
  const bool is_ordered = request->is_ordered;
  SendMessageResponse(call, *request, response);
  if (is_ordered && response.is_final) AnswerInTurn(call);
  return false;
}

// Sends what waited for the answers before it.
void IoHandler::AnswerInTurn(Call& call) {
  while (call.state != Call::State::kAnswered) {
    StreamRequest* const front = call.messages->Front();
    if (front == nullptr) return;
    if (!front->sink) {
      answers_.StreamRefusal(call, front->id, front->refusal);
      CloseMessage(call, *front);
      continue;
    }
    core::InferResponse* const held = MessageStream::TakeHeld(*front);
    if (held == nullptr) return;
    SendMessageResponse(call, *front, *held);
    NetSink::Recycle(held);
  }
}

void IoHandler::SendMessageResponse(Call& call, StreamRequest& request,
                                    core::InferResponse& response) {
  if (request.trace) TraceResponse(*request.trace, request.model->plan(), response);
  if (!response.status.ok() && call.messages->ends_at_error) {
    return Fail(call, response.status);
  }
  const bool is_final = response.is_final;
  const size_t bytes = call.flow->SizeOf(response);
  size_t written = 0;
  if (!response.is_empty_final() || request.wants_empty_final) {
    written = answers_.StreamResponse(call, request, response);
  }
  call.flow->Pass(bytes, written, call.stream->unsent_bytes());
  if (is_final && request.trace) FinishTrace(std::move(request.trace));
  if (is_final) CloseMessage(call, request);
}

void IoHandler::CloseMessage(Call& call, const StreamRequest& request) {
  call.stream->connection_bytes() -= call.messages->Close(call.messages->SlotOf(request));
  ContinueMessages(call);
}

void IoHandler::ExpireQueuedMessages(Call& call, Instant now) {
  call.messages->ForEach([&](StreamRequest& request) {
    if (request.queue_expires <= now) {
      request.queue_expires = base::kNever;
      request.model->RemoveQueued(request.sink.get(), base::Unavailable("Request timeout expired"),
                                  metrics::FailureReason::kRejected);
    }
    call.queue_expires = std::min(call.queue_expires, request.queue_expires);
  });
}

// ---- messages for TypeScript

void IoHandler::PostMessage(Call& call) {
  auto message = std::make_unique<ControlCall>(*call.control);
  const auto body = call.body_bytes();
  message->body.assign(reinterpret_cast<const char*>(body.data()), body.size());
  if (!frontend_.control().Post(std::move(message))) {
    return Fail(call, base::Unavailable("too many management calls are waiting, retry later"));
  }
  call.messages->set_awaits_reply(true);
  SetCounted(call, true);
  call.control_expires = steady_clock::now() + options_.control_timeout;
  call.Rearm();
}

void IoHandler::AnswerMessageReply(Call& call, const ControlReply& reply) {
  if (!reply.grpc_status.ok()) return Fail(call, reply.grpc_status);
  call.messages->set_awaits_reply(false);
  call.control_expires = base::kNever;
  call.Rearm();
  answers_.StreamMessage(call, reply.body);
  ContinueMessages(call);
}

}  // namespace serving::frontend
