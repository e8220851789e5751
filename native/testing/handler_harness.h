// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// One I/O thread's handler without a socket. The test is the thread, and a stream that it holds
// takes the place of net.

#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "frontend/call.h"
#include "frontend/frontend.h"
#include "frontend/io_handler.h"
#include "protocol/grpc_frame.h"
#include "protocol/pb_wire.h"
#include "testing/buffers.h"
#include "testing/model_harness.h"

namespace serving::testing {

using frontend::Call;
using frontend::ControlCall;
using frontend::Frontend;
using frontend::FrontendOptions;
using frontend::IoHandler;
using frontend::Service;
using frontend::SetCurrentMailbox;

// A client that is written to: keeps what was sent and takes it when the test says so.
class FakeStream final : public net::Stream {
 public:
  FakeStream() { connection_bytes_ = &charged; }

  void SendHead(int, std::span<const net::Header>, std::optional<uint64_t>) override {
    EXPECT_FALSE(has_head);
    has_head = true;
  }
  void SendBytes(std::span<const std::byte> bytes) override {
    EXPECT_TRUE(has_head && !is_finished);
    body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (takes_all) taken = body.size();
  }
  void SendBuffer(base::BufferRef, std::span<const std::byte> bytes) override { SendBytes(bytes); }
  void Finish(std::span<const net::Header> trailers) override {
    EXPECT_TRUE(has_head && !is_finished);
    End(trailers);
  }
  void SendTrailersOnly(std::span<const net::Header> fields) override {
    EXPECT_FALSE(has_head || is_finished);
    End(fields);
  }
  void Abort(net::AbortReason) override { is_finished = true; }
  void AllowSlowBody() override { may_be_slow = true; }
  void ResumeBody() override { is_resumed = true; }
  size_t unsent_bytes() const override { return body.size() - taken; }
  void SetTimer(base::Instant when) override { timer = when; }

  std::string Trailer(std::string_view name) const {
    for (const auto& [key, value] : trailers) {
      if (key == name) return value;
    }
    return "none";
  }

  std::string body;
  size_t taken = 0;
  bool takes_all = true;
  bool has_head = false;
  bool is_finished = false;
  bool may_be_slow = false;
  bool is_resumed = false;
  uint64_t charged = 0;
  base::Instant timer = base::kNever;
  std::vector<std::pair<std::string, std::string>> trailers;

 private:
  void End(std::span<const net::Header> fields) {
    is_finished = true;
    for (const net::Header& field : fields) trailers.emplace_back(field.name, field.value);
  }
};

// What a ModelStreamInfer client is told.
struct Told {
  std::string error;
  std::string model;
  std::string id;
  std::string data;    // of the only output
  std::string marker;  // "true", "false", or none
};

inline std::vector<std::string> Messages(std::string_view body) {
  std::vector<std::string> messages;
  while (body.size() >= protocol::kGrpcPrefixBytes) {
    const auto prefix =
        protocol::ParseGrpcPrefix(std::as_bytes(std::span(body.data(), protocol::kGrpcPrefixBytes))
                                      .first<protocol::kGrpcPrefixBytes>());
    body.remove_prefix(protocol::kGrpcPrefixBytes);
    messages.emplace_back(body.substr(0, prefix->length));
    body.remove_prefix(std::min<size_t>(prefix->length, body.size()));
  }
  EXPECT_TRUE(body.empty());
  return messages;
}

// Calls `take` for every length-delimited field.
template <typename Take>
void ForEachField(std::string_view message, Take take) {
  protocol::WireReader wire(std::as_bytes(std::span(message)));
  while (!wire.AtEnd()) {
    const auto tag = wire.ReadTag();
    ASSERT_TRUE(tag);
    if (tag->type != protocol::WireType::kBytes) {
      ASSERT_TRUE(wire.Skip(*tag));
      continue;
    }
    const auto bytes = wire.ReadBytes();
    ASSERT_TRUE(bytes);
    take(tag->field, std::string_view(reinterpret_cast<const char*>(bytes->data()), bytes->size()));
  }
}

inline Told ParseTold(std::string_view message) {
  Told told;
  ForEachField(message, [&](uint32_t field, std::string_view text) {
    if (field == 1) told.error = text;
    if (field != 2) return;
    ForEachField(text, [&](uint32_t inner, std::string_view value) {
      if (inner == 1) told.model = value;
      if (inner == 3) told.id = value;
      if (inner == 4 && value.find("triton_final_response") != value.npos) {
        told.marker = value.back() == '\x01' ? "true" : "false";
      }
      if (inner == 6) told.data = value;
    });
  });
  return told;
}

// Takes what would go to TypeScript.
class FakePort final : public frontend::ControlPort {
 public:
  bool Post(std::unique_ptr<ControlCall> call) override {
    calls.push_back(std::move(call));
    return true;
  }
  void Cancel(frontend::CallToken token) override { cancelled.push_back(token); }
  std::vector<std::unique_ptr<ControlCall>> calls;
  std::vector<frontend::CallToken> cancelled;
};

// The handler with an engine behind it. Models have one INT32 input and output of free length.
class HandlerTest : public ::testing::Test {
 protected:
  static FrontendOptions Options() { return {}; }

