// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/memory_budget.h"
#include "base/mpsc_queue.h"
#include "base/ref.h"
#include "base/waker.h"
#include "core/infer_request.h"
#include "core/infer_response.h"
#include "core/response_sink.h"
#include "engine/dispatch_table.h"
#include "frontend/control_call.h"
#include "frontend/policy.h"
#include "frontend/response_flow.h"
#include "frontend/route_alias.h"
#include "trace/sampler.h"

namespace serving::frontend {

// Counts the I/O threads that have yet to see something; the last one to see it calls back, on its
// own thread.
class Acknowledgement final : public base::RefCounted {
 public:
  Acknowledgement(int threads, std::function<void()> done)
      : missing_(threads), done_(std::move(done)) {}
  void Arrive() {
    if (missing_.fetch_sub(1, std::memory_order_acq_rel) == 1) done_();
  }

 private:
  std::atomic<int> missing_;
  std::function<void()> done_;
};

// A new table, policy, set of aliases or tracing plan for one I/O thread; null or nothing = the one
// it has stays.
struct TableNotice {
  bool trims = false;  // memory that is kept for requests to come goes back
  engine::DispatchTableRef table;
  PolicyRef policy;
  RouteAliasesRef aliases;
  std::optional<trace::PlanRef> tracing;  // of null: nothing is traced any more
  base::Ref<Acknowledgement> acknowledgement;
  TableNotice* next = nullptr;
};

// What other threads leave for one I/O thread. Everything that finishes elsewhere comes home
// through here; the I/O thread finds the call it belongs to by slot and generation, never by
// pointer.
//
// Threads: queues take from any thread; Drain by the I/O thread, or by the frontend once no thread
// is left.
class Mailbox final : public base::RefCounted, public core::RequestHome {
 public:
  Mailbox(base::Ref<base::Waker> waker, std::shared_ptr<base::MemoryBudget> budget)
      : waker_(std::move(waker)), budget_(std::move(budget)) {}

  base::MpscQueue<core::InferResponse> responses;
  base::MpscQueue<ControlReply> replies;
  base::MpscQueue<TableNotice> tables;
  base::MpscQueue<core::InferRequest> requests;  // come home without a wake

  // Called on whatever thread let the request go.
  void Recycle(core::InferRequest* request) override;

  base::Waker* waker() { return waker_.get(); }
  const std::shared_ptr<base::MemoryBudget>& budget() const { return budget_; }
  void Reply(ControlReply* reply) {
    if (replies.Push(reply)) waker_->Wake();
  }
  void Notify(TableNotice* notice) {
    if (tables.Push(notice)) waker_->Wake();
  }

  // Deletes whatever lies here. No producer may be left.
  void Discard();

 private:
  ~Mailbox() override { Discard(); }

  base::Ref<base::Waker> waker_;
  const std::shared_ptr<base::MemoryBudget> budget_;
};

// Where an infer call's answers go: into the mailbox of the I/O thread that read the request.
class NetSink final : public core::ResponseSink {
 public:
  // `flow`: of calls that may have many answers, else null. `request`: which one of the call's
  // requests this is.
  NetSink(base::Ref<Mailbox> mailbox, uint32_t slot, uint32_t generation,
          base::Ref<ResponseFlow> flow, uint32_t request)
      : mailbox_(std::move(mailbox)),
        flow_(std::move(flow)),
        slot_(slot),
        generation_(generation),
        request_(request) {}

  // Before the request is submitted: where the client wants outputs (shared memory).
  void SetPlaces(std::vector<core::WantedOutput> wanted) { placed_ = std::move(wanted); }

  uint32_t slot() const { return slot_; }
  uint32_t generation() const { return generation_; }
  uint32_t request() const { return request_; }

  core::InferResponse* NewResponse() override;
  base::BufferRef AllocateOutput(uint32_t slot, size_t bytes) override;
  base::Waker* Send(core::InferResponse* response) override;
  void AwaitRoom() override;

  // Gives a response back after it was written; drops the reference that Send took.
  static void Recycle(core::InferResponse* response);

 private:
  base::Ref<Mailbox> mailbox_;
  const base::Ref<ResponseFlow> flow_;
  const uint32_t slot_;
  const uint32_t generation_;
  std::vector<core::WantedOutput> placed_;
  const uint32_t request_;
  core::InferResponse first_;  // most requests have one answer
  std::atomic<bool> first_is_taken_{false};
};

// The I/O thread of `mailbox` calls this once: its own answers need no wake, they are looked at
// before it sleeps.
void SetCurrentMailbox(Mailbox* mailbox);

}  // namespace serving::frontend
