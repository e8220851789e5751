// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "frontend/route_table.h"
#include "frontend/token_cache.h"

namespace serving::frontend {

// Names a call of one I/O thread in the life of the process: thread, generation, slot. Fits into a
// JavaScript number.
using CallToken = uint64_t;

// Every call that is not infer or health, on its way to TypeScript: plain bytes.
struct ControlCall {
  CallToken token = 0;
  bool is_inquiry = false;  // `body` is a token that is to be judged; nothing else is set
  bool is_demand = false;   // the model `path` is to be loaded; the call is to be served anew then
  size_t demand_bytes = 0;  // of a demand: what the call holds meanwhile
  bool is_grpc = false;
  Service service = Service::kHttp;
  std::string method;
  std::string path;
  std::string query;
  std::vector<std::string> headers;  // name, value, name, value …
  std::string body;                  // gRPC: one message without prefix
  std::string remote_address;

  size_t ByteSize() const;
};

// The answer on its way back. One of the two forms.
struct ControlReply {
  uint32_t slot = 0;
  uint32_t generation = 0;
  int http_status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  base::Status grpc_status;
  std::string body;
  std::optional<Verdict> verdict;  // the answer to an inquiry
  ControlReply* next = nullptr;
};

// Takes calls over to JavaScript. Any I/O thread.
class ControlPort {
 public:
  virtual ~ControlPort() = default;
  // False when the queue is full or nobody listens: native answers 503 / UNAVAILABLE.
  virtual bool Post(std::unique_ptr<ControlCall> call) = 0;
  // Nobody waits any more for the answer to a call that was posted and not answered: what runs for
  // it may stop.
  virtual void Cancel(CallToken) {}
};

inline size_t ControlCall::ByteSize() const {
  size_t bytes = sizeof(*this) + method.size() + path.size() + query.size() + body.size();
  for (const std::string& header : headers) bytes += header.size() + sizeof(header);
  return bytes;
}

}  // namespace serving::frontend
