// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/grpc_contents.h"

#include <array>
#include <cstdint>
#include <cstring>

#include "protocol/pb_wire.h"
#include "protocol/request_parts.h"
#include "tensor/data_type.h"

namespace serving::protocol {
namespace {

using tensor::DataType;

constexpr uint32_t kContentsField = 5;  // of InferInputTensor
constexpr uint32_t kFirstField = 1;     // bool_contents
constexpr uint32_t kFp32Field = 6;
constexpr uint32_t kFp64Field = 7;
constexpr uint32_t kBytesField = 8;

// The type that Triton calls a field by in its errors.
constexpr std::array<std::string_view, 9> kFieldTypes{"",       "BOOL", "INT32", "INT64", "UINT32",
                                                      "UINT64", "FP32", "FP64",  "BYTES"};

// The field that holds elements of this type; 0 for types that have none.
uint32_t FieldOf(DataType type) {
  switch (type) {
    case DataType::kBool:
      return 1;
    case DataType::kInt8:
    case DataType::kInt16:
    case DataType::kInt32:
      return 2;
    case DataType::kInt64:
      return 3;
    case DataType::kUint8:
    case DataType::kUint16:
    case DataType::kUint32:
      return 4;
    case DataType::kUint64:
      return 5;
    case DataType::kFp32:
      return 6;
    case DataType::kFp64:
      return 7;
    case DataType::kBytes:
      return 8;
    case DataType::kFp16:
    case DataType::kBf16:
      return 0;
  }
  return 0;
}

// Wire type of one unpacked element.
WireType ElementWireType(uint32_t field) {
  if (field == kFp32Field) return WireType::kFixed32;
  if (field == kFp64Field) return WireType::kFixed64;
  if (field == kBytesField) return WireType::kBytes;
  return WireType::kVarint;
}

// Calls `visitor` for the elements of a well-formed InferTensorContents in wire order:
// Varint(field, value), Fixed(field, bytes) with 4 or 8 bytes an element, Text(bytes). False as
// soon as the message is malformed.
template <typename Visitor>
bool VisitContents(std::span<const std::byte> message, Visitor& visitor) {
  WireReader wire(message);
  while (!wire.AtEnd()) {
    const auto tag = wire.ReadTag();
    if (!tag) return false;
    const bool known = tag->field >= kFirstField && tag->field <= kBytesField;
    if (!known || (tag->type != WireType::kBytes && tag->type != ElementWireType(tag->field))) {
      if (!wire.Skip(*tag)) return false;
    } else if (tag->type == WireType::kVarint) {
      const auto value = wire.ReadVarint();
      if (!value) return false;
      visitor.Varint(tag->field, *value);
    } else if (tag->type == WireType::kFixed32) {
      const auto value = wire.ReadFixed<std::array<std::byte, 4>>();
      if (!value) return false;
      visitor.Fixed(tag->field, *value);
    } else if (tag->type == WireType::kFixed64) {
      const auto value = wire.ReadFixed<std::array<std::byte, 8>>();
      if (!value) return false;
      visitor.Fixed(tag->field, *value);
    } else {
      const auto bytes = wire.ReadBytes();
      if (!bytes) return false;
      if (tag->field == kBytesField) {
        visitor.Text(*bytes);
      } else if (tag->field == kFp32Field || tag->field == kFp64Field) {
        if (bytes->size() % (tag->field == kFp32Field ? 4 : 8) != 0) return false;
        visitor.Fixed(tag->field, *bytes);
      } else {
        for (WireReader packed(*bytes); !packed.AtEnd();) {
          const auto value = packed.ReadVarint();
          if (!value) return false;
          visitor.Varint(tag->field, *value);
        }
      }
    }
  }
  return true;
}

struct Counter {
  std::array<size_t, 9> elements{};
  size_t fixed_bytes = 0;  // of the last fixed field seen; used only when it is the sole one
  size_t text_bytes = 0;   // with the 4-byte lengths

