// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "backend/testing/gated_model.h"
#include "tensor/bytes_tensor.h"

namespace serving::backend {
namespace {

using tensor::DataType;

constexpr size_t kNone = SIZE_MAX;

size_t FindTensor(const std::vector<core::TensorPlan>& tensors, std::string_view name) {
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].tensor.name == name) return i;
  }
  return kNone;
}

// The element of a row, as JSON shows it.
std::string ElementText(const BatchInput& input, int64_t row) {
  const std::byte* data = input.view.data;
  const auto read = [&]<typename T>(T value) {
    std::memcpy(&value, data + static_cast<size_t>(row) * sizeof(T), sizeof(T));
    return value;
  };
  switch (input.data_type) {
    case DataType::kBool:
      return read(uint8_t{0}) != 0 ? "true" : "false";
    case DataType::kInt32:
      return std::to_string(read(int32_t{0}));
    case DataType::kUint32:
      return std::to_string(read(uint32_t{0}));
    case DataType::kInt64:
      return std::to_string(read(int64_t{0}));
    case DataType::kUint64:
      return std::to_string(read(uint64_t{0}));
    case DataType::kFp32:
      return std::to_string(static_cast<int64_t>(read(0.0F)));
    case DataType::kBytes: {
      tensor::BytesReader reader({input.view.data, input.view.size});
      for (int64_t i = 0; i < row; ++i) reader.Next();
      return "\"" + std::string(reader.Next().value_or("")) + "\"";
    }
    default:
      return "null";
  }
}

class SequenceTestModel final : public GatedModel {
 public:
  SequenceTestModel(const core::ModelPlan& plan, int64_t runs, bool is_closed, bool is_async)
      : GatedModel(is_closed, is_async),
        has_rows_(plan.max_batch_size > 0),
        in_(FindTensor(plan.inputs, "IN")),
        start_(FindTensor(plan.inputs, "START")),
        ready_(FindTensor(plan.inputs, "READY")),
        id_(FindTensor(plan.inputs, "CORRID")),
        state_in_(FindTensor(plan.inputs, "STATE_IN")),
        out_(FindTensor(plan.outputs, "OUT")),
        log_(FindTensor(plan.outputs, "LOG")),
        state_out_(FindTensor(plan.outputs, "STATE_OUT")),
        runs_(runs) {
    for (const core::TensorPlan& input : plan.inputs) names_.push_back(input.tensor.name);
  }

 private:
  void Answer(Batch& batch) override {
    const int64_t rows = has_rows_ ? batch.rows() : 1;
    std::vector<int32_t> totals;
    std::string log;
    {
      std::lock_guard lock(mutex_);
      log = "{\"batch\":" + std::to_string(++batches_) + ",\"rows\":[";
      for (int64_t row = 0; row < rows; ++row) {
        log += (row == 0 ? "{" : ",{") + RowText(batch, row) + "}";
        totals.push_back(IsReady(batch, row) ? TotalLocked(batch, row) : 0);
      }
      log += "]}";
    }
    for (const int32_t total : totals) {
      if (total == kFails) return batch.Complete(base::Internal("sequence: told to fail"));
      if (total == kPoisons) {
        batch.Poison("sequence: told to");
        return batch.Complete(base::Internal("sequence: told to poison its instance"));
      }
    }
    base::Status status = Write(batch, out_, totals);
    if (status.ok()) status = Write(batch, state_out_, totals);
    if (status.ok()) status = WriteLog(batch, rows, log);
    if (status.ok() && runs_ > 1) status = RunAgain(batch);
    batch.Complete(std::move(status));
  }

  // Requests that have not run often enough; they are known by the id of their sequence.
  base::Status RunAgain(Batch& batch) {
    for (size_t i = 0; i < batch.requests().size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      if (!IsReady(batch, row)) continue;
      {
        std::lock_guard lock(mutex_);
        int64_t& run = run_[ElementText(batch.inputs()[id_], row)];
        if (IsTrue(batch, start_, row, false)) run = 0;
        if (++run >= runs_) continue;
      }
      RETURN_IF_ERROR(batch.Reschedule(i));
    }
    return {};
  }

  static constexpr int32_t kFails = INT32_MIN;
  static constexpr int32_t kPoisons = INT32_MIN + 1;
  static constexpr int32_t kPoison = -2;

  static bool IsTrue(const Batch& batch, size_t slot, int64_t row, bool without) {
    if (slot == kNone || !batch.inputs()[slot].present) return without;
    const std::string text = ElementText(batch.inputs()[slot], row);
    return text == "1" || text == "true";
  }
  bool IsReady(const Batch& batch, int64_t row) const { return IsTrue(batch, ready_, row, true); }

