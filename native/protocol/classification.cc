// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/classification.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "protocol/request_parts.h"
#include "tensor/data_type.h"

namespace serving::protocol {
namespace {

using base::Status;
using tensor::DataType;

constexpr size_t kMaxIndexChars = 20;

// Characters of the longest value: printf's %f of the largest finite one, or all digits of an
// integer.
template <typename T>
constexpr size_t kMaxValueChars = std::is_same_v<T, double>  ? 320
                                  : std::is_same_v<T, float> ? 50
                                                             : 20;

template <typename T>
T At(const std::byte* row, size_t index) {
  T value;
  std::memcpy(&value, row + index * sizeof(T), sizeof(T));
  return value;
}

// Larger values first, NaN before all, equal ones by index.
template <typename T>
bool ComesFirst(T a, T b, size_t index_a, size_t index_b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(a) != std::isnan(b)) return std::isnan(a);
  }
  if (a > b) return true;
  if (b > a) return false;
  return index_a < index_b;
}

template <typename T>
char* WriteValue(T value, char* out) {
  constexpr size_t kRoom = kMaxValueChars<T>;
  if constexpr (std::is_floating_point_v<T>) {
    return std::to_chars(out, out + kRoom, value, std::chars_format::fixed, 6).ptr;
  } else {
    return std::to_chars(out, out + kRoom, value).ptr;
  }
}

// Writes the BYTES element for one value; returns the end.
template <typename T>
char* WriteElement(T value, size_t index, const std::vector<std::string>& labels, char* out) {
  char* text = out + sizeof(uint32_t);
  char* end = WriteValue(value, text);
  *end++ = ':';
  end = std::to_chars(end, end + kMaxIndexChars, index).ptr;
  if (index < labels.size() && !labels[index].empty()) {
    *end++ = ':';
    end = std::copy(labels[index].begin(), labels[index].end(), end);
  }
  const auto length = static_cast<uint32_t>(end - text);
  std::memcpy(out, &length, sizeof(length));
  return end;
}

struct Rows {
  size_t count;
  size_t width;  // elements of one
  size_t top;    // elements wanted of one
};

template <typename T>
Status ClassifyRows(const Rows& rows, const std::vector<std::string>& labels,
                    base::BufferAllocator& allocator, core::OutputTensor& output) {
  size_t longest_label = 0;
  for (const std::string& label : labels) longest_label = std::max(longest_label, label.size());
  const size_t element_room =
      sizeof(uint32_t) + kMaxValueChars<T> + 1 + kMaxIndexChars + 1 + longest_label;
  const size_t room = rows.count * rows.top * element_room;
  base::BufferRef buffer = allocator.Allocate(room);
  if (!buffer) return OutOfMemory(room);
  char* place = reinterpret_cast<char*>(buffer->data());
  std::vector<size_t> order(rows.width);
  for (size_t row = 0; row < rows.count; ++row) {
    const std::byte* values = output.view.data + row * rows.width * sizeof(T);
    std::iota(order.begin(), order.end(), size_t{0});
    std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(rows.top), order.end(),
                      [values](size_t a, size_t b) {
                        return ComesFirst(At<T>(values, a), At<T>(values, b), a, b);
                      });
    for (size_t i = 0; i < rows.top; ++i) {
      place = WriteElement(At<T>(values, order[i]), order[i], labels, place);
    }
  }
  output.view.data = buffer->data();
  output.view.size = static_cast<size_t>(place - reinterpret_cast<char*>(buffer->data()));
  output.owner = std::move(buffer);
  return {};
}

Status ClassifyType(const Rows& rows, const std::vector<std::string>& labels,
                    base::BufferAllocator& allocator, core::OutputTensor& output) {
  switch (output.data_type) {
    case DataType::kUint8:
      return ClassifyRows<uint8_t>(rows, labels, allocator, output);
    case DataType::kUint16:
      return ClassifyRows<uint16_t>(rows, labels, allocator, output);
    case DataType::kUint32:
      return ClassifyRows<uint32_t>(rows, labels, allocator, output);
    case DataType::kUint64:
      return ClassifyRows<uint64_t>(rows, labels, allocator, output);
    case DataType::kInt8:
      return ClassifyRows<int8_t>(rows, labels, allocator, output);
    case DataType::kInt16:
      return ClassifyRows<int16_t>(rows, labels, allocator, output);
    case DataType::kInt32:
      return ClassifyRows<int32_t>(rows, labels, allocator, output);
    case DataType::kInt64:
      return ClassifyRows<int64_t>(rows, labels, allocator, output);
    case DataType::kFp32:
      return ClassifyRows<float>(rows, labels, allocator, output);
    case DataType::kFp64:
      return ClassifyRows<double>(rows, labels, allocator, output);
    case DataType::kBool:
    case DataType::kBytes:
    case DataType::kFp16:
    case DataType::kBf16:
      break;
  }
  return base::InvalidArgument(
      Join({"class result not available for output due to unsupported type '",
            tensor::WireName(output.data_type), "'"}));
}

Status ClassifyOutput(const core::ModelPlan& plan, uint32_t top, base::BufferAllocator& allocator,
                      core::OutputTensor& output) {
  const bool batched = plan.max_batch_size > 0 && output.shape.rank() > 0;
  const size_t element_size = tensor::ByteSize(output.data_type);
  const size_t elements = element_size == 0 ? 0 : output.view.size / element_size;
  Rows rows{batched ? static_cast<size_t>(output.shape[0]) : 1, 0, 0};
  rows.width = rows.count == 0 ? 0 : elements / rows.count;
  rows.top = std::min<size_t>(top, rows.width);
  RETURN_IF_ERROR(ClassifyType(rows, plan.outputs[output.slot].labels, allocator, output));
  output.data_type = DataType::kBytes;
  output.shape.Clear();
  if (batched) output.shape.Append(static_cast<int64_t>(rows.count));
  output.shape.Append(static_cast<int64_t>(rows.top));
  return {};
}

}  // namespace

Status ClassifyOutputs(const core::ModelPlan& plan, const AnswerForm& form,
                       base::BufferAllocator& allocator, core::InferResponse& response) {
  for (const core::WantedOutput& wanted : form.wanted) {
    if (wanted.classification == 0) continue;
    for (core::OutputTensor& output : response.outputs) {
      if (output.slot != wanted.slot) continue;
      RETURN_IF_ERROR(ClassifyOutput(plan, wanted.classification, allocator, output));
      break;
    }
  }
  return {};
}

}  // namespace serving::protocol
