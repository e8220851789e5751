// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/padding.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

#include "model/execution.h"
#include "tensor/bytes_tensor.h"
#include "tensor/real16.h"

namespace serving::model {
namespace {

using core::InferRequest;
using tensor::DataType;
using Requests = std::span<InferRequest* const>;

constexpr size_t kMaxElementBytes = 8;

size_t FirstAxis(const core::ModelPlan& plan) { return plan.max_batch_size > 0 ? 1 : 0; }

// A tensor as `blocks` blocks of `size` times `inner` elements, `size` being the dimension at
// `axis`.
struct Blocks {
  size_t count = 1;
  size_t inner = 1;

  Blocks(const tensor::Shape& shape, size_t axis) {
    for (size_t i = 0; i < axis; ++i) count *= static_cast<size_t>(shape[i]);
    for (size_t i = axis + 1; i < shape.rank(); ++i) inner *= static_cast<size_t>(shape[i]);
  }
};

template <typename T>
size_t Store(T value, std::byte* out) {
  std::memcpy(out, &value, sizeof value);
  return sizeof value;
}

// One element of a type; a string is its length, 0. Returns its bytes.
size_t StoreElement(DataType type, double value, std::byte* out) {
  switch (type) {
    case DataType::kBool:
      return Store<uint8_t>(value != 0, out);
    case DataType::kUint8:
      return Store(static_cast<uint8_t>(value), out);
    case DataType::kUint16:
      return Store(static_cast<uint16_t>(value), out);
    case DataType::kUint32:
      return Store(static_cast<uint32_t>(value), out);
    case DataType::kUint64:
      return Store(static_cast<uint64_t>(value), out);
    case DataType::kInt8:
      return Store(static_cast<int8_t>(value), out);
    case DataType::kInt16:
      return Store(static_cast<int16_t>(value), out);
    case DataType::kInt32:
      return Store(static_cast<int32_t>(value), out);
    case DataType::kInt64:
      return Store(static_cast<int64_t>(value), out);
    case DataType::kFp16:
      return Store(tensor::Fp16(value), out);
    case DataType::kBf16:
      return Store(tensor::Bf16(value), out);
    case DataType::kFp32:
      return Store(static_cast<float>(value), out);
    case DataType::kFp64:
      return Store(value, out);
    case DataType::kBytes:
      return Store<uint32_t>(0, out);
  }
  return 0;
}

// Reads the pieces of an input one after the other.
class PieceReader {
 public:
  explicit PieceReader(const core::InputTensor& input) : input_(input) {}

  // The next `bytes` bytes.
  std::byte* Copy(size_t bytes, std::byte* out) {
    while (bytes > 0) {
      const std::span<const std::byte> rest = Rest();
      const size_t taken = std::min(bytes, rest.size());
      out = Take(rest.first(taken), out);
      bytes -= taken;
    }
    return out;
  }

  // The next `count` strings with their lengths. They are whole in their piece.
  std::byte* CopyStrings(size_t count, std::byte* out) {
    while (count > 0) {
      const std::span<const std::byte> rest = Rest();
      if (const auto all = tensor::BytesPrefixSize(rest, count)) {
        return Take(rest.first(*all), out);
      }
      count -= tensor::CountBytesElements(rest).value_or(0);
      out = Take(rest, out);
    }
    return out;
  }

 private:
  // What is left of the first piece that is not read. Validated: there is one as long as anything
  // is asked for.
  std::span<const std::byte> Rest() {
    while (offset_ == input_.parts[piece_].size) {
      ++piece_;
      offset_ = 0;
    }
    const tensor::TensorView& part = input_.parts[piece_];
    return {part.data + offset_, part.size - offset_};
  }
  std::byte* Take(std::span<const std::byte> bytes, std::byte* out) {
    std::memcpy(out, bytes.data(), bytes.size());
    offset_ += bytes.size();
    return out + bytes.size();
  }

