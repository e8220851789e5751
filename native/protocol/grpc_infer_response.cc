// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/grpc_infer_response.h"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <variant>

#include "protocol/grpc_frame.h"
#include "protocol/pb_wire.h"
#include "tensor/data_type.h"

namespace serving::protocol {
namespace {

// Field numbers of inference.ModelInferResponse, its InferOutputTensor, the entries of its map of
// parameters with their InferParameter, and ModelStreamInferResponse.
enum ResponseField : uint32_t {
  kModelName = 1,
  kModelVersion = 2,
  kId = 3,
  kParameters = 4,
  kOutputs = 5,
  kRaw = 6
};
enum OutputField : uint32_t { kName = 1, kDataType = 2, kShape = 3 };
enum EntryField : uint32_t { kKey = 1, kValue = 2 };
enum ValueField : uint32_t { kBool = 1, kInt64 = 2, kString = 3, kDouble = 4, kUint64 = 5 };
enum StreamField : uint32_t { kErrorMessage = 1, kInferResponse = 2 };

constexpr size_t kMaxMessageBytes = INT32_MAX;
// `triton_final_response` with a bool, tag and length included.
constexpr std::string_view kFinalMarker = "triton_final_response";
constexpr size_t kFinalMarkerValueBytes = 2;

size_t DimsSize(const tensor::Shape& shape) {
  size_t size = 0;
  for (const int64_t dim : shape.dims()) size += VarintSize(static_cast<uint64_t>(dim));
  return size;
}

// Proto3 leaves empty strings out.
size_t TextSize(std::string_view text) { return text.empty() ? 0 : BytesFieldSize(text.size()); }

void PutText(WireWriter& wire, uint32_t field, std::string_view text) {
  if (!text.empty()) wire.Text(field, text);
}

struct OutputSize {
  size_t dims;
  size_t message;
};

OutputSize SizeOf(const core::OutputTensor& output, std::string_view name) {
  const size_t dims = DimsSize(output.shape);
  const size_t message = TextSize(name) + TextSize(tensor::WireName(output.data_type)) +
                         (dims == 0 ? 0 : BytesFieldSize(dims));
  return {dims, message};
}

void PutOutput(WireWriter& wire, const core::OutputTensor& output, std::string_view name) {
  const OutputSize size = SizeOf(output, name);
  wire.Head(kOutputs, size.message);
  PutText(wire, kName, name);
  PutText(wire, kDataType, tensor::WireName(output.data_type));
  if (size.dims == 0) return;
  wire.Head(kShape, size.dims);
  for (const int64_t dim : output.shape.dims()) wire.Varint(static_cast<uint64_t>(dim));
}

// InferParameter: a oneof, so the member that is set is written even where it is zero.
struct ValueSize {
  size_t operator()(bool) const { return 2; }
  size_t operator()(int64_t number) const { return 1 + VarintSize(static_cast<uint64_t>(number)); }
  size_t operator()(uint64_t number) const { return 1 + VarintSize(number); }
  size_t operator()(double) const { return 1 + sizeof(double); }
  size_t operator()(const std::string& text) const { return BytesFieldSize(text.size()); }
};

struct ValueWriter {
  WireWriter& wire;

  void operator()(bool flag) const { wire.VarintField(kBool, flag ? 1 : 0); }
  void operator()(int64_t number) const { wire.VarintField(kInt64, static_cast<uint64_t>(number)); }
  void operator()(uint64_t number) const { wire.VarintField(kUint64, number); }
  void operator()(double number) const { wire.DoubleField(kDouble, number); }
  void operator()(const std::string& text) const { wire.Text(kString, text); }
};

size_t EntrySize(std::string_view name, size_t value) {
  return BytesFieldSize(name.size()) + BytesFieldSize(value);
}

size_t ParametersSize(const core::ResponseParameters& parameters) {
  size_t size = 0;
  for (const core::ResponseParameter& parameter : parameters) {
    size += BytesFieldSize(EntrySize(parameter.name, std::visit(ValueSize{}, parameter.value)));
  }
  return size;
}

void PutParameters(WireWriter& wire, const core::ResponseParameters& parameters) {
  for (const core::ResponseParameter& parameter : parameters) {
    const size_t value = std::visit(ValueSize{}, parameter.value);
    wire.Head(kParameters, EntrySize(parameter.name, value));
    wire.Text(kKey, parameter.name);
    wire.Head(kValue, value);
    std::visit(ValueWriter{wire}, parameter.value);
  }
}

void PutPrefix(char* place, size_t length) {
  const auto prefix = WriteGrpcPrefix({false, static_cast<uint32_t>(length)});
  std::memcpy(place, prefix.data(), prefix.size());
}

base::Status TooLarge(size_t bytes) {
  return base::InvalidArgument("Response has byte size " + std::to_string(bytes) +
                               " which exceeds gRPC's byte size limit " +
                               std::to_string(kMaxMessageBytes) + ".");
}

// Everything of a ModelInferResponse before its raw contents.
class Head {
 public:
  // `marker`: value of the parameter that each response of a stream carries.
  Head(const core::ModelPlan& plan, std::string_view id, const core::InferResponse& response,
       bool has_version, const bool* marker)
      : plan_(plan), id_(id), response_(response), marker_(marker) {
    if (has_version) {
      const auto end = std::to_chars(digits_, digits_ + sizeof(digits_), plan.version).ptr;
      version_ = {digits_, static_cast<size_t>(end - digits_)};
    }
    size_ = TextSize(plan.name) + TextSize(version_) + TextSize(id);
    if (!response.parameters.empty()) size_ += ParametersSize(response.parameters);
    if (marker != nullptr) size_ += BytesFieldSize(EntrySize(kFinalMarker, kFinalMarkerValueBytes));
    for (const core::OutputTensor& output : response.outputs) {
      size_ += BytesFieldSize(SizeOf(output, NameOf(output)).message);
      raw_size_ += BytesFieldSize(output.view.size);
    }
  }

