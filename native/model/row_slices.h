// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>

#include "core/infer_request.h"

namespace serving::model {

// Walks a validated input from its first row to its last in slices of whole rows, as views: nothing
// is copied.
class RowSlices {
 public:
  // `input` outlives the walk.
  explicit RowSlices(const core::InputTensor& input);

  // Appends the next `rows` rows to `slice`, which gets name, type and shape too.
  void Take(int64_t rows, core::InputTensor& slice);

 private:
  void TakeBytes(size_t bytes, core::InputTensor& slice);
  void TakeStrings(size_t count, core::InputTensor& slice);
  // What is left of the piece that is read, which is not empty.
  tensor::TensorView Rest();
  void Append(tensor::TensorView view, core::InputTensor& slice);

  const core::InputTensor& input_;
  size_t row_elements_ = 0;
  size_t row_bytes_ = 0;  // 0 for strings
  size_t piece_ = 0;
  size_t offset_ = 0;
};

}  // namespace serving::model
