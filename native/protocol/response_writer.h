// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "core/infer_request.h"
#include "core/infer_response.h"

namespace serving::protocol {

// FP16 and BF16 as numbers in JSON, which Triton refuses both ways.
enum class Real16Json : uint8_t { kRefused, kTaken };

// What of a request shapes its answer. Copied from the request by whoever writes the answer later,
// since a request may be gone by then: of `wanted` only slot, binary, classification and place are
// read.
struct AnswerForm {
  std::string_view id;                         // empty = the client gave none
  std::span<const core::WantedOutput> wanted;  // empty = all outputs
  bool binary_by_default =
      false;  // HTTP: outputs that `wanted` does not name go to the binary tail
  Real16Json real16 = Real16Json::kRefused;
};

// A run of answer bytes. `owner` null: the bytes lie in the writer and are to be copied; else they
// are to be lent.
struct MessagePart {
  std::span<const std::byte> bytes;
  const base::BufferRef* owner = nullptr;
};

// The bytes of one answer: text and small tensors gathered in one scratch, large tensors where they
// lie. An answer without large tensors is exactly one part.
//
// Reusable: Clear keeps the capacity up to 1 MiB. One thread at a time. Parts are valid until the
// next Clear or append, and as long as the response whose buffers they name.
class ResponseWriter {
 public:
  // Tensors of at least this size are lent, smaller ones copied.
  static constexpr size_t kLendBytes = 4096;

  void Clear();

  // Room for `bytes` more in the scratch. What is written there counts after Commit; the place
  // moves with the next Reserve.
  char* Reserve(size_t bytes) {
    if (bytes > capacity_ - used_) Grow(bytes);
    return scratch_.get() + used_;
  }
  void Commit(const char* end) { used_ = static_cast<size_t>(end - scratch_.get()); }

  void Append(std::string_view text) {
    char* place = Reserve(text.size());
    std::memcpy(place, text.data(), text.size());
    Commit(place + text.size());
  }
  // Tensor bytes that `owner` keeps alive; copied or lent by size. Without an owner they are
  // copied.
  void AppendTensor(std::span<const std::byte> bytes, const base::BufferRef& owner);

  // Bytes so far, lent ones included.
  size_t size() const { return used_ + lent_bytes_; }
  // Set by the HTTP writer when a binary tail follows: the value of
  // Inference-Header-Content-Length.
  std::optional<size_t> json_size() const { return json_size_; }
  void set_json_size(size_t bytes) { json_size_ = bytes; }
  // In order.
  std::span<const MessagePart> Parts();

 private:
  struct Lent {
    size_t scratch_before;  // scratch bytes in front of it
    std::span<const std::byte> bytes;
    const base::BufferRef* owner;
  };

  void Grow(size_t bytes);

  std::unique_ptr<char[]> scratch_;
  size_t used_ = 0;
  size_t capacity_ = 0;
  std::vector<Lent> lent_;
  std::vector<MessagePart> parts_;
  size_t lent_bytes_ = 0;
  std::optional<size_t> json_size_;
};

}  // namespace serving::protocol
