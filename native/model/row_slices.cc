// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/row_slices.h"

#include <algorithm>

#include "tensor/bytes_tensor.h"

namespace serving::model {

RowSlices::RowSlices(const core::InputTensor& input) : input_(input) {
  const int64_t rows = input.shape[0];
  const int64_t elements = input.shape.ElementCount().value_or(0);
  if (rows <= 0) return;
  row_elements_ = static_cast<size_t>(elements / rows);
  row_bytes_ = row_elements_ * tensor::ByteSize(input.data_type);
}

void RowSlices::Take(int64_t rows, core::InputTensor& slice) {
  slice.name = input_.name;
  slice.slot = input_.slot;
  slice.data_type = input_.data_type;
  slice.data_type_name = input_.data_type_name;
  slice.shape = input_.shape;
  slice.shape.Set(0, rows);
  if (input_.made_at != nullptr) slice.made_at = input_.made_at + offset_;  // one piece
  const auto count = static_cast<size_t>(rows);
  if (input_.data_type == tensor::DataType::kBytes) {
    TakeStrings(count * row_elements_, slice);
  } else {
    TakeBytes(count * row_bytes_, slice);
  }
}

void RowSlices::TakeBytes(size_t bytes, core::InputTensor& slice) {
  while (bytes > 0) {
    const tensor::TensorView rest = Rest();
    const size_t taken = std::min(bytes, rest.size);
    Append({.data = rest.data, .size = taken}, slice);
    bytes -= taken;
  }
}

// Strings are whole in their piece.
void RowSlices::TakeStrings(size_t count, core::InputTensor& slice) {
  while (count > 0) {
    const tensor::TensorView rest = Rest();
    const std::span<const std::byte> bytes(rest.data, rest.size);
    if (const auto all = tensor::BytesPrefixSize(bytes, count)) {
      return Append({.data = rest.data, .size = *all}, slice);
    }
    count -= tensor::CountBytesElements(bytes).value_or(count);
    Append(rest, slice);
  }
}

tensor::TensorView RowSlices::Rest() {
  while (offset_ == input_.parts[piece_].size) {
    ++piece_;
    offset_ = 0;
  }
  const tensor::TensorView& piece = input_.parts[piece_];
  return {.data = piece.data + offset_, .size = piece.size - offset_};
}

void RowSlices::Append(tensor::TensorView view, core::InputTensor& slice) {
  slice.parts.push_back(view);
  slice.byte_size += view.size;
  offset_ += view.size;
}

}  // namespace serving::model
