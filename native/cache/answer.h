// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/buffer.h"
#include "base/ref.h"
#include "cache/siphash.h"
#include "core/infer_response.h"

namespace serving::cache {

// One kept answer: itself, what it says of its outputs, and their bytes are one block of memory,
// so that to keep an answer and to let it go are one allocation and one release. Responses look
// into it without a copy. Its bytes are immutable.
//
// Threads: any. What it takes counts as used until the last response that looks at it is gone.
class Answer final : public base::Buffer {
 public:
  // What a copy of `response` takes.
  static size_t ChargeOf(const core::InferResponse& response);
  // Takes `charge` out of `used` when it goes. Null when there is no memory.
  static base::Ref<Answer> Copy(const core::InferResponse& response, size_t charge,
                                const std::shared_ptr<std::atomic<size_t>>& used);

  // Adds the outputs to a response, which keeps the answer alive.
  void FillIn(core::InferResponse& response) const;
  size_t charged_bytes() const { return charge_; }

 private:
  friend class AnswerTable;

  struct Output {
    uint32_t slot;
    tensor::DataType data_type;
    uint8_t rank;
    size_t size;  // bytes
  };
  struct Layout;

  Answer(const core::InferResponse& response, size_t charge,
         const std::shared_ptr<std::atomic<size_t>>& used);
  ~Answer() override;
  void Dispose() override;

  Output* outputs() const;
  int64_t* dims() const;  // of all outputs, one after the other

  const size_t output_count_;
  const size_t charge_;
  const std::shared_ptr<std::atomic<size_t>> used_;
  const core::ResponseParameters parameters_;

  // The table's; guarded by its lock.
  Hash128 key_;
  uint64_t owner_ = 0;
  Answer* newer_ = nullptr;
  Answer* older_ = nullptr;
  Answer* next_in_bucket_ = nullptr;
};

}  // namespace serving::cache
