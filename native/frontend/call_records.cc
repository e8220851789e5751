// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <chrono>
#include <memory>
#include <utility>

#include "frontend/io_handler.h"
#include "trace/record.h"

namespace serving::frontend {
namespace {

using std::chrono::steady_clock;
using trace::Moment;

}  // namespace

void IoHandler::NoteTraceParent(Call& call, const net::RequestHead& head) {
  if (!tracing_->takes_context()) return;
  if (const auto parent = head.Find("traceparent")) call.trace_parent = *parent;
}

void IoHandler::StartTrace(Call& call, const core::InferRequest& request,
                           const core::ModelPlan& plan) {
  trace::Sampler& sampler = tracing_->Find(plan.name);
  const bool has_context = !call.trace_parent.empty() && !sampler.level().is_off();
  if (!has_context && !sampler.Sample()) return;
  const base::Instant now = steady_clock::now();
  call.trace = std::make_unique<trace::Record>(sampler, call.is_grpc);
  call.trace->trace_parent = std::move(call.trace_parent);
  call.trace->Add(call.is_grpc ? Moment::kGrpcWaitReadStart : Moment::kHttpRecvStart,
                  call.received_at);
  call.trace->Add(call.is_grpc ? Moment::kGrpcWaitReadEnd : Moment::kHttpRecvEnd, now);
  call.trace->Add(Moment::kRequestStart, now);
  call.trace->NoteRequest(plan, request);
}

void IoHandler::TraceResponse(Call& call, const core::InferResponse& response) {
  const base::Instant now = steady_clock::now();
  call.trace->NoteResponse(call.model->plan(), response);
  call.trace->Add(Moment::kInferResponseComplete, now);
  if (!response.is_final) return;
  call.trace->Add(Moment::kRequestEnd, now);
  call.trace->Add(call.is_grpc ? Moment::kGrpcSendStart : Moment::kHttpSendStart, now);
}

void IoHandler::FinishTrace(Call& call) {
  call.trace->Add(call.is_grpc ? Moment::kGrpcSendEnd : Moment::kHttpSendEnd, steady_clock::now());
  frontend_.traces().Push(std::move(call.trace));
}

void IoHandler::StartAccessEntry(Call& call, const net::RequestHead& head) {
  call.access = std::make_unique<AccessEntry>();
  call.access->is_grpc = call.is_grpc;
  call.access->method = head.method;
  call.access->path = head.path;
  call.access->remote_address = head.remote_address;
}

void IoHandler::FinishAccessEntry(Call& call, bool answered) {
  AccessEntry& entry = *call.access;
  entry.status = call.answer_status;
  entry.is_answered = answered;
  entry.request_bytes = call.received;
  entry.duration = steady_clock::now() - call.received_at;
  if (call.model) {
    entry.model = call.model->plan().name;
    entry.id = call.id;
  }
  access_log_->Write(entry);
}

}  // namespace serving::frontend
