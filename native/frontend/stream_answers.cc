// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <span>
#include <utility>

#include "frontend/answers.h"
#include "protocol/classification.h"
#include "protocol/grpc_frame.h"
#include "protocol/grpc_infer_response.h"
#include "protocol/region_tensor.h"

namespace serving::frontend {

size_t Answers::SendStreamParts(Call& call) {
  if (!std::exchange(call.has_head, true)) SendGrpcHead(call);
  if (CompressParts(call)) {
    call.stream->SendBytes(std::as_bytes(std::span(compressed_)));
    return compressed_.size();
  }
  SendWritten(*call.stream);
  return writer_.size();
}

size_t Answers::StreamMessage(Call& call, std::string_view message) {
  writer_.Clear();
  const auto prefix = protocol::WriteGrpcPrefix(
      {.compressed = false, .length = static_cast<uint32_t>(message.size())});
  writer_.Append({reinterpret_cast<const char*>(prefix.data()), prefix.size()});
  writer_.Append(message);
  return SendStreamParts(call);
}

size_t Answers::StreamResponse(Call& call, const StreamRequest& request,
                               core::InferResponse& response) {
  const core::ModelPlan& plan = request.model->plan();
  protocol::AnswerForm form;
  form.id = request.id;
  form.wanted = request.wanted;
  const auto write = [&] {
    writer_.Clear();
    return protocol::WriteGrpcStreamResponse(plan, form, response, writer_);
  };
  base::Status status;
  if (response.status.ok() && !request.client_memory.empty()) {
    status =
        protocol::PlaceOutputs(plan, request.wanted, request.client_memory, allocator_, response);
  }
  if (response.status.ok() && status.ok()) {
    status = protocol::ClassifyOutputs(plan, form, allocator_, response);
  }
  if (status.ok()) status = write();
  if (!status.ok()) {
    // What cannot be written becomes this response's error; the stream goes on.
    response.outputs.clear();
    response.status = std::move(status);
    status = write();
  }
  return status.ok() ? SendStreamParts(call) : 0;
}

size_t Answers::StreamRefusal(Call& call, std::string_view id, std::string_view message) {
  writer_.Clear();
  protocol::WriteGrpcStreamError(message, id, writer_);
  return SendStreamParts(call);
}

void Answers::StreamEnd(Call& call) {
  const bool has_head = call.has_head;
  call.MarkAnswered();
  call.answer_status = 0;
  net::Header fields[3] = {{"content-type", kGrpcContentType, true}, {"grpc-status", "0", true}};
  const size_t count = AddLoad(call, fields, 2);
  if (has_head) return call.stream->Finish(std::span(fields, count).subspan(1));
  call.stream->SendTrailersOnly({fields, count});
}

}  // namespace serving::frontend
