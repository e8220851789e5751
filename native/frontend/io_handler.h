// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "device/host_pool.h"
#include "engine/dispatch_table.h"
#include "frontend/answers.h"
#include "frontend/call.h"
#include "frontend/frontend.h"
#include "frontend/mailbox.h"
#include "model/servable.h"
#include "net/exchange.h"

namespace serving::frontend {

// What one I/O thread does with requests: infer and health here, the rest to TypeScript. Infer
// requests of one loop turn gather per model and are submitted together at its end, so they share
// batches without any timer.
//
// Threads: its I/O thread only.
class IoHandler final : public net::RequestHandler {
 public:
  IoHandler(Frontend& frontend, int index, base::Ref<base::Waker> waker);
  ~IoHandler() override;

  net::Exchange* OnRequest(net::Stream& stream, const net::RequestHead& head) override;
  void OnWake() override;
  void OnTurnEnd() override;

  // Called by Call.
  void OnGrpcPrefix(Call& call);
  void OnRequestComplete(Call& call);
  void OnMessageBytes(Call& call);
  void OnCallDrained(Call& call);
  void OnCallTimer(Call& call);
  void OnCallClosed(Call& call, bool answered);
  void PauseBody(Call& call);
  // Bytes that the requests of one connection may hold.
  size_t connection_limit() const { return connection_limit_; }
  // What has come of the body is let go at once; what follows of it is passed over.
  void RefuseBody(Call& call, const base::Status& status);
  base::BufferRef Reserve(size_t bytes) { return pool_->Reserve(bytes); }

 private:
  struct Pending {
    base::Ref<model::Servable> model;
    model::RequestChain chain;
  };

  // admission.cc
  // False: the call was refused and is answered.
  bool Admit(Call& call, const net::RequestHead& head, const Route& route);
  bool AdmitOrigin(Call& call, const net::RequestHead& head, const Route& route);
  bool AdmitToken(Call& call, const Admission& admission, const Route& route);
  void OnVerdict(const ControlReply& reply);
  void Use(Call& call, GrantRef grant);
  // Whether the holder of call.grant may use the model that a gRPC message names.
  base::Status CheckMessage(const Call& call, std::span<const std::byte> message);
  void Refuse(Call& call, const base::Status& status);

  // request_heads.cc
  void StartHttp(Call& call, const net::RequestHead& head, const Route& route);
  base::Status ReadInferHead(Call& call, const net::RequestHead& head);
  void NoteLoadForm(Call& call, const net::RequestHead& head);
  void StartGrpc(Call& call, const net::RequestHead& head);
  void StartHttpBody(Call& call, const net::RequestHead& head, size_t limit);
  void TakeControlHead(Call& call, const net::RequestHead& head);
  void ReserveBody(Call& call, size_t size);

  // alias_calls.cc
  void StartAliased(Call& call, const net::RequestHead& head);
  base::Status ReadAliasHead(Call& call, const net::RequestHead& head);

  // demand.cc
  // A model that does not serve: the call waits until it does, or is answered with `status`.
  void Unresolved(Call& call, std::string_view model, const base::Status& status);
  // False: models are not loaded on demand, or this one serves.
  bool Demand(Call& call, std::string_view model);
  void AnswerDemand(Call& call, const ControlReply& reply);
  void AnswerMessageDemand(Call& call, const base::Status& status);

  // A complete request, as its route says.
  void Serve(Call& call);

  // infer_calls.cc
  void SubmitHttpInfer(Call& call);
  void SubmitGrpcInfer(Call& call);
  // Headers become parameters.
  base::Status Forward(const Call& call, core::InferRequest& request);
  void Submit(Call& call, core::RequestPtr request, model::Servable* model);
  // Into the batch of this turn.
  void Gather(core::RequestPtr request, model::Servable* model);
  // Replaces the body by what it was before compression.
  base::Status DecompressBody(Call& call);
  core::RequestPtr NewRequest(Call& call);

  // generate_calls.cc
  void SubmitGenerate(Call& call);

  // call_records.cc
  void NoteTraceParent(Call& call, const net::RequestHead& head);
  // Null when the request is not traced.
  std::unique_ptr<trace::Record> StartTrace(const Call& call, core::InferRequest& request,
                                            const core::ModelPlan& plan);
  static void TraceResponse(trace::Record& record, const core::ModelPlan& plan,
                            const core::InferResponse& response);
  void FinishTrace(std::unique_ptr<trace::Record> record);
  void StartAccessEntry(Call& call, const net::RequestHead& head);
  void FinishAccessEntry(Call& call, bool answered);
  // stream_calls.cc
  void StartMessages(Call& call, const net::RequestHead& head);
  void OnMessage(Call& call);
  void OnMessagesEnd(Call& call);
  // `demanded`: why its model could not be loaded.
  void SubmitMessage(Call& call, const base::Status& demanded);
  void RefuseMessage(Call& call, std::string_view id, const base::Status& status, bool is_ordered);
  void PostMessage(Call& call);
  // True: the response was kept until its turn.
  bool AnswerMessage(Call& call, core::InferResponse& response, const NetSink& sink);
  void AnswerInTurn(Call& call);
  void SendMessageResponse(Call& call, StreamRequest& request, core::InferResponse& response);
  void CloseMessage(Call& call, const StreamRequest& request);
  void AnswerMessageReply(Call& call, const ControlReply& reply);
  void ExpireQueuedMessages(Call& call, base::Instant now);
  // Reads on, or ends the answer, as what is unanswered says.
  void ContinueMessages(Call& call);

  // health.cc
  void AnswerHttpHealth(Call& call);
  void AnswerGrpcHealth(Call& call);
  void StartWatch(Call& call, std::string_view service);
  void UpdateWatch(Call& call);
  void UpdateWatches();

  // health_details.cc
  void AnswerHealthDetails(Call& call);

  // memory.cc
  void Trim();

  void PostControl(Call& call);
  // Counts the call among those in flight, or not.
  void SetCounted(Call& call, bool is_counted);
  // Nobody waits for the answer any more: what is queued leaves the queue, what runs is told.
  void CancelRequests(Call& call);
  // Cancels and answers an error.
  void Fail(Call& call, const base::Status& status);
  bool AnswerResponse(core::InferResponse& response);
  void AnswerReply(const ControlReply& reply);

  void Flush();
  void DeliverResponses();

  Frontend& frontend_;
  const FrontendOptions& options_;
  const int index_;
  base::Ref<Mailbox> mailbox_;
  base::Ref<device::HostPool> pool_;
  const size_t connection_limit_;
  engine::DispatchTableRef table_;
  PolicyRef policy_;
  trace::PlanRef tracing_;  // null while nothing is traced
  AccessLog* access_log_ = nullptr;
  RouteAliasesRef aliases_;
  VerdictCache verdicts_;
  TokenInquiries inquiries_;
  CallTable calls_;
  const std::unique_ptr<LoadHeaders> load_headers_;  // null when answers carry no load reports
  Answers answers_;
  std::vector<std::pair<uint32_t, uint32_t>> watches_;  // slot and generation of Health.Watch calls
  std::vector<Pending> pending_;                        // by model, of this turn
  core::InferRequest* free_requests_ = nullptr;
  std::vector<base::Ref<Acknowledgement>> unacknowledged_;
};

}  // namespace serving::frontend
