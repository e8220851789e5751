// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/json_tensor.h"

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "protocol/json_number.h"
#include "tensor/real16.h"

namespace serving::protocol {
namespace {

using base::InvalidArgument;
using base::Status;
using tensor::DataType;

// Calls `read(at, end, index)` for each scalar of an array and its nested arrays; it returns the
// scalar's end or null.
template <typename Read>
const char* ReadNested(const char* at, const char* end, size_t count, Read&& read) {
  int depth = 0;
  size_t index = 0;
  for (;;) {
    at = SkipJsonSpace(at, end);
    if (at == end) return nullptr;
    if (*at == '[') {
      if (++depth > kMaxJsonDepth) return nullptr;
      at = SkipJsonSpace(at + 1, end);
      if (at == end) return nullptr;
      if (*at != ']') continue;
    } else {
      if (depth == 0 || index == count) return nullptr;
      at = read(at, end, index++);
      if (at == nullptr) return nullptr;
    }
    for (;;) {
      at = SkipJsonSpace(at, end);
      if (at == end) return nullptr;
      if (*at == ',') break;
      if (*at != ']') return nullptr;
      ++at;
      if (--depth == 0) return index == count ? at : nullptr;
    }
    ++at;
    // A trailing comma is left to the checking reader.
    at = SkipJsonSpace(at, end);
    if (at == end || *at == ']') return nullptr;
  }
}

template <typename T>
void Store(std::byte* out, size_t index, T value) {
  std::memcpy(out + index * sizeof(T), &value, sizeof(T));
}

template <typename T>
const char* ReadSigned(const char* at, const char* end, size_t count, std::byte* out) {
  return ReadNested(at, end, count, [out](const char* from, const char* to, size_t index) {
    int64_t value;
    from = ReadSignedFast(from, to, value);
    if (from != nullptr) Store(out, index, static_cast<T>(value));
    return from;
  });
}

template <typename T>
const char* ReadUnsigned(const char* at, const char* end, size_t count, std::byte* out) {
  return ReadNested(at, end, count, [out](const char* from, const char* to, size_t index) {
    uint64_t value;
    from = ReadUnsignedFast(from, to, value);
    if (from != nullptr) Store(out, index, static_cast<T>(value));
    return from;
  });
}

template <typename T>
const char* ReadReal(const char* at, const char* end, size_t count, std::byte* out) {
  return ReadNested(at, end, count, [out](const char* from, const char* to, size_t index) {
    double value;
    from = ReadRealFast(from, to, value);
    if (from != nullptr) Store(out, index, static_cast<T>(value));
    return from;
  });
}

const char* ReadBools(const char* at, const char* end, size_t count, std::byte* out) {
  return ReadNested(at, end, count, [out](const char* from, const char* to, size_t index) {
    const std::string_view rest(from, static_cast<size_t>(to - from));
    const bool value = rest.starts_with("true");
    if (!value && !rest.starts_with("false")) return static_cast<const char*>(nullptr);
    Store(out, index, static_cast<uint8_t>(value));
    return from + (value ? 4 : 5);
  });
}

// The checked scalar, string or object that begins at `at`.
JsonValue ElementAt(const char* at, const char* end) {
  JsonValue value{at, at};
  if (*at == '"' || *at == '{') {
    JsonCursor cursor({at, static_cast<size_t>(end - at)});
    cursor.SkipValue(value);
  } else {
    while (value.end != end && std::memchr(",] \t\n\r", *value.end, 6) == nullptr) ++value.end;
  }
  return value;
}

// The scalars of a checked array in order, whatever the nesting.
class Elements {
 public:
  explicit Elements(const JsonValue& data) : at_(data.begin), end_(data.end) {}

  std::optional<JsonValue> Next() {
    while (at_ != end_ && std::memchr("[], \t\n\r", *at_, 7) != nullptr) ++at_;
    if (at_ == end_) return std::nullopt;
    const JsonValue element = ElementAt(at_, end_);
    at_ = element.end;
    return element;
  }

