// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/ref.h"
#include "core/client_memory.h"
#include "core/infer_request.h"
#include "frontend/access_log.h"
#include "frontend/control_call.h"
#include "frontend/forwarding.h"
#include "frontend/grant.h"
#include "frontend/load_report.h"
#include "frontend/mailbox.h"
#include "frontend/message_stream.h"
#include "frontend/routes.h"
#include "model/servable.h"
#include "net/exchange.h"
#include "protocol/content_coding.h"
#include "protocol/grpc_frame.h"
#include "trace/record.h"

namespace serving::frontend {

class IoHandler;

// How the port that a call came in by wants it read and answered.
enum class AliasForm : uint8_t { kNone, kSagemaker, kMme, kVertexAi };

// What became of a generate call so far.
struct Generated {
  size_t responses = 0;  // without the empty final one
  int status = 200;      // of HTTP, as the first response decided
  std::string text;      // of `generate`: the body of the first response
};

// One request of any kind on its I/O thread, from its head to its last byte. Lives in a slot of the
// thread's CallTable and is used again; `generation` tells the uses apart.
//
//   kReading    the body is coming in; of a stream of messages, answers may go out meanwhile
//   kWaiting    the request is complete; its answer, or the rest of it, is to come
//   kAnswered   the answer is with net to its end; body bytes that still come are swallowed
//
// Threads: its I/O thread only.
class Call final : public net::Exchange {
 public:
  enum class State : uint8_t { kReading, kWaiting, kAnswered };

  Call(IoHandler* handler, uint32_t slot) : slot(slot), handler_(handler) {}

  // net::Exchange
  std::span<std::byte> BodySpace(size_t want) override;
  void BodyArrived(size_t n) override;
  void OnBodyEnd() override;
  void OnDrained() override;
  void OnTimer() override;
  bool IsDue(base::Instant now) const override;
  void OnClosed(bool answered) override;

  // Bytes of the body so far; of a gRPC call, of its message without the prefix.
  std::span<const std::byte> body_bytes() const {
    return body ? std::span<const std::byte>(body->data() + body_offset, received)
                : std::span<const std::byte>();
  }

  // The answer is with net: no time limit of ours is left.
  void MarkAnswered();
  // Asks net for the earliest of the times below.
  void Rearm();

  // Ready for the next message of a stream.
  void ResetMessage();
  // The message is complete and waits for its model.
  void HoldMessage();
  void Reset();

  // Set once per slot.
  const uint32_t slot;
  uint32_t generation = 1;

  net::Stream* stream = nullptr;
  State state = State::kReading;
  bool is_grpc = false;
  bool has_head = false;    // the answer's head is with net, its end is not
  bool is_counted = false;  // as in flight
  Service service = Service::kHttp;
  RouteKind kind = RouteKind::kUnknown;
  const RouteRow* row = nullptr;
  AliasForm alias = AliasForm::kNone;
  LoadForm load_form = LoadForm::kNone;  // of the report that the answer carries
  base::Instant received_at;

  // Access. While the verdict on a new token is awaited the body goes on coming in; what is
  // complete then waits for it.
  bool awaits_verdict = false;
  bool is_body_complete = false;
  bool varies_by_origin = false;
  std::string allowed_origin;  // CORS: what the answer says
  std::string route_model;     // the path's, while a verdict is awaited
  GrantRef grant;              // set when the message's model is still to be checked

  // Body. `body_offset` puts the end of a large body on a 64-byte border: tensors come last, so
  // they are aligned to their element size without a look at them.
  std::array<std::byte, protocol::kGrpcPrefixBytes> prefix{};
  size_t prefix_received = 0;
  bool is_compressed = false;  // the prefix says so
  bool is_length_known = false;
  size_t body_size = 0;   // claimed; with unknown length, room so far
  size_t body_limit = 0;  // most bytes a body of unknown length may have
  size_t body_offset = 0;
  size_t received = 0;
  size_t charged = 0;  // of the body, to its connection
  base::BufferRef body;

  // Infer.
  std::string model_name;  // from the path
  std::string model_version;
  std::optional<std::string> json_length;  // Inference-Header-Content-Length
  protocol::Coding request_coding = protocol::Coding::kIdentity;
  protocol::Coding answer_coding = protocol::Coding::kIdentity;  // what the client takes
  bool knows_codings = false;  // a gRPC client that says what it takes
  base::Ref<model::Servable> model;
  base::Ref<NetSink> sink;
  std::string id;
  std::vector<core::WantedOutput> wanted;
  std::vector<core::ClientMemoryRef> client_memory;
  bool binary_by_default = false;
  ForwardedHeaders forwarded;
  base::Instant deadline = base::kNever;       // end to end
  base::Instant queue_expires = base::kNever;  // the model's queue policy
  base::Instant retry_body_at = base::kNever;  // the memory budget was full
  base::Instant starved_since = base::kNever;  // no byte of the body was taken since
  size_t starved_at = 0;                       // `received` then

  // Calls with many answers.
  base::Ref<ResponseFlow> flow;             // of infer answers
  std::unique_ptr<MessageStream> messages;  // gRPC calls that bring many messages
  base::Instant message_expires = base::kNever;
  int watched = 0;  // Health.Watch: the status that the client knows

  base::Instant timer_at = base::kNever;  // what net was last asked for

  // Generate, from the submission on.
  std::optional<Generated> generated;

  // Of a call that the access log takes; null for all others.
  std::unique_ptr<AccessEntry> access;
  int answer_status = 0;  // HTTP status or gRPC code of the answer, once there is one

  // Of a traced call; null for all others.
  std::unique_ptr<trace::Record> trace;
  std::string trace_parent;

  // Control.
  std::unique_ptr<ControlCall> control;
  base::Instant control_expires = base::kNever;
  bool awaits_model = false;  // that is being loaded for this call
  uint8_t demands = 0;        // for which it was asked so often

  Call* next_free = nullptr;

 private:
  std::span<std::byte> Swallow(size_t want);
  bool GrowBody();
  bool ChargeConnection(size_t to);

  IoHandler* const handler_;
};

// Slots of one I/O thread. A lookup with an old generation finds nothing.
class CallTable {
 public:
  explicit CallTable(IoHandler* handler) : handler_(handler) {}

  Call& Open();
  void Close(Call& call);
  Call* Find(uint32_t slot, uint32_t generation) {
    if (slot >= calls_.size() || calls_[slot]->generation != generation) return nullptr;
    return calls_[slot]->stream == nullptr ? nullptr : calls_[slot].get();
  }
  size_t open() const { return open_; }

 private:
  static constexpr uint32_t kGenerations = 1u << 27;

  IoHandler* const handler_;
  std::vector<std::unique_ptr<Call>> calls_;
  Call* free_ = nullptr;
  size_t open_ = 0;
};

}  // namespace serving::frontend
