// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <chrono>
#include <memory>
#include <utility>

#include "frontend/io_handler.h"
#include "trace/record.h"
#include "trace/step_records.h"

namespace serving::frontend {
namespace {

using std::chrono::steady_clock;
using trace::Moment;

}  // namespace

void IoHandler::NoteTraceParent(Call& call, const net::RequestHead& head) {
  if (!tracing_->takes_context()) return;
  if (const auto parent = head.Find("traceparent")) call.trace_parent = *parent;
}

std::unique_ptr<trace::Record> IoHandler::StartTrace(const Call& call, core::InferRequest& request,
                                                     const core::ModelPlan& plan) {
  trace::Sampler& sampler = tracing_->Find(plan.name);
  const bool has_context = !call.trace_parent.empty() && !sampler.level().is_off();
  if (!has_context && !sampler.Sample()) return nullptr;
  const base::Instant now = steady_clock::now();
  auto record = std::make_unique<trace::Record>(sampler, call.is_grpc);
  record->trace_parent = call.trace_parent;
  record->Add(call.is_grpc ? Moment::kGrpcWaitReadStart : Moment::kHttpRecvStart, call.received_at);
  record->Add(call.is_grpc ? Moment::kGrpcWaitReadEnd : Moment::kHttpRecvEnd, now);
  record->Add(Moment::kRequestStart, now);
  record->NoteRequest(plan, request);
  if (plan.ensemble) {
    record->steps = base::MakeRef<trace::StepRecords>();
    request.observer = base::MakeRef<trace::StepTracer>(*record, record->steps);
  }
  return record;
}

void IoHandler::TraceResponse(trace::Record& record, const core::ModelPlan& plan,
                              const core::InferResponse& response) {
  const base::Instant now = steady_clock::now();
  record.NoteResponse(plan, response);
  record.Add(Moment::kInferResponseComplete, now);
  if (!response.is_final) return;
  record.Add(Moment::kRequestEnd, now);
  record.Add(record.is_grpc ? Moment::kGrpcSendStart : Moment::kHttpSendStart, now);
}

void IoHandler::FinishTrace(std::unique_ptr<trace::Record> record) {
  record->Add(record->is_grpc ? Moment::kGrpcSendEnd : Moment::kHttpSendEnd, steady_clock::now());
  if (!record->steps) return frontend_.traces().Push(std::move(record));
  trace::StepRecords::Taken steps = record->steps->Take();
  frontend_.traces().Push(std::move(record), std::move(steps));
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
