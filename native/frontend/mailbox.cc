// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/mailbox.h"

#include <memory>

#include "device/host_pool.h"

namespace serving::frontend {
namespace {

thread_local Mailbox* t_mailbox = nullptr;

}  // namespace

void SetCurrentMailbox(Mailbox* mailbox) { t_mailbox = mailbox; }

void Mailbox::Recycle(core::InferRequest* request) {
  request->Reset();  // memory goes home now, not when the I/O thread next looks
  requests.Push(request);
}

void Mailbox::Discard() {
  for (core::InferResponse* response = responses.TakeAll(); response != nullptr;) {
    core::InferResponse* following = response->next;
    NetSink::Recycle(response);
    response = following;
  }
  for (ControlReply* reply = replies.TakeAll(); reply != nullptr;) {
    std::unique_ptr<ControlReply> owned(reply);
    reply = reply->next;
  }
  for (TableNotice* notice = tables.TakeAll(); notice != nullptr;) {
    std::unique_ptr<TableNotice> owned(notice);
    notice = notice->next;
    owned->acknowledgement->Arrive();
  }
  for (core::InferRequest* request = requests.TakeAll(); request != nullptr;) {
    std::unique_ptr<core::InferRequest> owned(request);
    request = request->next;
  }
}

core::InferResponse* NetSink::NewResponse() {
  const bool taken = first_is_taken_.exchange(true, std::memory_order_acquire);
  core::InferResponse* response = taken ? new core::InferResponse : &first_;
  response->sink = this;
  return response;
}

base::BufferRef NetSink::AllocateOutput(uint32_t slot, size_t bytes) {
  for (const core::WantedOutput& output : placed_) {
    if (output.slot == slot && output.place && bytes <= output.place->capacity()) {
      return output.place;
    }
  }
  return device::AllocateAlone(mailbox_->budget(), bytes);
}

base::Waker* NetSink::Send(core::InferResponse* response) {
  if (flow_) [[unlikely]] {
    // An I/O thread is never held up: others live on it.
    const bool may_wait = response->may_wait && !response->is_final && t_mailbox == nullptr;
    flow_->Enter(flow_->SizeOf(*response), may_wait, *mailbox_->waker());
  }
  AddRef();  // until Recycle: the request may drop its reference before the I/O thread looks
  const bool was_empty = mailbox_->responses.Push(response);
  return was_empty && t_mailbox != mailbox_.get() ? mailbox_->waker() : nullptr;
}

void NetSink::AwaitRoom() {
  if (flow_ && t_mailbox == nullptr) flow_->AwaitRoom(*mailbox_->waker());
}

void NetSink::Recycle(core::InferResponse* response) {
  auto* sink = static_cast<NetSink*>(response->sink);
  if (response == &sink->first_) {
    response->Reset();
    sink->first_is_taken_.store(false, std::memory_order_release);
  } else {
    delete response;
  }
  sink->Unref();
}

}  // namespace serving::frontend
