// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/grpc_infer_request.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/grpc_contents.h"
#include "protocol/grpc_parameters.h"
#include "protocol/pb_wire.h"
#include "protocol/region_tensor.h"
#include "protocol/request_parts.h"
#include "protocol/utf8.h"
#include "tensor/data_type.h"

namespace serving::protocol {
namespace {

using base::InvalidArgument;
using base::Status;
using Bytes = std::span<const std::byte>;

// Field numbers of inference.ModelInferRequest and its tensors.
enum RequestField : uint32_t {
  kModelName = 1,
  kModelVersion = 2,
  kId = 3,
  kParameters = 4,
  kInputs = 5,
  kOutputs = 6,
  kRaw = 7
};
enum InputField : uint32_t {
  kName = 1,
  kDataType = 2,
  kShape = 3,
  kInputParameters = 4,
  kContents = 5
};
enum OutputField : uint32_t { kOutputName = 1, kOutputParameters = 2 };

struct RegionInput {
  size_t input;
  RegionRange range;
};

std::string_view AsText(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Keeps the first error of a kind.
void Note(Status& kept, Status found) {
  if (kept.ok() && !found.ok()) kept = std::move(found);
}

// Reads the message once, front to back. Whether it is protobuf at all is known only at its end,
// and Triton reports parameters before inputs before outputs wherever they stand, so errors of
// meaning wait in one slot a kind.
//
// A second pass joins inputs with their data where the first could not: typed contents, raw
// contents that stand in front of the input they belong to, and shared memory, which takes no raw
// contents.
class RequestReader {
 public:
  RequestReader(Bytes message, base::BufferAllocator& allocator, core::InferRequest& request,
                core::RegionSource* regions)
      : message_(message), allocator_(allocator), request_(request), regions_(regions) {}

  Status Read() {
    if (!ReadFields()) return base::Internal("Unable to parse request");
    if (!parameter_error_.ok()) return std::move(parameter_error_);
    if (!input_error_.ok()) return std::move(input_error_);
    const bool needs_joining = has_contents_ || raw_before_input_ || !region_inputs_.empty();
    RETURN_IF_ERROR(needs_joining ? JoinData() : CheckRawCount());
    return std::move(output_error_);
  }

 private:
  bool ReadFields() {
    WireReader wire(message_);
    while (!wire.AtEnd()) {
      const auto tag = wire.ReadTag();
      if (!tag) return false;
      if (tag->type != WireType::kBytes || tag->field > kRaw) {
        if (!wire.Skip(*tag)) return false;
        continue;
      }
      const auto bytes = wire.ReadBytes();
      if (!bytes || !TakeField(tag->field, *bytes)) return false;
    }
    return true;
  }

  bool TakeField(uint32_t field, Bytes bytes) {
    switch (field) {
      case kModelName:
        return TakeText(bytes, request_.model_name);
      case kModelVersion:
        return TakeText(bytes, request_.model_version);
      case kId:
        return TakeText(bytes, request_.id);
      case kParameters:
        return TakeParameter(bytes);
      case kInputs:
        return TakeInput(bytes);
      case kOutputs:
        return TakeOutput(bytes);
      case kRaw:
        TakeRaw(bytes);
        return true;
      default:
        return true;
    }
  }

  static bool TakeText(Bytes bytes, std::string_view& text) {
    text = AsText(bytes);
    return IsUtf8(text);
  }

  bool TakeParameter(Bytes entry) {
    const auto parameter = ReadGrpcParameter(entry);
    if (!parameter) return false;
    Note(parameter_error_, TakeRequestParameter(*parameter, request_));
    return true;
  }

  bool TakeInput(Bytes bytes) {
    if (request_.inputs.size() < kMaxTensors) return ReadInput(bytes, request_.AddInput());
    Note(input_error_, TooManyOf("inputs", kMaxTensors));
    core::InputTensor discarded;
    return ReadInput(bytes, discarded);
  }

  bool ReadInput(Bytes bytes, core::InputTensor& input) {
    bool has_parameters = false;
    WireReader wire(bytes);
    while (!wire.AtEnd()) {
      const auto tag = wire.ReadTag();
      if (!tag) return false;
      if (tag->Is(kShape, WireType::kVarint)) {
        const auto dim = wire.ReadVarint();
        if (!dim) return false;
        AddDim(input, *dim);
        continue;
      }
      if (tag->type != WireType::kBytes || tag->field > kContents) {
        if (!wire.Skip(*tag)) return false;
        continue;
      }
      const auto value = wire.ReadBytes();
      if (!value) return false;
      switch (tag->field) {
        case kName:
          if (!TakeText(*value, input.name)) return false;
          break;
        case kDataType:
          if (!TakeText(*value, input.data_type_name)) return false;
          break;
        case kShape:
          if (!ReadPackedShape(*value, input)) return false;
          break;
        case kInputParameters:
          if (!ReadGrpcParameter(*value)) return false;
          has_parameters = true;
          break;
        case kContents:
          if (!IsTensorContents(*value)) return false;
          has_contents_ = true;
          break;
      }
    }
    SetDataType(input);
    if (has_parameters) Note(input_error_, TakeInputParameters(bytes, input));
    return true;
  }

  Status TakeInputParameters(Bytes bytes, const core::InputTensor& input) {
    ASSIGN_OR_RETURN(const auto range,
                     ReadTensorParameters(bytes, kInputParameters, input.name, nullptr));
    if (!range) return {};
    region_inputs_.push_back({request_.inputs.size() - 1, *range});
    return {};
  }

  Status TakeOutputParameters(Bytes bytes, core::WantedOutput& output) {
    ASSIGN_OR_RETURN(const auto range,
                     ReadTensorParameters(bytes, kOutputParameters, output.name, &output));
    if (!range) return {};
    if (output.classification != 0) {
      return InvalidArgument("output can't set both 'shared_memory_region' and 'classification'");
    }
    return TakeOutputRegion(regions_, *range, output, request_);
  }

  bool ReadPackedShape(Bytes packed, core::InputTensor& input) {
    for (WireReader wire(packed); !wire.AtEnd();) {
      const auto dim = wire.ReadVarint();
      if (!dim) return false;
      AddDim(input, *dim);
    }
    return true;
  }

  void AddDim(core::InputTensor& input, uint64_t dim) {
    if (input.shape.Append(static_cast<int64_t>(dim))) return;
    Note(input_error_,
         InvalidArgument(
             Join({"input '", input.name, "' for model '", request_.model_name, "' has more than ",
                   std::to_string(tensor::Shape::kMaxRank), " dimensions"})));
  }

  // Whether a datatype fits is held against the plan later; an unknown name goes there as Triton
  // calls it.
  static void SetDataType(core::InputTensor& input) {
    if (const auto type = tensor::ParseWireName(input.data_type_name)) {
      input.data_type = *type;
    } else {
      input.data_type_name = core::kInvalidDataTypeName;
    }
  }

  // A second walk over a tensor that has parameters: their errors name the tensor, whose name may
  // come last.
  base::Result<std::optional<RegionRange>> ReadTensorParameters(Bytes tensor, uint32_t field,
                                                                std::string_view name,
                                                                core::WantedOutput* output) const {
    TensorParameters parameters;
    for (WireReader wire(tensor); !wire.AtEnd();) {
      const auto tag = wire.ReadTag();
      if (!tag) break;
      if (!tag->Is(field, WireType::kBytes)) {
        if (!wire.Skip(*tag)) break;
        continue;
      }
      const auto entry = wire.ReadBytes();
      const auto parameter = entry ? ReadGrpcParameter(*entry) : std::nullopt;
      if (parameter) RETURN_IF_ERROR(parameters.Take(*parameter, name, output));
    }
    return parameters.Finish(name, regions_ != nullptr);
  }

  bool TakeOutput(Bytes bytes) {
    core::WantedOutput output;
    bool has_parameters = false;
    WireReader wire(bytes);
    while (!wire.AtEnd()) {
      const auto tag = wire.ReadTag();
      if (!tag) return false;
      if (tag->type != WireType::kBytes || tag->field > kOutputParameters) {
        if (!wire.Skip(*tag)) return false;
        continue;
      }
      const auto value = wire.ReadBytes();
      if (!value) return false;
      if (tag->field == kOutputName) {
        if (!TakeText(*value, output.name)) return false;
      } else if (tag->field == kOutputParameters) {
        if (!ReadGrpcParameter(*value)) return false;
        has_parameters = true;
      }
    }
    if (has_parameters) Note(output_error_, TakeOutputParameters(bytes, output));
    if (request_.wanted.size() < kMaxTensors) {
      request_.wanted.push_back(std::move(output));
    } else {
      Note(output_error_, TooManyOf("outputs", kMaxTensors));
    }
    return true;
  }

  void TakeRaw(Bytes bytes) {
    if (raw_count_ < request_.inputs.size()) {
      AddPart(request_.inputs[raw_count_], bytes.data(), bytes.size());
    } else {
      raw_before_input_ = true;  // or beyond the last input, which Triton ignores
    }
    ++raw_count_;
  }

  Status NoData(size_t input) const {
    return InvalidArgument(
        Join({"unable to find data for input tensor '", request_.inputs[input].name,
              "' for model '", request_.model_name, "' in request."}));
  }

  Status CheckRawCount() const {
    if (raw_count_ < request_.inputs.size()) return NoData(raw_count_);
    return {};
  }

  Status JoinData() {
    for (core::InputTensor& input : request_.inputs) {
      input.parts.clear();
      input.byte_size = 0;
    }
    size_t input = 0;
    size_t raw_input = 0;
    for (WireReader wire(message_); !wire.AtEnd();) {
      const auto tag = wire.ReadTag();
      if (!tag) break;
      if (tag->Is(kRaw, WireType::kBytes)) {
        const auto bytes = wire.ReadBytes();
        while (RangeOf(raw_input) != nullptr) ++raw_input;
        if (bytes && raw_input < request_.inputs.size())
          AddPart(request_.inputs[raw_input], bytes->data(), bytes->size());
        ++raw_input;
      } else if (tag->Is(kInputs, WireType::kBytes)) {
        const auto bytes = wire.ReadBytes();
        if (bytes) RETURN_IF_ERROR(JoinInput(input++, *bytes));
      } else if (!wire.Skip(*tag)) {
        break;
      }
    }
    return {};
  }

  Status JoinInput(size_t input, Bytes tensor) {
    const bool is_typed = HasContents(tensor);
    if (const RegionRange* range = RangeOf(input)) {
      if (is_typed) {
        return InvalidArgument(
            Join({"unexpected 'content' provided when using shared memory for input tensor '",
                  request_.inputs[input].name, "' for model '", request_.model_name, "'"}));
      }
      return TakeInputRegion(regions_, *range, allocator_, request_.inputs[input], request_);
    }
    if (raw_count_ == 0) {
      if (!is_typed) return NoData(input);
      return TakeTypedContents(tensor, input, allocator_, request_);
    }
    if (is_typed) {
      return InvalidArgument(
          Join({"contents field must not be specified when using "
                "raw_input_contents for '",
                request_.inputs[input].name, "' for model '", request_.model_name, "'"}));
    }
    if (raw_taken_++ >= raw_count_) return NoData(input);
    return {};
  }

  // Where an input lies in shared memory, or null.
  const RegionRange* RangeOf(size_t input) const {
    const auto found = std::ranges::lower_bound(region_inputs_, input, {}, &RegionInput::input);
    return found != region_inputs_.end() && found->input == input ? &found->range : nullptr;
  }

  static bool HasContents(Bytes tensor) {
    for (WireReader wire(tensor); !wire.AtEnd();) {
      const auto tag = wire.ReadTag();
      if (!tag) return false;
      if (tag->Is(kContents, WireType::kBytes)) return true;
      if (!wire.Skip(*tag)) return false;
    }
    return false;
  }

  const Bytes message_;
  base::BufferAllocator& allocator_;
  core::InferRequest& request_;
  core::RegionSource* const regions_;
  std::vector<RegionInput> region_inputs_;  // by input, ascending
  size_t raw_count_ = 0;
  size_t raw_taken_ = 0;  // inputs that JoinData has found raw contents for
  bool raw_before_input_ = false;
  bool has_contents_ = false;
  Status parameter_error_;
  Status input_error_;
  Status output_error_;
};

}  // namespace

Status ReadGrpcInferRequest(std::span<const std::byte> message, base::BufferAllocator& allocator,
                            core::InferRequest& request, core::RegionSource* regions) {
  return RequestReader(message, allocator, request, regions).Read();
}

}  // namespace serving::protocol