  std::string RowText(const Batch& batch, int64_t row) const {
    std::string text;
    for (size_t slot = 0; slot < names_.size(); ++slot) {
      // What a row without a request holds is nobody's matter.
      if ((slot == in_ || slot == state_in_) && !IsReady(batch, row)) continue;
      if (!text.empty()) text += ',';
      text += '"' + names_[slot] + "\":" + ElementText(batch.inputs()[slot], row);
    }
    return text;
  }

  // Needs mutex_.
  int32_t TotalLocked(const Batch& batch, int64_t row) {
    int32_t number = 0;
    std::memcpy(&number, batch.inputs()[in_].view.data + static_cast<size_t>(row) * sizeof(number),
                sizeof(number));
    if (number == kPoison) return kPoisons;
    if (number < 0) return kFails;
    if (state_in_ != kNone) {
      int32_t state = 0;
      std::memcpy(&state,
                  batch.inputs()[state_in_].view.data + static_cast<size_t>(row) * sizeof(state),
                  sizeof(state));
      return state + number;
    }
    const std::string key =
        id_ != kNone ? ElementText(batch.inputs()[id_], row) : std::to_string(row);
    int32_t& total = totals_[key];
    if (IsTrue(batch, start_, row, false)) total = 0;
    total += number;
    return total;
  }

  tensor::Shape ShapeOf(int64_t rows) const {
    tensor::Shape shape;
    if (has_rows_) shape.Append(rows);
    shape.Append(1);
    return shape;
  }

  base::Status Write(Batch& batch, size_t slot, const std::vector<int32_t>& numbers) const {
    if (slot == kNone || !batch.wants(static_cast<uint32_t>(slot))) return {};
    const size_t bytes = numbers.size() * sizeof(int32_t);
    BatchOutput& output = batch.outputs()[slot];
    output.owner = batch.AllocateOutput(static_cast<uint32_t>(slot), bytes);
    if (!output.owner) return base::Unavailable("sequence: memory limit reached, retry later");
    std::memcpy(output.owner->data(), numbers.data(), bytes);
    output.data_type = DataType::kInt32;
    output.shape = ShapeOf(static_cast<int64_t>(numbers.size()));
    output.view = {.data = output.owner->data(), .size = bytes};
    return {};
  }

  base::Status WriteLog(Batch& batch, int64_t rows, const std::string& log) const {
    if (log_ == kNone || !batch.wants(static_cast<uint32_t>(log_))) return {};
    std::string elements;
    for (int64_t row = 0; row < rows; ++row) tensor::AppendBytesElement(elements, log);
    BatchOutput& output = batch.outputs()[log_];
    output.owner = batch.Allocate(elements.size());
    if (!output.owner) return base::Unavailable("sequence: memory limit reached, retry later");
    std::memcpy(output.owner->data(), elements.data(), elements.size());
    output.data_type = DataType::kBytes;
    output.shape = ShapeOf(rows);
    output.view = {.data = output.owner->data(), .size = elements.size()};
    return {};
  }

  const bool has_rows_;
  const size_t in_, start_, ready_, id_, state_in_;
  const size_t out_, log_, state_out_;
  const int64_t runs_;
  std::vector<std::string> names_;
  std::mutex mutex_;
  int64_t batches_ = 0;                    // guarded by mutex_
  std::map<std::string, int64_t> run_;     // by id; guarded by mutex_
  std::map<std::string, int32_t> totals_;  // by id, or by row without one; guarded by mutex_
};

}  // namespace

std::unique_ptr<Backend> MakeSequenceBackend() {
  return std::make_unique<TestBackend>(
      "sequence", [](const core::ModelPlan& plan) -> base::Result<std::unique_ptr<BackendModel>> {
        const size_t in = FindTensor(plan.inputs, "IN");
        if (in == kNone || plan.inputs[in].tensor.data_type != DataType::kInt32) {
          return base::InvalidArgument("sequence: model '" + plan.name +
                                       "' needs an input IN of type TYPE_INT32");
        }
        ASSIGN_OR_RETURN(const bool is_closed, FlagParameter(plan, "closed"));
        ASSIGN_OR_RETURN(const bool is_async, FlagParameter(plan, "async"));
        ASSIGN_OR_RETURN(const int64_t runs, CountParameter(plan, "runs", 1));
        if (runs > 1 && (FindTensor(plan.inputs, "CORRID") == kNone ||
                         FindTensor(plan.inputs, "START") == kNone)) {
          return base::InvalidArgument("sequence: model '" + plan.name +
                                       "' runs its requests more than once: it needs the inputs "
                                       "CORRID and START");
        }
        return std::unique_ptr<BackendModel>(
            std::make_unique<SequenceTestModel>(plan, runs, is_closed, is_async));
      });
}

}  // namespace serving::backend