  const core::InputTensor& input_;
  size_t piece_ = 0;
  size_t offset_ = 0;
};

int64_t SizeOf(const InferRequest& request, uint32_t slot, size_t axis) {
  return FindInput(request, slot)->shape[axis];
}

// Bytes that filling up adds to one request's input; nothing when they cannot be counted.
std::optional<size_t> AddedBytes(const core::InputTensor& input, size_t axis, int64_t padded,
                                 size_t element_bytes) {
  tensor::Shape added = input.shape;
  added.Set(axis, padded - input.shape[axis]);
  const auto elements = added.ElementCount();
  size_t bytes = 0;
  if (!elements || __builtin_mul_overflow(static_cast<size_t>(*elements), element_bytes, &bytes)) {
    return std::nullopt;
  }
  return bytes;
}

std::byte* Fill(std::span<const std::byte> element, size_t bytes, std::byte* out) {
  const bool is_zero = std::ranges::all_of(element, [](std::byte b) { return b == std::byte{0}; });
  if (is_zero) {
    std::memset(out, 0, bytes);
  } else {
    for (size_t done = 0; done < bytes; done += element.size()) {
      std::memcpy(out + done, element.data(), element.size());
    }
  }
  return out + bytes;
}

// One request's input, each of its blocks with what fills it up behind it.
std::byte* CopyPadded(const core::InputTensor& input, size_t axis, int64_t padded,
                      std::span<const std::byte> element, std::byte* out) {
  const Blocks blocks(input.shape, axis);
  const auto size = static_cast<size_t>(input.shape[axis]);
  const size_t elements = size * blocks.inner;
  const size_t added = (static_cast<size_t>(padded) - size) * blocks.inner * element.size();
  // Without elements there may be any number of blocks.
  if (elements == 0 && added == 0) return out;
  PieceReader reader(input);
  for (size_t i = 0; i < blocks.count; ++i) {
    out = input.data_type == DataType::kBytes
              ? reader.CopyStrings(elements, out)
              : reader.Copy(elements * tensor::ByteSize(input.data_type), out);
    out = Fill(element, added, out);
  }
  return out;
}

base::Status MemoryFull(const core::ModelPlan& plan) {
  return base::Unavailable("memory limit reached: no room for a batch of model '" + plan.name +
                           "', retry later");
}

// Where the blocks of an output lie, each cut back to `kept` of its `elements`.
class BlockCutter {
 public:
  BlockCutter(DataType type, std::span<const std::byte> bytes, size_t elements, size_t kept)
      : type_(type), rest_(bytes), elements_(elements), kept_(kept) {}

  // The kept part of the next block; nothing when the output has too few strings.
  std::optional<std::span<const std::byte>> Next() {
    const auto whole = BytesOf(elements_);
    const auto part = BytesOf(kept_);
    if (!whole || !part) return std::nullopt;
    const std::span<const std::byte> block = rest_.first(*part);
    rest_ = rest_.subspan(*whole);
    return block;
  }

 private:
  std::optional<size_t> BytesOf(size_t count) const {
    if (type_ == DataType::kBytes) return tensor::BytesPrefixSize(rest_, count);
    return count * tensor::ByteSize(type_);
  }