 private:
  const char* at_;
  const char* end_;
};

Status NotA(std::string_view what) {
  return InvalidArgument(
      std::string("Unable to parse 'data': attempt to access JSON ").append(what));
}

template <typename T, typename From>
Status StoreNumber(const std::optional<From>& number, std::byte* out, size_t index,
                   std::string_view wrong) {
  if (!number) return NotA(wrong);
  Store(out, index, static_cast<T>(*number));
  return {};
}

Status StoreBool(std::string_view text, std::byte* out, size_t index) {
  if (text != "true" && text != "false") return NotA("non-boolean as boolean");
  Store(out, index, static_cast<uint8_t>(text == "true"));
  return {};
}

Status StoreElement(std::string_view text, DataType type, std::byte* out, size_t index) {
  constexpr std::string_view kSigned = "non-signed-integer as signed-integer";
  constexpr std::string_view kUnsigned = "non-unsigned-integer as unsigned-integer";
  constexpr std::string_view kReal = "non-number as double";
  if (type == DataType::kBool) return StoreBool(text, out, index);
  const std::optional<JsonNumber> number = ReadJsonNumber(text);
  switch (type) {
    case DataType::kUint8:
      return StoreNumber<uint8_t>(AsUnsigned(number), out, index, kUnsigned);
    case DataType::kUint16:
      return StoreNumber<uint16_t>(AsUnsigned(number), out, index, kUnsigned);
    case DataType::kUint32:
      return StoreNumber<uint32_t>(AsUnsigned(number), out, index, kUnsigned);
    case DataType::kUint64:
      return StoreNumber<uint64_t>(AsUnsigned(number), out, index, kUnsigned);
    case DataType::kInt8:
      return StoreNumber<int8_t>(AsSigned(number), out, index, kSigned);
    case DataType::kInt16:
      return StoreNumber<int16_t>(AsSigned(number), out, index, kSigned);
    case DataType::kInt32:
      return StoreNumber<int32_t>(AsSigned(number), out, index, kSigned);
    case DataType::kInt64:
      return StoreNumber<int64_t>(AsSigned(number), out, index, kSigned);
    case DataType::kFp32:
      return StoreNumber<float>(AsReal(number), out, index, kReal);
    case DataType::kFp64:
      return StoreNumber<double>(AsReal(number), out, index, kReal);
    case DataType::kFp16:
      return StoreNumber<tensor::Fp16>(AsReal(number), out, index, kReal);
    case DataType::kBf16:
      return StoreNumber<tensor::Bf16>(AsReal(number), out, index, kReal);
    case DataType::kBool:
    case DataType::kBytes:
      break;
  }
  return base::Internal("a tensor of this type has no numbers in JSON");
}

}  // namespace

const char* ReadJsonTensorFast(const char* at, const char* end, DataType type, size_t count,
                               std::byte* out) {
  switch (type) {
    case DataType::kBool:
      return ReadBools(at, end, count, out);
    case DataType::kUint8:
      return ReadUnsigned<uint8_t>(at, end, count, out);
    case DataType::kUint16:
      return ReadUnsigned<uint16_t>(at, end, count, out);
    case DataType::kUint32:
      return ReadUnsigned<uint32_t>(at, end, count, out);
    case DataType::kUint64:
      return ReadUnsigned<uint64_t>(at, end, count, out);
    case DataType::kInt8:
      return ReadSigned<int8_t>(at, end, count, out);
    case DataType::kInt16:
      return ReadSigned<int16_t>(at, end, count, out);
    case DataType::kInt32:
      return ReadSigned<int32_t>(at, end, count, out);
    case DataType::kInt64:
      return ReadSigned<int64_t>(at, end, count, out);
    case DataType::kFp32:
      return ReadReal<float>(at, end, count, out);
    case DataType::kFp64:
      return ReadReal<double>(at, end, count, out);
    case DataType::kFp16:
      return ReadReal<tensor::Fp16>(at, end, count, out);
    case DataType::kBf16:
      return ReadReal<tensor::Bf16>(at, end, count, out);
    case DataType::kBytes:
      return nullptr;
  }
  return nullptr;
}

Status ReadJsonTensor(const JsonValue& data, DataType type, size_t count, std::byte* out) {
  Elements elements(data);
  size_t index = 0;
  while (const auto element = elements.Next()) {
    if (index == count) break;
    RETURN_IF_ERROR(StoreElement(element->text(), type, out, index++));
    if (index == count && !elements.Next()) return {};
  }
  return InvalidArgument("Unable to parse 'data': Shape does not match true shape of 'data' field");
}

base::Result<size_t> ReadJsonBytes(const JsonValue& data, std::byte* out) {
  char* place = reinterpret_cast<char*>(out);
  Elements elements(data);
  while (const auto element = elements.Next()) {
    if (!element->is_string()) {
      return InvalidArgument(
          "Unable to parse JSON bytes array: attempt to access JSON non-string as string");
    }
    char* end = DecodeJsonString(*element, place + sizeof(uint32_t));
    const auto length = static_cast<uint32_t>(end - place - sizeof(uint32_t));
    std::memcpy(place, &length, sizeof(length));
    place = end;
  }
  return static_cast<size_t>(place - reinterpret_cast<char*>(out));
}

}  // namespace serving::protocol
