// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "cache/answer.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace serving::cache {
namespace {

// Of an entry besides its block: the allocator's own.
constexpr size_t kOverheadBytes = 16;

size_t Aligned(size_t bytes) {
  return (bytes + base::kBufferAlignment - 1) / base::kBufferAlignment * base::kBufferAlignment;
}

std::byte* Aligned(std::byte* at) {
  return at + (Aligned(reinterpret_cast<size_t>(at)) - reinterpret_cast<size_t>(at));
}

}  // namespace

// The answer, its outputs, their dimensions, and, aligned, the tensors with what may be read
// behind the last.
struct Answer::Layout {
  explicit Layout(const core::InferResponse& response) {
    for (const core::OutputTensor& output : response.outputs) {
      head += sizeof(Output) + output.shape.rank() * sizeof(int64_t);
      tensors += Aligned(output.view.size);
    }
  }
  size_t bytes() const { return head + base::kBufferAlignment + tensors; }

  size_t head = sizeof(Answer);
  size_t tensors = base::kBufferPadding;
};

size_t Answer::ChargeOf(const core::InferResponse& response) {
  size_t bytes = kOverheadBytes + Layout(response).bytes();
  for (const core::ResponseParameter& parameter : response.parameters) {
    bytes += sizeof parameter + parameter.name.size();
    if (const auto* text = std::get_if<std::string>(&parameter.value)) bytes += text->size();
  }
  return bytes;
}

base::Ref<Answer> Answer::Copy(const core::InferResponse& response, size_t charge,
                               const std::shared_ptr<std::atomic<size_t>>& used) {
  static_assert(alignof(Answer) <= alignof(std::max_align_t));
  void* const block = std::malloc(Layout(response).bytes());
  if (block == nullptr) return nullptr;
  return base::Ref<Answer>::Adopt(new (block) Answer(response, charge, used));
}

Answer::Answer(const core::InferResponse& response, size_t charge,
               const std::shared_ptr<std::atomic<size_t>>& used)
    : output_count_(response.outputs.size()),
      charge_(charge),
      used_(used),
      parameters_(response.parameters) {
  const Layout layout(response);
  data_ = Aligned(reinterpret_cast<std::byte*>(this) + layout.head);
  capacity_ = layout.tensors;
  Output* kept = outputs();
  int64_t* dim = dims();
  std::byte* bytes = data_;
  for (const core::OutputTensor& output : response.outputs) {
    const std::span<const int64_t> shape = output.shape.dims();
    *kept++ = {.slot = output.slot,
               .data_type = output.data_type,
               .rank = static_cast<uint8_t>(shape.size()),
               .size = output.view.size};
    dim = std::ranges::copy(shape, dim).out;
    if (output.view.size != 0) std::memcpy(bytes, output.view.data, output.view.size);
    bytes += Aligned(output.view.size);
  }
}

Answer::~Answer() { used_->fetch_sub(charge_, std::memory_order_relaxed); }

void Answer::Dispose() {
  this->~Answer();
  std::free(this);
}

Answer::Output* Answer::outputs() const {
  return reinterpret_cast<Output*>(const_cast<Answer*>(this) + 1);
}

int64_t* Answer::dims() const { return reinterpret_cast<int64_t*>(outputs() + output_count_); }

void Answer::FillIn(core::InferResponse& response) const {
  const int64_t* dim = dims();
  const std::byte* bytes = data_;
  for (const Output& kept : std::span(outputs(), output_count_)) {
    core::OutputTensor& output = response.outputs.emplace_back();
    output.slot = kept.slot;
    output.data_type = kept.data_type;
    output.shape = tensor::Shape({dim, kept.rank});
    output.view = {.data = bytes, .size = kept.size};
    output.owner = base::BufferRef::Share(const_cast<Answer*>(this));
    dim += kept.rank;
    bytes += Aligned(kept.size);
  }
  response.parameters = parameters_;
}

}  // namespace serving::cache
