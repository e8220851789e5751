// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/io_handler.h"

#include <algorithm>
#include <utility>

#include "engine/validate.h"
#include "protocol/grpc_infer_request.h"
#include "protocol/http_infer_request.h"

namespace serving::frontend {
namespace {

using std::chrono::steady_clock;

// Bytes inside another buffer, from an offset to its end.
class BufferSlice final : public base::Buffer {
 public:
  BufferSlice(base::BufferRef whole, size_t offset)
      : Buffer(whole->data() + offset, whole->capacity() - offset, whole->kind(), whole->device()),
        whole_(std::move(whole)) {}

 private:
  base::BufferRef whole_;
};

}  // namespace

base::Status IoHandler::DecompressBody(Call& call) {
  ASSIGN_OR_RETURN(protocol::Decompressed plain,
                   protocol::Decompress(call.body_bytes(), call.request_coding,
                                        options_.max_input_bytes, *pool_));
  call.body = std::move(plain.buffer);
  call.body_offset = 0;
  call.received = call.body_size = plain.size;
  return {};
}

core::RequestPtr IoHandler::NewRequest(Call& call) {
  if (free_requests_ == nullptr) free_requests_ = mailbox_->requests.TakeAll();
  core::InferRequest* request = free_requests_;
  if (request != nullptr) {
    free_requests_ = request->next;
    request->next = nullptr;
  } else {
    request = new core::InferRequest;
    request->home = mailbox_.get();
  }
  request->times.received = call.received_at;
  request->body = call.body_offset != 0
                      ? base::BufferRef(base::MakeRef<BufferSlice>(call.body, call.body_offset))
                      : call.body;
  return core::RequestPtr(request);
}

void IoHandler::SubmitHttpInfer(Call& call) {
  auto model = table_->Resolve(call.model_name, call.model_version);
  if (!model.ok()) return Unresolved(call, call.model_name, model.status());
  if (model.value()->plan().decoupled) {
    return answers_.Error(call, base::Unimplemented("HTTP end point doesn't support models with "
                                                    "decoupled transaction policy"));
  }
  core::RequestPtr request = NewRequest(call);
  request->model_name = call.model_name;
  request->model_version = call.model_version;
  const auto json_length =
      call.json_length ? std::optional<std::string_view>(*call.json_length) : std::nullopt;
  base::Status status = protocol::ReadHttpInferRequest(
      request->body, call.received, json_length, options_.max_input_bytes, *pool_,
      &model.value()->plan(), *request, options_.real16_json, frontend_.engine().regions());
  if (status.ok()) status = engine::Validate(model.value()->plan(), *request);
  if (status.ok() && !call.forwarded.empty()) status = Forward(call, *request);
  if (!status.ok()) return answers_.Error(call, status);
  Submit(call, std::move(request), model.value());
}

void IoHandler::SubmitGrpcInfer(Call& call) {
  core::RequestPtr request = NewRequest(call);
  const base::Status read = protocol::ReadGrpcInferRequest(call.body_bytes(), *pool_, *request,
                                                           frontend_.engine().regions());
  if (!read.ok() && read.code() == base::StatusCode::kInternal) return answers_.Error(call, read);
  auto model = table_->Resolve(request->model_name, request->model_version);
  if (!model.ok()) return Unresolved(call, request->model_name, model.status());
  if (model.value()->plan().decoupled) {
    return answers_.Error(call, base::Unimplemented("ModelInfer RPC doesn't support models with "
                                                    "decoupled transaction policy"));
  }
  if (!read.ok()) return answers_.Error(call, read);
  base::Status valid = engine::Validate(model.value()->plan(), *request);
  if (valid.ok() && !call.forwarded.empty()) valid = Forward(call, *request);
  if (!valid.ok()) return answers_.Error(call, valid);
  Submit(call, std::move(request), model.value());
}

base::Status IoHandler::Forward(const Call& call, core::InferRequest& request) {
  RETURN_IF_ERROR(CheckForwarded(call.forwarded));
  AddForwarded(call.forwarded, request);
  return {};
}

void IoHandler::Submit(Call& call, core::RequestPtr request, model::Servable* model) {
  call.model = base::Ref<model::Servable>::Share(model);
  call.id = request->id;
  call.wanted = request->wanted;
  call.binary_by_default = request->binary_by_default;
  call.sink = base::MakeRef<NetSink>(mailbox_, call.slot, call.generation, call.flow, 0);
  call.body.Reset();  // the request has it
  if (!request->client_memory.empty()) [[unlikely]] {
    call.client_memory = request->client_memory;
    call.sink->SetPlaces(request->wanted);
  }
  request->sink = call.sink;
  request->deadline = call.deadline;
  if (tracing_) call.trace = StartTrace(call, *request, model->plan());
  if (const auto timeout = model->QueueTimeout(*request)) {
    call.queue_expires = steady_clock::now() + *timeout;
    call.Rearm();
  }
  Gather(std::move(request), model);
}

void IoHandler::Gather(core::RequestPtr request, model::Servable* model) {
  auto found = std::ranges::find(pending_, model, [](const Pending& p) { return p.model.get(); });
  if (found == pending_.end()) {
    pending_.push_back({.model = base::Ref<model::Servable>::Share(model), .chain = {}});
    found = pending_.end() - 1;
  }
  found->chain.Append(std::move(request));
}

}  // namespace serving::frontend
