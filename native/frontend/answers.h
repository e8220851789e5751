// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "base/status.h"
#include "core/infer_response.h"
#include "frontend/call.h"
#include "frontend/control_call.h"
#include "frontend/load_meter.h"
#include "protocol/response_writer.h"

namespace serving::frontend {

inline constexpr std::string_view kJson = "application/json";
inline constexpr std::string_view kGrpcContentType = "application/grpc";

// Writes every kind of answer to the stream of a call, which then is in state kAnswered. One per
// I/O thread; keeps its scratch memory from answer to answer.
class Answers {
 public:
  // `allocator` makes the tensors that an answer needs beyond the model's (classification).
  // `server_timing`: HTTP infer answers carry the header of that name.
  // `load_headers`: null when no answer carries a report of load.
  Answers(base::BufferAllocator& allocator, bool server_timing, protocol::Real16Json real16,
          LoadHeaders* load_headers)
      : allocator_(allocator),
        server_timing_(server_timing),
        real16_(real16),
        load_headers_(load_headers) {}

  void Http(Call& call, int status, std::string_view content_type, std::string_view body,
            std::string_view retry_after = {});
  // One encoded message and status OK.
  void GrpcMessage(Call& call, std::string_view message);
  void GrpcStatus(Call& call, const base::Status& status);
  // 401 that says which credentials are wanted. HTTP only.
  void Unauthenticated(Call& call, const base::Status& status);
  // In the words of the call's protocol.
  void Error(Call& call, const base::Status& status);
  void Infer(Call& call, core::InferResponse& response);
  // One response of a generate call, errors included; the last one ends the answer. Gives the bytes
  // that were sent.
  size_t Generate(Call& call, const core::InferResponse& response);

  // gRPC calls with many answers; the first one sends the head. They give the bytes that were sent.
  size_t StreamMessage(Call& call, std::string_view message);
  size_t StreamResponse(Call& call, const StreamRequest& request, core::InferResponse& response);
  size_t StreamRefusal(Call& call, std::string_view id, std::string_view message);
  // The end with status OK.
  void StreamEnd(Call& call);

  // What TypeScript has answered.
  void Reply(Call& call, const ControlReply& reply);

 private:
  // The report that the call is owed, for the end of a list of headers; its length afterwards.
  size_t AddLoad(const Call& call, std::span<net::Header> headers, size_t count);
  // `timing`: value of Server-Timing, empty = none.
  void SendParts(Call& call, std::string_view timing = {});
  // The JSON text of one response into text_; gives its HTTP status.
  int WriteGenerated(const Call& call, const core::InferResponse& response);
  size_t SendEvent(Call& call, std::string_view json);
  void SendGrpcHead(const Call& call);
  void SendWritten(net::Stream& stream);
  size_t SendStreamParts(Call& call);
  // All of the writer's bytes as one compressed text; false = send them as they are.
  bool CompressParts(const Call& call);

  base::BufferAllocator& allocator_;
  const bool server_timing_;
  const protocol::Real16Json real16_;
  LoadHeaders* const load_headers_;
  protocol::ResponseWriter writer_;
  std::string text_;  // scratch for errors and joined parts
  std::string compressed_;
};

}  // namespace serving::frontend