  explicit HandlerTest(const FrontendOptions& options = Options())
      : engine({.memory_limit_bytes = 256 << 20}), frontend(options, engine, port) {
    engine.Register(FindBackend("identity"));
    for (auto& backend : backend::MakeTestBackends()) engine.Register(std::move(backend));
    waker = base::MakeRef<base::EventWaker>();
    handler = std::make_unique<IoHandler>(frontend, 0, waker);
  }

  ~HandlerTest() override {
    // Models first: their last answers come to a handler that is still there.
    for (auto& [exchange, stream] : calls) exchange->OnClosed(false);
    engine.SetTable(base::MakeRef<engine::DispatchTable>());
    Wake();
    engine.Stop();
    handler.reset();
    SetCurrentMailbox(nullptr);
  }

  model::Servable* Load(core::ModelPlan plan) {
    const auto handle = engine.Load(plan);
    EXPECT_TRUE(handle.ok()) << handle.status().message();
    served.emplace_back(plan.name, engine.Find(handle.value()));
    Publish(true);
    return served.back().second.get();
  }

  void Publish(bool is_ready) {
    auto table = base::MakeRef<engine::DispatchTable>();
    table->is_ready = is_ready;
    for (const auto& [name, model] : served) {
      engine::DispatchModel entry;
      entry.versions.push_back({.version = 1, .model = model, .is_ready = true});
      table->Add(name, std::move(entry));
    }
    bool is_seen = false;
    frontend.Publish(table, [&is_seen] { is_seen = true; });
    Wake();
    EXPECT_TRUE(is_seen);
  }

