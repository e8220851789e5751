// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "core/infer_request.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/response_sink.h"
#include "core/text_arena.h"

namespace serving::core {
namespace {

TEST(TextArena, KeepsTextUntilReset) {
  TextArena arena;
  std::vector<std::string> texts;
  std::vector<std::string_view> kept;
  for (size_t size : {0u, 1u, 500u, 523u, 1u, 0u, 1024u, 4000u, 3u}) {
    texts.push_back(std::string(size, static_cast<char>('a' + texts.size())));
    kept.push_back(arena.Keep(texts.back()));
  }
  for (size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(kept[i], texts[i]);
  arena.Reset();
  EXPECT_EQ(arena.Keep("again"), "again");
}

TEST(TextArena, ShortTextsShareOnePlace) {
  TextArena arena;
  const char* first = arena.Keep("x").data();
  EXPECT_EQ(arena.Keep("y").data(), first + 1);
  arena.Reset();
  EXPECT_EQ(arena.Keep("z").data(), first);
}

TEST(InferRequest, ResetForgetsEverythingAndKeepsPartLists) {
  InferRequest request;
  request.model_name = request.id = "x";
  request.parameters.push_back({"p", true});
  request.priority = request.timeout_us = 1;
  request.correlation_id = uint64_t{4};
  request.sequence_start = request.sequence_end = request.binary_by_default = true;
  request.wanted.push_back({"o"});
  InputTensor& input = request.AddInput();
  input.parts.reserve(64);
  input.parts.push_back({});
  input.byte_size = 5;
  const void* memory = input.parts.data();
  request.Reset();
  EXPECT_TRUE(request.model_name.empty() && request.id.empty());
  EXPECT_TRUE(request.inputs.empty() && request.wanted.empty() && request.parameters.empty());
  EXPECT_TRUE(std::holds_alternative<std::monostate>(request.correlation_id));
  EXPECT_FALSE(request.sequence_start || request.sequence_end || request.binary_by_default);
  EXPECT_EQ(request.priority + request.timeout_us, 0u);
  const InputTensor& again = request.AddInput();
  EXPECT_EQ(again.parts.data(), memory);
  EXPECT_TRUE(again.parts.empty());
  EXPECT_EQ(again.byte_size, 0u);
  EXPECT_EQ(again.slot, kNoSlot);
}

class Home final : public RequestHome {
 public:
  void Recycle(InferRequest* request) override { recycled.reset(request); }
  std::unique_ptr<InferRequest> recycled;
};

TEST(RequestPtr, GoesHome) {
  Home home;
  auto* request = new InferRequest;
  request->home = &home;
  {
    const RequestPtr owner(request);
  }
  EXPECT_EQ(home.recycled.get(), request);
  {
    const RequestPtr homeless(new InferRequest);
  }  // plain delete; a leak checker would tell
}

class FakeSink final : public ResponseSink {
 public:
  InferResponse* NewResponse() override { return &response; }
  base::BufferRef AllocateOutput(uint32_t, size_t) override { return nullptr; }
  base::Waker* Send(InferResponse* sent) override {
    EXPECT_EQ(sent, &response);
    ++sends;
    return nullptr;
  }
  using ResponseSink::ResetCancel;
  InferResponse response;
  int sends = 0;
};

TEST(ResponseSink, SendErrorIsOneFinalResponse) {
  const auto sink = base::MakeRef<FakeSink>();
  SendError(*sink, base::Unavailable("full"));
  EXPECT_EQ(sink->sends, 1);
  EXPECT_TRUE(sink->response.is_final);
  EXPECT_EQ(sink->response.status.message(), "full");
}

TEST(ResponseSink, CancelIsRemembered) {
  const auto sink = base::MakeRef<FakeSink>();
  EXPECT_FALSE(sink->is_cancelled());
  sink->Cancel();
  EXPECT_TRUE(sink->is_cancelled());
  sink->ResetCancel();
  EXPECT_FALSE(sink->is_cancelled());
}

TEST(InferResponse, ResetForgetsTheError) {
  InferResponse response;
  response.status = base::Internal("x");
  response.outputs.emplace_back();
  response.is_final = true;
  response.Reset();
  EXPECT_TRUE(response.status.ok());
  EXPECT_TRUE(response.outputs.empty());
  EXPECT_FALSE(response.is_final);
}

}  // namespace
}  // namespace serving::core
