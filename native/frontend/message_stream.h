// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ref.h"
#include "core/client_memory.h"
#include "core/infer_request.h"
#include "core/infer_response.h"
#include "frontend/mailbox.h"
#include "frontend/response_flow.h"
#include "model/servable.h"
#include "trace/record.h"

namespace serving::frontend {

// One request of a ModelStreamInfer call, from its message to its final response.
struct StreamRequest {
  base::Ref<model::Servable> model;
  base::Ref<NetSink> sink;  // null: refused before it ran
  std::string id;
  std::vector<core::WantedOutput> wanted;
  std::vector<core::ClientMemoryRef> client_memory;  // what the request uses of its client's
  std::unique_ptr<trace::Record> trace;              // set while the request is traced
  size_t body_bytes = 0;
  size_t charged = 0;
  base::Instant queue_expires = base::kNever;
  bool is_open = false;
  bool is_ordered = false;  // its answer waits for those of the ordered requests before it
  bool wants_empty_final = false;
  std::string refusal;  // why it did not run
  // Responses that came before their turn, linked through `next`.
  core::InferResponse* first_held = nullptr;
  core::InferResponse* last_held = nullptr;
};

// A gRPC call that brings messages one after the other: what is unanswered of it. Answers of models
// that give one response keep the order of their requests, those of decoupled models come as they
// come, as in Triton.
//
// Threads: the call's I/O thread. Owns responses that are held back.
class MessageStream {
 public:
  // Reading stops while so much is unanswered: it goes on with the answers, so a stream that is
  // slow to be answered costs no more, however fast it is written.
  static constexpr size_t kMaxUnanswered = 1024;
  static constexpr size_t kMaxUnansweredBytes = 16 << 20;

  MessageStream() = default;
  MessageStream(const MessageStream&) = delete;
  MessageStream& operator=(const MessageStream&) = delete;
  ~MessageStream();

  // A further message may be read; if not, is_held() until TakeHold. `flow` may be null.
  // `is_blocked`: not now, whatever there is room for.
  bool MayRead(const ResponseFlow* flow, bool is_blocked);
  // True once when reading was refused and may go on.
  bool TakeHold(const ResponseFlow* flow);

  // Infer: requests by slot.
  uint32_t Open(bool is_ordered);
  StreamRequest& operator[](uint32_t slot) { return requests_[slot]; }
  // The open request that answers to `sink`, or null.
  StreamRequest* Find(const NetSink& sink);
  // `bytes` of the message in memory, `charged` of them to the connection.
  void CountBytes(StreamRequest& request, size_t bytes, size_t charged);
  // The next answer goes out at once: it is no ordered one, or the first of those.
  bool IsTurn(uint32_t slot) const;
  // The ordered request that is first now; null when there is none.
  StreamRequest* Front();
  // Its final answer was sent. Gives what it had charged to the connection.
  size_t Close(uint32_t slot);
  static void Hold(StreamRequest& request, core::InferResponse* response);
  static core::InferResponse* TakeHeld(StreamRequest& request);

  size_t unanswered() const { return unanswered_; }
  // To the connection, by all open requests.
  size_t charged() const { return charged_; }
  uint32_t SlotOf(const StreamRequest& request) const {
    return static_cast<uint32_t>(&request - requests_.data());
  }
  // Every open request.
  template <typename Function>
  void ForEach(Function function) {
    for (StreamRequest& request : requests_) {
      if (request.is_open) function(request);
    }
  }

  // A message was handed to TypeScript, whose answer is awaited.
  void set_awaits_reply(bool awaits) { unanswered_ = awaits ? 1 : 0, one_at_a_time_ = true; }

  // Request metadata `triton_grpc_error: true`: an error of a model ends the stream.
  bool ends_at_error = false;

 private:
  bool HasRoom(const ResponseFlow* flow) const;

  std::vector<StreamRequest> requests_;
  std::vector<uint32_t> free_;
  std::deque<uint32_t> order_;  // slots of open ordered requests
  size_t unanswered_ = 0;
  size_t unanswered_bytes_ = 0;
  size_t charged_ = 0;
  bool one_at_a_time_ = false;
  bool is_held_ = false;
};

}  // namespace serving::frontend
