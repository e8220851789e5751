// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/answers.h"

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <span>
#include <vector>

#include "frontend/answer_head.h"
#include "protocol/classification.h"
#include "protocol/generate_response.h"
#include "protocol/grpc_error.h"
#include "protocol/grpc_frame.h"
#include "protocol/grpc_infer_response.h"
#include "protocol/http_error.h"
#include "protocol/http_infer_response.h"
#include "protocol/region_tensor.h"

namespace serving::frontend {
namespace {

// A queue that is full now is likely to have room in a second.
constexpr std::string_view kRetryAfterSeconds = "1";

constexpr std::string_view kEventStream = "text/event-stream; charset=utf-8";
constexpr std::string_view kNotOneResponse =
    "generate expects model to produce exactly 1 response, use generate stream for model that "
    "generates various number of responses";

// Stages in milliseconds, as browsers and proxies read them.
std::string ServerTiming(const core::StageTimes& times) {
  using Milliseconds = std::chrono::duration<double, std::milli>;
  char text[96];
  const int size =
      std::snprintf(text, sizeof(text), "queue;dur=%.3f, compute;dur=%.3f, total;dur=%.3f",
                    Milliseconds(times.compute_start - times.queued).count(),
                    Milliseconds(times.output_end - times.compute_start).count(),
                    Milliseconds(std::chrono::steady_clock::now() - times.received).count());
  return {text, static_cast<size_t>(size)};
}

std::span<const std::byte> AsBytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

}  // namespace

size_t Answers::AddLoad(const Call& call, std::span<net::Header> headers, size_t count) {
  if (call.load_form == LoadForm::kNone) return count;
  headers[count] = load_headers_->Header(call.load_form);
  return count + 1;
}

void Answers::Http(Call& call, int status, std::string_view content_type, std::string_view body,
                   std::string_view retry_after) {
  net::Stream& stream = *call.stream;
  call.MarkAnswered();
  call.answer_status = status;
  net::Header headers[3] = {{"content-type", content_type}, {"retry-after", retry_after}};
  const size_t count = AddLoad(call, headers, retry_after.empty() ? 1 : 2);
  SendHttpHead(call, status, {headers, count}, body.size());
  if (!body.empty()) stream.SendBytes(AsBytes(body));
  stream.Finish({});
}

void Answers::Error(Call& call, const base::Status& status) {
  if (call.is_grpc) return GrpcStatus(call, status);
  text_.clear();
  protocol::AppendHttpError(text_, status.message());
  if (call.generated && call.generated->responses > 0 && call.kind == RouteKind::kGenerateStream) {
    SendEvent(call, text_);
    call.MarkAnswered();
    return call.stream->Finish({});
  }
  const int http_status = call.alias == AliasForm::kMme
                              ? IsOutOfMemory(status.message()) ? 507 : 400
                              : base::HttpStatus(status.code());
  const std::string_view retry_after = http_status == 429 ? kRetryAfterSeconds : "";
  Http(call, http_status, kJson, text_, retry_after);
}

void Answers::Unauthenticated(Call& call, const base::Status& status) {
  text_.clear();
  protocol::AppendHttpError(text_, status.message());
  call.MarkAnswered();
  const net::Header headers[] = {{"content-type", kJson},
                                 {"www-authenticate", R"(Bearer realm="inference")"}};
  SendHttpHead(call, base::HttpStatus(status.code()), headers, text_.size());
  call.stream->SendBytes(AsBytes(text_));
  call.stream->Finish({});
}

void Answers::GrpcStatus(Call& call, const base::Status& status) {
  net::Stream& stream = *call.stream;
  const bool has_head = call.has_head;
  call.MarkAnswered();
  call.answer_status = static_cast<int>(status.code());
  const std::string code = std::to_string(call.answer_status);
  std::string message;
  protocol::AppendGrpcMessage(message, status.message());
  net::Header fields[4] = {
      {"content-type", kGrpcContentType}, {"grpc-status", code}, {"grpc-message", message}};
  const size_t count = AddLoad(call, fields, 3);
  if (has_head) return stream.Finish(std::span(fields, count).subspan(1));
  stream.SendTrailersOnly({fields, count});
}

void Answers::GrpcMessage(Call& call, std::string_view message) {
  writer_.Clear();
  const auto prefix = protocol::WriteGrpcPrefix(
      {.compressed = false, .length = static_cast<uint32_t>(message.size())});
  writer_.Append({reinterpret_cast<const char*>(prefix.data()), prefix.size()});
  writer_.Append(message);
  SendParts(call);
}

bool Answers::CompressParts(const Call& call) {
  if (call.answer_coding == protocol::Coding::kIdentity) return false;
  text_.clear();
  for (const protocol::MessagePart& part : writer_.Parts()) {
    text_.append(reinterpret_cast<const char*>(part.bytes.data()), part.bytes.size());
  }
  const size_t skipped = call.is_grpc ? protocol::kGrpcPrefixBytes : 0;
  const std::string_view plain = std::string_view(text_).substr(skipped);
  compressed_.assign(skipped, '\0');
  if (!protocol::Compress(AsBytes(plain), call.answer_coding, compressed_)) return false;
  if (!call.is_grpc) return true;
  // gRPC core sends a message as it is when compression does not make it smaller.
  const size_t length = compressed_.size() - skipped;
  if (length >= plain.size()) return false;
  const auto prefix =
      protocol::WriteGrpcPrefix({.compressed = true, .length = static_cast<uint32_t>(length)});
  std::memcpy(compressed_.data(), prefix.data(), prefix.size());
  return true;
}

void Answers::SendGrpcHead(const Call& call) {
  const bool names_coding = call.answer_coding != protocol::Coding::kIdentity;
  // What requests may be compressed with, as gRPC core tells it; a client that says nothing of
  // codings itself, which no gRPC library is, has no use for it and need not pay.
  const net::Header head[] = {{"content-type", kGrpcContentType, true},
                              {"grpc-accept-encoding", "identity, deflate, gzip", true},
                              {"grpc-encoding", protocol::CodingName(call.answer_coding), true}};
  const size_t count = names_coding ? 3 : call.knows_codings ? 2 : 1;
  call.stream->SendHead(200, {head, count}, std::nullopt);
}

void Answers::SendWritten(net::Stream& stream) {
  for (const protocol::MessagePart& part : writer_.Parts()) {
    if (part.owner == nullptr) {
      stream.SendBytes(part.bytes);
    } else {
      stream.SendBuffer(*part.owner, part.bytes);
    }
  }
}

// The writer's bytes as a gRPC answer with status OK, or as an HTTP infer answer.
void Answers::SendParts(Call& call, std::string_view timing) {
  net::Stream& stream = *call.stream;
  const bool is_compressed = CompressParts(call);
  call.MarkAnswered();
  if (call.is_grpc) {
    SendGrpcHead(call);
  } else {
    char digits[24];
    net::Header head[5] = {{"content-type", kJson}};
    size_t count = 1;
    if (const auto json_size = writer_.json_size()) {
      const auto end = std::to_chars(digits, digits + sizeof(digits), *json_size);
      const std::string_view size{digits, static_cast<size_t>(end.ptr - digits)};
      if (call.alias == AliasForm::kSagemaker || call.alias == AliasForm::kMme) {
        text_.assign(BinaryMime(Service::kSagemaker)).append(size);
        head[0].value = text_;
      } else {
        head[0].value = "application/octet-stream";
        head[count++] = {"inference-header-content-length", size};
      }
    }
    if (is_compressed) {
      head[count++] = {"content-encoding", protocol::CodingName(call.answer_coding)};
    }
    if (!timing.empty()) head[count++] = {"server-timing", timing};
    count = AddLoad(call, head, count);
    call.answer_status = 200;
    SendHttpHead(call, 200, {head, count}, is_compressed ? compressed_.size() : writer_.size());
  }
  if (is_compressed) {
    stream.SendBytes(AsBytes(compressed_));
  } else {
    SendWritten(stream);
  }
  if (!call.is_grpc) return stream.Finish({});
  net::Header trailers[2] = {{"grpc-status", "0", true}};
  stream.Finish({trailers, AddLoad(call, trailers, 1)});
}

void Answers::Infer(Call& call, core::InferResponse& response) {
  const protocol::AnswerForm form{.id = call.id,
                                  .wanted = call.wanted,
                                  .binary_by_default = call.binary_by_default,
                                  .real16 = real16_};
  writer_.Clear();
  const core::ModelPlan& plan = call.model->plan();
  base::Status status;
  if (!call.client_memory.empty()) [[unlikely]] {
    status = protocol::PlaceOutputs(plan, call.wanted, call.client_memory, allocator_, response);
  }
  if (status.ok()) status = protocol::ClassifyOutputs(plan, form, allocator_, response);
  if (status.ok()) {
    status = call.is_grpc ? protocol::WriteGrpcInferResponse(plan, form, response, writer_)
                          : protocol::WriteHttpInferResponse(plan, form, response, writer_);
  }
  if (!status.ok()) return Error(call, status);
  if (server_timing_ && !call.is_grpc) return SendParts(call, ServerTiming(response.times));
  SendParts(call);
}

int Answers::WriteGenerated(const Call& call, const core::InferResponse& response) {
  text_.clear();
  base::Status status = response.status;
  if (status.ok()) {
    writer_.Clear();
    status =
        protocol::WriteGenerateResponse(call.model->plan(), call.id, response, writer_, real16_);
  }
  if (!status.ok()) {
    protocol::AppendHttpError(text_, status.message());
    // Triton answers 400 to whatever fails in the model. What may be tried again keeps its status.
    const int http_status = base::HttpStatus(status.code());
    return http_status == 500 ? 400 : http_status;
  }
  for (const protocol::MessagePart& part : writer_.Parts()) {
    text_.append(reinterpret_cast<const char*>(part.bytes.data()), part.bytes.size());
  }
  return 200;
}

size_t Answers::SendEvent(Call& call, std::string_view json) {
  call.stream->SendBytes(AsBytes("data: "));
  call.stream->SendBytes(AsBytes(json));
  call.stream->SendBytes(AsBytes("\n\n"));
  return json.size();
}

size_t Answers::Generate(Call& call, const core::InferResponse& response) {
  Generated& generated = *call.generated;
  const bool is_events = call.kind == RouteKind::kGenerateStream;
  const bool is_empty = response.is_empty_final();
  if (!is_empty) {
    const int status = WriteGenerated(call, response);
    // The first response decides; under a status that has been sent, later errors are events.
    if (generated.responses++ == 0) generated.status = status;
  }
  const bool is_first = !is_empty && generated.responses == 1;
  if (!is_events) {
    if (is_first) generated.text = text_;
    if (!response.is_final) return 0;
    if (generated.responses != 1) {
      generated.text.clear();
      protocol::AppendHttpError(generated.text, kNotOneResponse);
    }
    Http(call, generated.status, kJson, generated.text);
    return 0;
  }
  if (is_first || (is_empty && generated.responses == 0)) {
    net::Header head[2] = {{"content-type", kEventStream}};
    call.answer_status = generated.status;
    SendHttpHead(call, generated.status, {head, AddLoad(call, head, 1)}, std::nullopt);
  }
  const size_t sent = is_empty ? 0 : SendEvent(call, text_);
  if (!response.is_final) return sent;
  call.MarkAnswered();
  call.stream->Finish({});
  return sent;
}

void Answers::Reply(Call& call, const ControlReply& reply) {
  if (call.is_grpc) {
    if (!reply.grpc_status.ok()) return GrpcStatus(call, reply.grpc_status);
    return GrpcMessage(call, reply.body);
  }
  std::vector<net::Header> headers;
  for (const auto& [name, value] : reply.headers) headers.push_back({name, value});
  headers.emplace_back();
  headers.resize(AddLoad(call, headers, headers.size() - 1));
  net::Stream& stream = *call.stream;
  call.MarkAnswered();
  call.answer_status = reply.http_status;
  SendHttpHead(call, reply.http_status, headers, reply.body.size());
  if (!reply.body.empty()) stream.SendBytes(AsBytes(reply.body));
  stream.Finish({});
}

}  // namespace serving::frontend