  // What the I/O loop does in a turn.
  void Wake() {
    waker->Clear();
    handler->OnWake();
    handler->OnTurnEnd();
  }
  // Turns until it holds. The deadline only ends a broken test.
  template <typename Condition>
  ::testing::AssertionResult Until(Condition holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) return ::testing::AssertionFailure();
      Wake();
      std::this_thread::yield();
    }
    return ::testing::AssertionSuccess();
  }

  FakeStream& Open(std::string_view path, std::vector<net::Header> more = {}) {
    std::vector<net::Header> headers{{"content-type", "application/grpc"}};
    headers.insert(headers.end(), more.begin(), more.end());
    net::RequestHead head;
    head.protocol = net::Protocol::kHttp2;
    head.service = static_cast<uint16_t>(Service::kGrpc);
    head.method = "POST";
    head.path = path;
    head.headers = headers;
    head.has_body = true;
    auto stream = std::make_unique<FakeStream>();
    net::Exchange* exchange = handler->OnRequest(*stream, head);
    calls.emplace_back(exchange, std::move(stream));
    return *calls.back().second;
  }
  FakeStream& OpenPost(std::string_view path) {
    net::RequestHead head;
    head.service = static_cast<uint16_t>(Service::kHttp);
    head.method = "POST";
    head.path = path;
    head.has_body = true;
    auto stream = std::make_unique<FakeStream>();
    net::Exchange* exchange = handler->OnRequest(*stream, head);
    calls.emplace_back(exchange, std::move(stream));
    return *calls.back().second;
  }
  FakeStream& OpenInfer(std::vector<net::Header> more = {}) {
    return Open("/inference.GRPCInferenceService/ModelStreamInfer", std::move(more));
  }

  Call& CallOf(const FakeStream& stream) {
    const auto found =
        std::ranges::find_if(calls, [&](const auto& call) { return call.second.get() == &stream; });
    return static_cast<Call&>(*found->first);
  }

  // Hands the bytes over in pieces; gives what was not taken.
  std::string Write(FakeStream& stream, std::string bytes, size_t piece = SIZE_MAX) {
    Call& call = CallOf(stream);
    size_t at = 0;
    while (at < bytes.size()) {
      const auto space = call.BodySpace(std::min(piece, bytes.size() - at));
      if (space.empty()) break;
      std::memcpy(space.data(), bytes.data() + at, space.size());
      call.BodyArrived(space.size());
      at += space.size();
    }
    return bytes.substr(at);
  }
  void End(FakeStream& stream) { CallOf(stream).OnBodyEnd(); }
  void Take(FakeStream& stream) {
    stream.taken = stream.body.size();
    CallOf(stream).OnDrained();
  }
  void Expire(FakeStream& stream) {
    stream.timer = base::kNever;
    CallOf(stream).OnTimer();
  }
  void Vanish(FakeStream& stream) {
    const auto found =
        std::ranges::find_if(calls, [&](const auto& call) { return call.second.get() == &stream; });
    found->first->OnClosed(false);
    calls.erase(found);
  }

  static std::string Varint(size_t value) {
    std::string out;
    for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
    return out + static_cast<char>(value);
  }
  static std::string Field(uint32_t field, std::string_view content) {
    return Varint(field << 3 | 2) + Varint(content.size()) + std::string(content);
  }
  static std::string Framed(std::string_view message, bool is_compressed = false) {
    const auto prefix = protocol::WriteGrpcPrefix(
        {.compressed = is_compressed, .length = static_cast<uint32_t>(message.size())});
    return std::string(reinterpret_cast<const char*>(prefix.data()), prefix.size()) +
           std::string(message);
  }
  // One framed ModelInferRequest with as many numbers as the text has bytes, four a number.
  static std::string Request(std::string_view model, std::string_view id, std::string_view data,
                             std::string_view parameters = {}) {
    const std::string shape = Varint(1) + Varint(data.size() / 4);
    return Framed(Field(1, model) + Field(3, id) + std::string(parameters) +
                  Field(5, Field(1, "INPUT0") + Field(2, "INT32") + Field(3, shape)) +
                  Field(7, data));
  }
  static std::string FlagParameter(std::string_view name, bool value) {
    return Field(4, Field(1, name) + Field(2, std::string("\x08") + (value ? '\x01' : '\x00')));
  }

  std::vector<Told> ToldTo(const FakeStream& stream) {
    std::vector<Told> told;
    for (const std::string& message : Messages(stream.body)) told.push_back(ParseTold(message));
    return told;
  }
  static std::string Ids(const std::vector<Told>& told) {
    std::string ids;
    for (const Told& one : told) ids += one.id;
    return ids;
  }

  FakePort port;
  engine::Engine engine;
  Frontend frontend;
  base::Ref<base::EventWaker> waker;
  std::unique_ptr<IoHandler> handler;
  std::vector<std::pair<std::string, base::Ref<model::Servable>>> served;
  std::vector<std::pair<net::Exchange*, std::unique_ptr<FakeStream>>> calls;
};

inline core::ModelPlan PlanOf(std::string backend, std::string name,
                              std::map<std::string, std::string> parameters = {}) {
  core::ModelPlan plan = MakePlan(backend);
  plan.name = std::move(name);
  plan.parameters = std::move(parameters);
  plan.decoupled = backend == "stream";
  return plan;
}

}  // namespace serving::testing
