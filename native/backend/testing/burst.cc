// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <atomic>
#include <cstring>
#include <optional>
#include <span>

#include "backend/testing/flat_json.h"
#include "backend/testing/test_model.h"
#include "tensor/bytes_tensor.h"

namespace serving::backend {
namespace {

class BurstModel final : public TestModel {
 public:
  explicit BurstModel(int64_t factor) : factor_(static_cast<size_t>(factor)) {}

  void Execute(Batch& batch) override {
    base::Status status;
    for (uint32_t slot = 0; status.ok() && slot < batch.outputs().size(); ++slot) {
      if (batch.wants(slot)) status = Repeat(batch, slot);
    }
    ++executed_;
    batch.Complete(std::move(status));
  }

  base::Result<std::string> Control(std::string_view json) override {
    ASSIGN_OR_RETURN(const FlatJson control, FlatJson::Parse(json));
    return "{\"executed\":" + std::to_string(executed_) + "}";
  }

 private:
  base::Status Repeat(Batch& batch, uint32_t slot) const {
    const BatchInput& input = batch.inputs()[slot];
    BatchOutput& output = batch.outputs()[slot];
    if (!input.present || input.shape.rank() == 0) {
      return base::InvalidArgument("burst: an input of at least one dimension is missing");
    }
    const size_t axis = input.shape.rank() - 1;
    int64_t last = 0;
    size_t bytes = 0;
    if (__builtin_mul_overflow(input.shape[axis], factor_, &last) ||
        __builtin_mul_overflow(input.view.size, factor_, &bytes)) {
      return base::InvalidArgument("burst: the output would pass 2^63-1 elements or bytes");
    }
    output.owner = batch.Allocate(bytes);
    if (!output.owner) return base::Unavailable("burst: memory limit reached, retry later");
    output.data_type = input.data_type;
    output.shape = input.shape;
    output.shape.Set(axis, last);
    output.view = {.data = output.owner->data(), .size = bytes};
    Fill(input, output.owner->data());
    return {};
  }

  // Writes each innermost row of `input` factor_ times.
  void Fill(const BatchInput& input, std::byte* out) const {
    const auto row_elements = static_cast<size_t>(input.shape[input.shape.rank() - 1]);
    std::span<const std::byte> rest(input.view.data, input.view.size);
    while (!rest.empty()) {
      const auto row_bytes = input.data_type == tensor::DataType::kBytes
                                 ? tensor::BytesPrefixSize(rest, row_elements)
                                 : std::optional(row_elements * tensor::ByteSize(input.data_type));
      if (!row_bytes || *row_bytes == 0) return;
      for (size_t i = 0; i < factor_; ++i, out += *row_bytes) {
        std::memcpy(out, rest.data(), *row_bytes);
      }
      rest = rest.subspan(*row_bytes);
    }
  }

  const size_t factor_;
  std::atomic<int64_t> executed_{0};
};

}  // namespace

std::unique_ptr<Backend> MakeBurstBackend() {
  return std::make_unique<TestBackend>(
      "burst", [](const core::ModelPlan& plan) -> base::Result<std::unique_ptr<BackendModel>> {
        if (plan.inputs.size() != plan.outputs.size()) {
          return base::InvalidArgument("burst: model '" + plan.name +
                                       "' needs as many outputs as inputs");
        }
        ASSIGN_OR_RETURN(const int64_t factor, CountParameter(plan, "factor", 2));
        return std::unique_ptr<BackendModel>(std::make_unique<BurstModel>(factor));
      });
}

}  // namespace serving::backend