  const DataType type_;
  std::span<const std::byte> rest_;
  const size_t elements_;
  const size_t kept_;
};

}  // namespace

bool HasPadding(const core::ModelPlan& plan) {
  return std::ranges::any_of(plan.inputs,
                             [](const auto& input) { return input.padding.has_value(); });
}

int64_t PaddedSize(const core::PaddingPlan& padding, int64_t size) {
  const auto bucket = std::ranges::lower_bound(padding.buckets, size);
  if (bucket == padding.buckets.end()) return size;
  const bool is_too_much =
      static_cast<double>(*bucket - size) * 100 >
      static_cast<double>(*bucket) * static_cast<double>(padding.max_waste_percent);
  return is_too_much ? size : *bucket;
}

bool NeedsPadding(const core::ModelPlan& plan, uint32_t slot, Requests requests) {
  const core::PaddingPlan& padding = *plan.inputs[slot].padding;
  const size_t axis = FirstAxis(plan) + padding.axis;
  return std::ranges::any_of(requests, [&](const InferRequest* request) {
    const int64_t size = SizeOf(*request, slot, axis);
    return PaddedSize(padding, size) != size;
  });
}

base::Status PadInput(const core::ModelPlan& plan, uint32_t slot, Requests requests,
                      base::BufferAllocator& allocator, backend::BatchInput& target,
                      metrics::PaddingStatistics& statistics) {
  const core::PaddingPlan& padding = *plan.inputs[slot].padding;
  const size_t axis = FirstAxis(plan) + padding.axis;
  const int64_t padded = PaddedSize(padding, SizeOf(*requests[0], slot, axis));
  std::byte element[kMaxElementBytes];
  const size_t element_bytes =
      StoreElement(plan.inputs[slot].tensor.data_type, padding.value, element);
  size_t bytes = 0;
  size_t added_bytes = 0;
  for (const InferRequest* request : requests) {
    const core::InputTensor& input = *FindInput(*request, slot);
    const auto added = AddedBytes(input, axis, padded, element_bytes);
    if (!added || __builtin_add_overflow(bytes, input.byte_size, &bytes) ||
        __builtin_add_overflow(bytes, *added, &bytes)) {
      return MemoryFull(plan);
    }
    added_bytes += *added;
  }
  target.owner = allocator.Allocate(bytes);
  if (!target.owner) return MemoryFull(plan);
  std::byte* out = target.owner->data();
  for (const InferRequest* request : requests) {
    out = CopyPadded(*FindInput(*request, slot), axis, padded, {element, element_bytes}, out);
  }
  target.shape.Set(axis, padded);
  target.view = {.data = target.owner->data(), .size = bytes};
  statistics.input_bytes += bytes - added_bytes;
  statistics.added_bytes += added_bytes;
  return {};
}

base::Result<CutTensor> Unpad(const core::ModelPlan& plan, uint32_t slot,
                              const InferRequest& request, const tensor::Shape& shape,
                              std::span<const std::byte> bytes, base::BufferAllocator& allocator) {
  CutTensor cut{.shape = shape, .bytes = bytes, .owner = nullptr};
  const core::UnpaddingPlan& unpadding = *plan.outputs[slot].unpadding;
  const core::PaddingPlan& padding = *plan.inputs[unpadding.input].padding;
  const core::InputTensor* input = FindInput(request, unpadding.input);
  const size_t axis = FirstAxis(plan) + unpadding.axis;
  if (input == nullptr || axis >= shape.rank()) return cut;
  const int64_t size = input->shape[FirstAxis(plan) + padding.axis];
  if (shape[axis] == size || shape[axis] != PaddedSize(padding, size)) return cut;
  const DataType type = plan.outputs[slot].tensor.data_type;
  const Blocks blocks(shape, axis);
  const auto elements = [&](int64_t along) { return static_cast<size_t>(along) * blocks.inner; };
  cut.shape.Set(axis, size);
  if (bytes.empty()) return cut;
  size_t kept = 0;
  BlockCutter measure(type, bytes, elements(shape[axis]), elements(size));
  for (size_t i = 0; i < blocks.count; ++i) {
    const auto block = measure.Next();
    if (!block) {
      return base::Internal("model '" + plan.name + "' produced too few elements of output '" +
                            plan.outputs[slot].tensor.name + "'");
    }
    kept += block->size();
  }
  if (blocks.count <= 1) {  // all of it at the front
    cut.bytes = bytes.first(kept);
    return cut;
  }
  cut.owner = allocator.Allocate(kept);
  if (!cut.owner) return MemoryFull(plan);
  BlockCutter cutter(type, bytes, elements(shape[axis]), elements(size));
  std::byte* out = cut.owner->data();
  for (size_t i = 0; i < blocks.count; ++i) {
    const auto block = cutter.Next();
    if (!block->empty()) std::memcpy(out, block->data(), block->size());
    out += block->size();
  }
  cut.bytes = {cut.owner->data(), kept};
  return cut;
}

}  // namespace serving::model
