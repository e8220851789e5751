// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/grpc_infer_response.h"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "protocol/grpc_frame.h"
#include "protocol/pb_wire.h"
#include "tensor/data_type.h"

namespace serving::protocol {
namespace {

// Field numbers of inference.ModelInferResponse and its InferOutputTensor.
enum ResponseField : uint32_t {
  kModelName = 1,
  kModelVersion = 2,
  kId = 3,
  kOutputs = 5,
  kRaw = 6
};
enum OutputField : uint32_t { kName = 1, kDataType = 2, kShape = 3 };

constexpr size_t kMaxMessageBytes = INT32_MAX;

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

void PutPrefix(char* place, size_t length) {
  const auto prefix = WriteGrpcPrefix({false, static_cast<uint32_t>(length)});
  std::memcpy(place, prefix.data(), prefix.size());
}

}  // namespace

base::Status WriteGrpcInferResponse(const core::ModelPlan& plan, const AnswerForm& form,
                                    const core::InferResponse& response, ResponseWriter& out) {
  char digits[20];
  const auto version_end = std::to_chars(digits, digits + sizeof(digits), plan.version).ptr;
  const std::string_view version(digits, static_cast<size_t>(version_end - digits));

  size_t head = TextSize(plan.name) + TextSize(version) + TextSize(form.id);
  size_t raw = 0;
  for (const core::OutputTensor& output : response.outputs) {
    head += BytesFieldSize(SizeOf(output, plan.outputs[output.slot].tensor.name).message);
    raw += BytesFieldSize(output.view.size);
  }
  if (head + raw > kMaxMessageBytes) {
    return base::InvalidArgument("Response has byte size " + std::to_string(head + raw) +
                                 " which exceeds gRPC's byte size limit " +
                                 std::to_string(kMaxMessageBytes) + ".");
  }

  char* place = out.Reserve(kGrpcPrefixBytes + head);
  PutPrefix(place, head + raw);
  WireWriter wire(place + kGrpcPrefixBytes);
  PutText(wire, kModelName, plan.name);
  PutText(wire, kModelVersion, version);
  PutText(wire, kId, form.id);
  for (const core::OutputTensor& output : response.outputs) {
    PutOutput(wire, output, plan.outputs[output.slot].tensor.name);
  }
  out.Commit(wire.at());
  for (const core::OutputTensor& output : response.outputs) {
    constexpr size_t kMaxHead = 11;
    WireWriter raw_head(out.Reserve(kMaxHead));
    raw_head.Head(kRaw, output.view.size);
    out.Commit(raw_head.at());
    out.AppendTensor({output.view.data, output.view.size}, output.owner);
  }
  return {};
}

}  // namespace serving::protocol
