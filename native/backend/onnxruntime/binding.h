// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backend/onnxruntime/session.h"
#include "base/status.h"
#include "core/model_plan.h"
#include "tensor/data_type.h"
#include "tensor/shape.h"

namespace serving::backend::ort {

// One tensor of the plan and what the model calls it. Index = slot in the plan; the tensors made
// from the batch follow the inputs.
struct BoundTensor {
  std::string name;
  tensor::DataType data_type = tensor::DataType::kFp32;
  int element_type = 0;
  tensor::Shape dims;                    // of the plan, without the batch dimension
  std::optional<tensor::Shape> reshape;  // as the model wants them
  bool has_fixed_shape = false;          // nothing free but the rows
};

// Hold the plan against the model with Triton's words: every name known, types equal, dimensions
// compatible. InvalidArgument otherwise.
base::Result<std::vector<BoundTensor>> BindInputs(const core::ModelPlan& plan,
                                                  const Session& session);
base::Result<std::vector<BoundTensor>> BindOutputs(const core::ModelPlan& plan,
                                                   const Session& session);

// A tensor of shape `actual` (rows first if `has_rows`), which looks like `from`, as it looks in
// `to`: the n-th free dimension of `to` is the n-th of `from`. Nothing when `actual` does not look
// like `from`.
std::optional<tensor::Shape> Reshape(const tensor::Shape& actual, bool has_rows,
                                     const tensor::Shape& from, const tensor::Shape& to);

}  // namespace serving::backend::ort
