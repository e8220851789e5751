// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/status.h"
#include "core/response_sink.h"
#include "testing/buffers.h"

namespace serving::testing {

// What a client would have got, copied when it was sent.
struct RecordedOutput {
  uint32_t slot = 0;
  tensor::DataType data_type = tensor::DataType::kFp32;
  std::vector<int64_t> shape;
  std::string bytes;
  const std::byte* address = nullptr;  // where the bytes lay: tells a copy from none
};
struct RecordedResponse {
  base::Status status;
  std::vector<RecordedOutput> outputs;
  core::StageTimes times;
};

// Keeps every answer. Aborts the test on a second final response or one after it. Any thread.
class RecordingSink final : public core::ResponseSink {
 public:
  core::InferResponse* NewResponse() override { return new core::InferResponse; }
  base::BufferRef AllocateOutput(uint32_t, size_t bytes) override {
    return MakeBuffer(std::string(bytes, '\0'));
  }

  base::Waker* Send(core::InferResponse* raw) override {
    const std::unique_ptr<core::InferResponse> response(raw);
    const std::function<void()> on_final = response->is_final ? when_final : nullptr;
    {
      std::lock_guard lock(mutex_);
      SERVING_CHECK(!is_final_, "a request was answered after its final response");
      is_final_ = response->is_final;
      responses_.push_back(Copy(*response));
      if (is_final_) final_.notify_all();
    }
    if (on_final) on_final();
    return nullptr;
  }

  // Blocks until the final response. The deadline only ends a broken test.
  const RecordedResponse& Wait() {
    std::unique_lock lock(mutex_);
    const bool came = final_.wait_for(lock, std::chrono::seconds(60), [this] { return is_final_; });
    SERVING_CHECK(came, "a request was never answered");
    return responses_.back();
  }
  bool is_answered() const {
    std::lock_guard lock(mutex_);
    return is_final_;
  }
  // After the final one.
  const std::vector<RecordedResponse>& responses() {
    Wait();
    return responses_;
  }

  std::function<void()> when_final;  // set before the request is submitted

 private:
  static RecordedResponse Copy(const core::InferResponse& response) {
    RecordedResponse copy{response.status, {}, response.times};
    for (const core::OutputTensor& output : response.outputs) {
      const auto dims = output.shape.dims();
      copy.outputs.push_back({output.slot,
                              output.data_type,
                              {dims.begin(), dims.end()},
                              std::string(TextOf(output.view)),
                              output.view.data});
    }
    return copy;
  }

  mutable std::mutex mutex_;
  std::condition_variable final_;
  bool is_final_ = false;                    // guarded by mutex_
  std::vector<RecordedResponse> responses_;  // guarded by mutex_ until the final one
};

}  // namespace serving::testing
