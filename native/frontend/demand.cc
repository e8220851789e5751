// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// Calls for models that do not serve, where models are loaded on demand: the call waits with its
// body while TypeScript loads the model, and is served anew when it has. A stream waits with one
// message, and what is behind that is not read meanwhile.

#include <memory>
#include <string_view>
#include <utility>

#include "frontend/io_handler.h"

namespace serving::frontend {
namespace {

// A model may be evicted between its load and the call that asked for it.
constexpr uint8_t kMostDemands = 3;

}  // namespace

void IoHandler::Unresolved(Call& call, std::string_view model, const base::Status& status) {
  if (!Demand(call, model)) answers_.Error(call, status);
}

bool IoHandler::Demand(Call& call, std::string_view model) {
  if (!table_->is_on_demand || call.demands == kMostDemands || table_->Serves(model)) return false;
  auto demand = std::make_unique<ControlCall>();
  demand->token = MakeToken(index_, call.generation, call.slot);
  demand->is_demand = true;
  demand->path = model;
  demand->demand_bytes = call.body ? call.received : 0;
  if (!frontend_.control().Post(std::move(demand))) {
    answers_.Error(call, base::Unavailable("too many calls wait for models, retry later"));
    return true;
  }
  ++call.demands;
  call.awaits_model = true;
  call.control_expires = std::chrono::steady_clock::now() + options_.control_timeout;
  call.Rearm();
  return true;
}

void IoHandler::AnswerDemand(Call& call, const ControlReply& reply) {
  call.awaits_model = false;
  call.control_expires = base::kNever;
  call.Rearm();
  if (call.messages) return AnswerMessageDemand(call, reply.grpc_status);
  if (!reply.grpc_status.ok()) return answers_.Error(call, reply.grpc_status);
  Serve(call);
}

void IoHandler::AnswerMessageDemand(Call& call, const base::Status& status) {
  SubmitMessage(call, status);
  if (call.awaits_model || call.state == Call::State::kAnswered) return;
  call.ResetMessage();
  if (std::exchange(call.is_body_complete, false)) return OnMessagesEnd(call);
  ContinueMessages(call);
}

}  // namespace serving::frontend
