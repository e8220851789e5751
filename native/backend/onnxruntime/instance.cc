// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "backend/onnxruntime/instance.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "backend/onnxruntime/error.h"
#include "tensor/bytes_tensor.h"

namespace serving::backend::ort {
namespace {

constexpr size_t kLengthBytes = 4;

// Memory of the library, kept by its value until the last reader is done. The session is kept too:
// its arena owns the memory.
class ValueBuffer final : public base::Buffer {
 public:
  ValueBuffer(std::shared_ptr<const Session> session, RawValue* value, void* data, size_t bytes)
      : Buffer(static_cast<std::byte*>(data), bytes, base::MemoryKind::kHost, 0),
        session_(std::move(session)),
        value_(value) {}

 private:
  ~ValueBuffer() override { session_->api().ReleaseValue(value_); }

  const std::shared_ptr<const Session> session_;
  RawValue* const value_;
};

base::Status MemoryFull(const LoadedModel& model, const char* what) {
  return base::Unavailable(std::string("memory limit reached: no room for ") + what +
                           " of model '" + model.name + "', retry later");
}

// Releases the value at the end of its scope unless it was taken.
struct Released {
  RawValue*& value;
  const Api& api;
  ~Released() {
    if (value != nullptr) api.ReleaseValue(value);
    value = nullptr;
  }
};

}  // namespace

void OrtInstance::Execute(Batch& batch) {
  base::Status status = Run(batch);
  ReleaseValues();
  batch.Complete(
      std::move(status));  // the lease is free: nothing of the instance may be touched any more
}

base::Status OrtInstance::Run(Batch& batch) {
  RETURN_IF_ERROR(WrapInputs(batch));
  RETURN_IF_ERROR(PlaceOutputs(batch));
  const Api& api = session_->api();
  Status* const failed = api.Run(session_->raw(), nullptr, input_names_.data(),
                                 input_values_.data(), input_values_.size(), output_names_.data(),
                                 output_values_.size(), output_values_.data());
  if (failed != nullptr) {
    const Failure failure = TakeFailure(api, failed);
    if (IsFatal(failure)) batch.Poison(failure.message);
    return ToStatus(failure);
  }
  return CollectOutputs(batch);
}

base::Status OrtInstance::WrapInputs(Batch& batch) {
  for (uint32_t slot = 0; slot < model_.inputs.size(); ++slot) {
    const BatchInput& input = batch.inputs()[slot];
    if (!input.present) continue;
    const BoundTensor& tensor = model_.inputs[slot];
    tensor::Shape shape = input.shape;
    if (tensor.reshape) {
      const auto reshaped = Reshape(shape, model_.has_rows, tensor.dims, *tensor.reshape);
      if (!reshaped) {
        return base::Internal("onnxruntime: input '" + tensor.name + "' of model '" + model_.name +
                              "' has shape " + shape.ToString() + ", expected " +
                              tensor.dims.ToString());
      }
      shape = *reshaped;
    }
    ASSIGN_OR_RETURN(RawValue * value, WrapInput(batch, tensor, input, shape));
    input_names_.push_back(tensor.name.c_str());
    input_values_.push_back(value);
  }
  return {};
}

base::Result<RawValue*> OrtInstance::WrapInput(Batch& batch, const BoundTensor& tensor,
                                               const BatchInput& input,
                                               const tensor::Shape& shape) {
  if (tensor.data_type == tensor::DataType::kBytes) return MakeStrings(tensor, input, shape);
  const Api& api = session_->api();
  tensor::TensorView view = input.view;
  if (tensor.data_type == tensor::DataType::kBool) {
    ASSIGN_OR_RETURN(view, CleanBools(batch, view));
  }
  RawValue* value = nullptr;
  // The library takes the bytes as mutable and only reads inputs.
  RETURN_IF_ORT_ERROR(
      api, api.CreateTensorWithDataAsOrtValue(
               session_->library().host_memory(), const_cast<std::byte*>(view.data), view.size,
               shape.dims().data(), shape.rank(), tensor.element_type, &value));
  return value;
}

// A client may send any byte as BOOL; a C++ bool that is neither 0 nor 1 is undefined behaviour
// inside the library.
base::Result<tensor::TensorView> OrtInstance::CleanBools(Batch& batch,
                                                         const tensor::TensorView& view) {
  const std::span<const std::byte> bytes(view.data, view.size);
  if (std::ranges::all_of(bytes, [](std::byte b) { return b <= std::byte{1}; })) return view;
  base::BufferRef copy = batch.Allocate(view.size);
  if (!copy) return MemoryFull(model_, "an input");
  std::ranges::transform(bytes, copy->data(),
                         [](std::byte b) { return b == std::byte{0} ? b : std::byte{1}; });
  const tensor::TensorView clean{.data = copy->data(), .size = view.size};
  clean_bools_.push_back(std::move(copy));
  return clean;
}

base::Result<RawValue*> OrtInstance::MakeStrings(const BoundTensor& tensor, const BatchInput& input,
                                                 const tensor::Shape& shape) {
  const Api& api = session_->api();
  RawValue* value = nullptr;
  RETURN_IF_ORT_ERROR(
      api, api.CreateTensorAsOrtValue(session_->library().allocator(), shape.dims().data(),
                                      shape.rank(), tensor.element_type, &value));
  Released on_error{value, api};
  tensor::BytesReader reader({input.view.data, input.view.size});
  const auto count = static_cast<size_t>(shape.ElementCount().value_or(0));
  for (size_t i = 0; i < count; ++i) {
    const auto element = reader.Next();
    if (!element) {
      return base::Internal("onnxruntime: input '" + tensor.name + "' of model '" + model_.name +
                            "' has " + std::to_string(i) + " strings, expected " +
                            std::to_string(count));
    }
    if (element->empty()) continue;
    char* place = nullptr;
    RETURN_IF_ORT_ERROR(api,
                        api.GetResizedStringTensorElementBuffer(value, i, element->size(), &place));
    std::memcpy(place, element->data(), element->size());
  }
  return std::exchange(value, nullptr);
}

base::Status OrtInstance::PlaceOutputs(Batch& batch) {
  for (uint32_t slot = 0; slot < model_.outputs.size(); ++slot) {
    if (!batch.wants(slot)) continue;
    ASSIGN_OR_RETURN(RawValue * value, PlaceOutput(batch, slot));
    output_names_.push_back(model_.outputs[slot].name.c_str());
    output_values_.push_back(value);
    output_slots_.push_back(slot);
  }
  return {};
}

// A tensor over memory of ours where the shape is known before the run; null: the library brings
// its own.
base::Result<RawValue*> OrtInstance::PlaceOutput(Batch& batch, uint32_t slot) {
  const BoundTensor& tensor = model_.outputs[slot];
  BatchOutput& output = batch.outputs()[slot];
  output.owner.Reset();
  if (!tensor.has_fixed_shape || tensor.data_type == tensor::DataType::kBytes) {
    return static_cast<RawValue*>(nullptr);
  }
  output.data_type = tensor.data_type;
  output.shape.Clear();
  tensor::Shape shape;  // as the model writes it
  if (model_.has_rows) {
    output.shape.Append(batch.rows());
    shape.Append(batch.rows());
  }
  for (const int64_t dim : tensor.dims.dims()) output.shape.Append(dim);
  const tensor::Shape& written = tensor.reshape ? *tensor.reshape : tensor.dims;
  for (const int64_t dim : written.dims()) shape.Append(dim);
  const auto count = output.shape.ElementCount();
  size_t bytes = 0;
  if (!count || __builtin_mul_overflow(static_cast<size_t>(*count),
                                       tensor::ByteSize(tensor.data_type), &bytes)) {
    return MemoryFull(model_, "an output");
  }
  output.owner = batch.AllocateOutput(slot, bytes);
  if (!output.owner) return MemoryFull(model_, "an output");
  output.view = {.data = output.owner->data(), .size = bytes};
  const Api& api = session_->api();
  RawValue* value = nullptr;
  RETURN_IF_ORT_ERROR(api, api.CreateTensorWithDataAsOrtValue(
                               session_->library().host_memory(), output.owner->data(), bytes,
                               shape.dims().data(), shape.rank(), tensor.element_type, &value));
  return value;
}

base::Status OrtInstance::CollectOutputs(Batch& batch) {
  for (size_t i = 0; i < output_slots_.size(); ++i) {
    const uint32_t slot = output_slots_[i];
    if (batch.outputs()[slot].owner) continue;  // written in place
    RETURN_IF_ERROR(CollectOutput(batch, slot, output_values_[i]));
  }
  return {};
}

base::Status OrtInstance::CollectOutput(Batch& batch, uint32_t slot, RawValue*& value) {
  const Api& api = session_->api();
  const BoundTensor& tensor = model_.outputs[slot];
  BatchOutput& output = batch.outputs()[slot];
  TensorInfo* info = nullptr;
  RETURN_IF_ORT_ERROR(api, api.GetTensorTypeAndShape(value, &info));
  std::unique_ptr<TensorInfo, decltype(api.ReleaseTensorTypeAndShapeInfo)> owned(
      info, api.ReleaseTensorTypeAndShapeInfo);
  size_t rank = 0;
  RETURN_IF_ORT_ERROR(api, api.GetDimensionsCount(info, &rank));
  int64_t dims[tensor::Shape::kMaxRank];
  if (rank > tensor::Shape::kMaxRank) {
    return base::Internal("onnxruntime: output '" + tensor.name + "' of model '" + model_.name +
                          "' has " + std::to_string(rank) + " dimensions");
  }
  RETURN_IF_ORT_ERROR(api, api.GetDimensions(info, dims, rank));
  output.data_type = tensor.data_type;
  output.shape = tensor::Shape(std::span<const int64_t>(dims, rank));
  if (tensor.reshape) {
    const auto shape = Reshape(output.shape, model_.has_rows, *tensor.reshape, tensor.dims);
    if (!shape) {
      return base::Internal("onnxruntime: output '" + tensor.name + "' of model '" + model_.name +
                            "' has shape " + output.shape.ToString() + ", expected " +
                            tensor.reshape->ToString());
    }
    output.shape = *shape;
  }
  const auto count = static_cast<size_t>(output.shape.ElementCount().value_or(0));
  if (tensor.data_type == tensor::DataType::kBytes) {
    return CollectStrings(batch, output, value, count);
  }
  void* data = nullptr;
  RETURN_IF_ORT_ERROR(api, api.GetTensorMutableData(value, &data));
  const size_t bytes = count * tensor::ByteSize(tensor.data_type);
  output.owner = base::MakeRef<ValueBuffer>(session_, std::exchange(value, nullptr), data, bytes);
  output.view = {.data = static_cast<const std::byte*>(data), .size = bytes};
  return {};
}

// The library gives all texts without a gap and where each begins. They are fetched to the end of
// the output and moved to their places front to back: a text never moves past one that is still to
// be read.
base::Status OrtInstance::CollectStrings(Batch& batch, BatchOutput& output, const RawValue* value,
                                         size_t count) {
  const Api& api = session_->api();
  size_t text_bytes = 0;
  RETURN_IF_ORT_ERROR(api, api.GetStringTensorDataLength(value, &text_bytes));
  const size_t lengths_bytes = kLengthBytes * count;
  output.owner = batch.Allocate(lengths_bytes + text_bytes);
  if (!output.owner) return MemoryFull(model_, "an output");
  std::byte* const data = output.owner->data();
  std::byte* const texts = data + lengths_bytes;
  output.view = {.data = data, .size = lengths_bytes + text_bytes};
  if (count == 0) return {};
  offsets_.resize(count + 1);
  RETURN_IF_ORT_ERROR(api,
                      api.GetStringTensorContent(value, texts, text_bytes, offsets_.data(), count));
  offsets_[count] = text_bytes;
  std::byte* out = data;
  for (size_t i = 0; i < count; ++i) {
    const size_t size = offsets_[i + 1] - offsets_[i];
    if (size > UINT32_MAX) {
      return base::Internal("onnxruntime: a string of model '" + model_.name +
                            "' is longer than 4 GiB");
    }
    const auto length = static_cast<uint32_t>(size);
    std::memmove(out + kLengthBytes, texts + offsets_[i], size);
    std::memcpy(out, &length, kLengthBytes);
    out += kLengthBytes + size;
  }
  return {};
}

void OrtInstance::ReleaseValues() {
  const Api& api = session_->api();
  for (RawValue* value : input_values_) api.ReleaseValue(value);
  for (RawValue* value : output_values_) {
    if (value != nullptr) api.ReleaseValue(value);
  }
  clean_bools_.clear();
  input_names_.clear();
  input_values_.clear();
  output_names_.clear();
  output_values_.clear();
  output_slots_.clear();
}

}  // namespace serving::backend::ort