  size_t size() const { return size_; }
  size_t message_size() const { return size_ + raw_size_; }

  void Put(WireWriter& wire) const {
    PutText(wire, kModelName, plan_.name);
    PutText(wire, kModelVersion, version_);
    PutText(wire, kId, id_);
    if (!response_.parameters.empty()) PutParameters(wire, response_.parameters);
    if (marker_ != nullptr) {
      wire.Head(kParameters, EntrySize(kFinalMarker, kFinalMarkerValueBytes));
      wire.Text(kKey, kFinalMarker);
      wire.Head(kValue, kFinalMarkerValueBytes);
      wire.VarintField(kBool, *marker_ ? 1 : 0);
    }
    for (const core::OutputTensor& output : response_.outputs) {
      PutOutput(wire, output, NameOf(output));
    }
  }

 private:
  std::string_view NameOf(const core::OutputTensor& output) const {
    return plan_.outputs[output.slot].tensor.name;
  }

  const core::ModelPlan& plan_;
  const std::string_view id_;
  const core::InferResponse& response_;
  const bool* const marker_;
  char digits_[20];
  std::string_view version_;
  size_t size_ = 0;
  size_t raw_size_ = 0;
};

void AppendRawContents(const core::InferResponse& response, ResponseWriter& out) {
  for (const core::OutputTensor& output : response.outputs) {
    constexpr size_t kMaxHead = 11;
    WireWriter raw_head(out.Reserve(kMaxHead));
    raw_head.Head(kRaw, output.view.size);
    out.Commit(raw_head.at());
    out.AppendTensor({output.view.data, output.view.size}, output.owner);
  }
}

}  // namespace

base::Status WriteGrpcInferResponse(const core::ModelPlan& plan, const AnswerForm& form,
                                    const core::InferResponse& response, ResponseWriter& out) {
  const Head head(plan, form.id, response, true, nullptr);
  if (head.message_size() > kMaxMessageBytes) return TooLarge(head.message_size());
  char* place = out.Reserve(kGrpcPrefixBytes + head.size());
  PutPrefix(place, head.message_size());
  WireWriter wire(place + kGrpcPrefixBytes);
  head.Put(wire);
  out.Commit(wire.at());
  AppendRawContents(response, out);
  return {};
}

base::Status WriteGrpcStreamResponse(const core::ModelPlan& plan, const AnswerForm& form,
                                     const core::InferResponse& response, ResponseWriter& out) {
  const std::string_view error =
      response.status.ok() ? std::string_view() : std::string_view(response.status.message());
  const bool has_version = response.status.ok() && !response.is_empty_final();
  const Head head(plan, form.id, response, has_version, &response.is_final);
  const size_t before = TextSize(error) + BytesFieldSize(head.message_size()) - head.message_size();
  const size_t message = before + head.message_size();
  if (message > kMaxMessageBytes) return TooLarge(message);
  char* place = out.Reserve(kGrpcPrefixBytes + before + head.size());
  PutPrefix(place, message);
  WireWriter wire(place + kGrpcPrefixBytes);
  PutText(wire, kErrorMessage, error);
  wire.Head(kInferResponse, head.message_size());
  head.Put(wire);
  out.Commit(wire.at());
  AppendRawContents(response, out);
  return {};
}

void WriteGrpcStreamError(std::string_view message, std::string_view id, ResponseWriter& out) {
  const size_t size = TextSize(message) + BytesFieldSize(TextSize(id));
  char* place = out.Reserve(kGrpcPrefixBytes + size);
  PutPrefix(place, size);
  WireWriter wire(place + kGrpcPrefixBytes);
  PutText(wire, kErrorMessage, message);
  wire.Head(kInferResponse, TextSize(id));
  PutText(wire, kId, id);
  out.Commit(wire.at());
}

}  // namespace serving::protocol