  void Varint(uint32_t field, uint64_t) { ++elements[field]; }
  void Fixed(uint32_t field, std::span<const std::byte> bytes) {
    if (!bytes.empty()) ++elements[field];
    fixed_bytes += bytes.size();
  }
  void Text(std::span<const std::byte> bytes) {
    ++elements[kBytesField];
    text_bytes += sizeof(uint32_t) + bytes.size();
  }
};

// Puts elements of one field at `out`, `width` bytes each.
struct Filler {
  std::byte* out;
  size_t width;
  bool is_bool;

  void Varint(uint32_t, uint64_t value) {
    if (is_bool) value = value != 0;
    std::memcpy(out, &value, width);
    out += width;
  }
  void Fixed(uint32_t, std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    std::memcpy(out, bytes.data(), bytes.size());
    out += bytes.size();
  }
  void Text(std::span<const std::byte> bytes) {
    const auto length = static_cast<uint32_t>(bytes.size());
    std::memcpy(out, &length, sizeof(length));
    out += sizeof(length);
    Fixed(kBytesField, bytes);
  }
};

template <typename Visitor>
void VisitTensor(std::span<const std::byte> tensor, Visitor& visitor) {
  WireReader wire(tensor);
  while (!wire.AtEnd()) {
    const auto tag = wire.ReadTag();
    if (!tag) return;
    if (tag->Is(kContentsField, WireType::kBytes)) {
      const auto contents = wire.ReadBytes();
      if (!contents || !VisitContents(*contents, visitor)) return;
    } else if (!wire.Skip(*tag)) {
      return;
    }
  }
}

std::string Subject(const core::InputTensor& input, const core::InferRequest& request) {
  return Join({"unexpected explicit tensor data for input tensor '", input.name, "' for model '",
               request.model_name, "'"});
}

// The one field that holds elements, 0 when none does; errors in Triton's order, which is that of
// the fields.
base::Result<uint32_t> OnlyField(const Counter& counter, const core::InputTensor& input,
                                 const core::InferRequest& request) {
  const bool type_known = input.data_type_name == tensor::WireName(input.data_type);
  const uint32_t expected = type_known ? FieldOf(input.data_type) : 0;
  uint32_t found = 0;
  for (uint32_t field = kFirstField; field <= kBytesField; ++field) {
    if (counter.elements[field] == 0) continue;
    if (found != 0) {
      return base::InvalidArgument(
          Join({Subject(input, request), ", binary data was already supplied."}));
    }
    if (field != expected) {
      return base::InvalidArgument(Join({Subject(input, request), " of type '", kFieldTypes[field],
                                         "', expected datatype '", input.data_type_name, "'"}));
    }
    found = field;
  }
  return found;
}

}  // namespace

bool IsTensorContents(std::span<const std::byte> message) {
  struct Nothing {
    void Varint(uint32_t, uint64_t) {}
    void Fixed(uint32_t, std::span<const std::byte>) {}
    void Text(std::span<const std::byte>) {}
  } nothing;
  return VisitContents(message, nothing);
}

base::Status TakeTypedContents(std::span<const std::byte> tensor, size_t input,
                               base::BufferAllocator& allocator, core::InferRequest& request) {
  const DataType type = request.inputs[input].data_type;
  Counter counter;
  VisitTensor(tensor, counter);
  ASSIGN_OR_RETURN(const uint32_t field, OnlyField(counter, request.inputs[input], request));
  if (field == 0) return {};
  // Elements are at least a byte each on the wire, so this is at most 8 times the message.
  const size_t width = tensor::ByteSize(type);
  size_t size = counter.elements[field] * width;
  if (field == kFp32Field || field == kFp64Field) size = counter.fixed_bytes;
  if (field == kBytesField) size = counter.text_bytes;
  base::BufferRef buffer = allocator.Allocate(size);
  if (!buffer) return OutOfMemory(size);
  Filler filler{buffer->data(), width, type == DataType::kBool};
  VisitTensor(tensor, filler);
  AddPart(request.inputs[input], buffer->data(), size);
  request.kept.push_back(std::move(buffer));
  return {};
}

}  // namespace serving::protocol
