// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "backend/onnxruntime/binding.h"
#include "backend/onnxruntime/session.h"

namespace serving::backend::ort {

// What the instances of a version share. Immutable after load.
struct LoadedModel {
  std::string name;
  bool has_rows = false;  // a batch dimension
  std::vector<BoundTensor> inputs;
  std::vector<BoundTensor> outputs;
};

// Runs batches: our buffers are wrapped as tensors, outputs of known shape are written into ours,
// others are handed over in the library's own memory. Strings are copied in and out.
//
// Owns: lists that keep their capacity, so that a run with fixed shapes allocates nothing of ours.
class OrtInstance final : public Instance {
 public:
  OrtInstance(const LoadedModel& model, std::shared_ptr<const Session> session)
      : model_(model), session_(std::move(session)) {}
  void Execute(Batch& batch) override;
  const std::shared_ptr<const Session>& session() const { return session_; }

 private:
  base::Status Run(Batch& batch);
  base::Status WrapInputs(Batch& batch);
  base::Result<RawValue*> WrapInput(Batch& batch, const BoundTensor& tensor,
                                    const BatchInput& input, const tensor::Shape& shape);
  base::Result<tensor::TensorView> CleanBools(Batch& batch, const tensor::TensorView& view);
  base::Result<RawValue*> MakeStrings(const BoundTensor& tensor, const BatchInput& input,
                                      const tensor::Shape& shape);
  base::Status PlaceOutputs(Batch& batch);
  base::Result<RawValue*> PlaceOutput(Batch& batch, uint32_t slot);
  base::Status CollectOutputs(Batch& batch);
  base::Status CollectOutput(Batch& batch, uint32_t slot, RawValue*& value);
  base::Status CollectStrings(Batch& batch, BatchOutput& output, const RawValue* value,
                              size_t count);
  void ReleaseValues();

  const LoadedModel& model_;
  const std::shared_ptr<const Session> session_;
  // Of the batch that runs:
  std::vector<const char*> input_names_;
  std::vector<RawValue*> input_values_;
  std::vector<const char*> output_names_;
  std::vector<RawValue*> output_values_;
  std::vector<uint32_t> output_slots_;
  std::vector<base::BufferRef> clean_bools_;  // copies of inputs that were no proper booleans
  std::vector<size_t> offsets_;
};

}  // namespace serving::backend::ort
