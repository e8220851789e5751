// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstring>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/check.h"
#include "base/memory_budget.h"
#include "base/ref.h"
#include "device/host_pool.h"
#include "tensor/bytes_tensor.h"
#include "tensor/tensor_view.h"

namespace serving::testing {

inline std::shared_ptr<base::MemoryBudget> Unlimited() {
  return std::make_shared<base::MemoryBudget>(SIZE_MAX / 2);
}

// Bytes of a tensor with elements of type T.
template <typename T>
std::string Pack(std::span<const T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}
template <typename T>
std::string Pack(std::initializer_list<T> values) {
  return Pack(std::span<const T>(values.begin(), values.size()));
}
inline std::string PackStrings(std::initializer_list<std::string_view> values) {
  std::string bytes;
  for (const std::string_view value : values) tensor::AppendBytesElement(bytes, value);
  return bytes;
}

template <typename T>
std::vector<T> Unpack(std::string_view bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}
inline std::vector<std::string> UnpackStrings(std::string_view bytes) {
  tensor::BytesReader reader(std::as_bytes(std::span(bytes)));
  std::vector<std::string> values;
  while (const auto value = reader.Next()) values.emplace_back(*value);
  return values;
}

inline std::string_view TextOf(const tensor::TensorView& view) {
  return {reinterpret_cast<const char*>(view.data), view.size};
}

// A buffer of its own pool that begins with `bytes`, `offset` bytes after a 64-byte boundary.
inline base::BufferRef MakeBuffer(std::string_view bytes, size_t offset = 0) {
  auto pool = base::MakeRef<device::HostPool>(Unlimited());
  base::BufferRef buffer = pool->Allocate(bytes.size() + offset);
  SERVING_CHECK(static_cast<bool>(buffer), "a test ran out of memory");
  if (!bytes.empty()) std::memcpy(buffer->data() + offset, bytes.data(), bytes.size());
  return buffer;
}

}  // namespace serving::testing
