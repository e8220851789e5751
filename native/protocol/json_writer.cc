// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/json_writer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "protocol/utf8.h"
#include "tensor/bytes_tensor.h"

namespace serving::protocol {
namespace {

using tensor::DataType;

char* Copy(std::string_view text, char* out) {
  std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

template <typename T>
char* WriteReal(T value, char* out) {
  if (std::isnan(value)) return Copy("NaN", out);
  if (std::isinf(value)) return Copy(value < 0 ? "-Infinity" : "Infinity", out);
  if (std::abs(value) < T{1 << 24} && value == static_cast<T>(static_cast<int32_t>(value))) {
    // The general writer is slowest on whole numbers.
    if (std::signbit(value)) *out++ = '-';
    const auto whole = static_cast<uint32_t>(std::abs(static_cast<int32_t>(value)));
    return Copy(".0", std::to_chars(out, out + kMaxNumberChars, whole).ptr);
  }
  char* end = std::to_chars(out, out + kMaxNumberChars, value).ptr;
  for (const char* c = out; c != end; ++c) {
    if (*c == '.' || *c == 'e') return end;
  }
  // A reader that tells integers from reals by their looks still sees a real.
  return Copy(".0", end);
}

// A real of 16 bits: at most five digits tell any two apart.
template <typename T>
char* WriteReal16(T real, char* out) {
  const auto value = static_cast<float>(real);
  constexpr float kEveryWholeNumber = 1 << 11;
  if (!std::isfinite(value) || std::abs(value) < kEveryWholeNumber) {
    if (!std::isfinite(value) || value == std::trunc(value)) return WriteReal(value, out);
  }
  for (int digits = 1;; ++digits) {
    char* end =
        std::to_chars(out, out + kMaxNumberChars, value, std::chars_format::general, digits).ptr;
    double read = 0;
    std::from_chars(out, end, read);
    if (T(read).bits != real.bits && digits < 5) continue;
    for (const char* c = out; c != end; ++c) {
      if (*c == '.' || *c == 'e') return end;
    }
    return Copy(".0", end);
  }
}

// Elements between two looks at the writer's room.
constexpr size_t kChunk = 64;

// `width` is the most characters that one element takes, without the comma.
template <typename T, typename Write>
void AppendList(ResponseWriter& out, std::span<const std::byte> data, JsonForm form, size_t width,
                Write&& write) {
  const size_t count = data.size() / sizeof(T);
  const std::byte* from = data.data();
  char* place = out.Reserve(2 + std::min(count, kChunk) * (width + 1));
  if (form == JsonForm::kList) *place++ = '[';
  for (size_t i = 0; i < count; ++i) {
    if (i != 0) {
      *place++ = ',';
      if (i % kChunk == 0) {
        out.Commit(place);
        place = out.Reserve(2 + kChunk * (width + 1));
      }
    }
    T value;
    std::memcpy(&value, from, sizeof(T));
    from += sizeof(T);
    place = write(value, place);
  }
  if (form == JsonForm::kList) *place++ = ']';
  out.Commit(place);
}

template <typename T>
void AppendSigned(ResponseWriter& out, std::span<const std::byte> data, JsonForm form) {
  AppendList<T>(out, data, form, 20, [](T value, char* place) {
    return WriteJsonNumber(static_cast<int64_t>(value), place);
  });
}

template <typename T>
void AppendUnsigned(ResponseWriter& out, std::span<const std::byte> data, JsonForm form) {
  AppendList<T>(out, data, form, 20, [](T value, char* place) {
    return WriteJsonNumber(static_cast<uint64_t>(value), place);
  });
}

template <typename T>
void AppendReals(ResponseWriter& out, std::span<const std::byte> data, JsonForm form) {
  AppendList<T>(out, data, form, kMaxNumberChars,
                [](T value, char* place) { return WriteJsonNumber(value, place); });
}

}  // namespace

char* WriteJsonNumber(float value, char* out) { return WriteReal(value, out); }
char* WriteJsonNumber(double value, char* out) { return WriteReal(value, out); }
char* WriteJsonNumber(tensor::Fp16 value, char* out) { return WriteReal16(value, out); }
char* WriteJsonNumber(tensor::Bf16 value, char* out) { return WriteReal16(value, out); }

char* WriteJsonNumber(int64_t value, char* out) {
  return std::to_chars(out, out + kMaxNumberChars, value).ptr;
}

char* WriteJsonNumber(uint64_t value, char* out) {
  return std::to_chars(out, out + kMaxNumberChars, value).ptr;
}

char* WriteJsonString(std::string_view text, char* out) {
  constexpr char kHex[] = "0123456789ABCDEF";
  *out++ = '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && c != '"' && c != '\\') {
      *out++ = c;
      continue;
    }
    *out++ = '\\';
    constexpr char kShort[] = "btn\0fr";  // from \b (8) to \r (13), without \v
    if (byte >= 0x20) {
      *out++ = c;
    } else if (byte >= '\b' && byte <= '\r' && kShort[byte - '\b'] != '\0') {
      *out++ = kShort[byte - '\b'];
    } else {
      out = Copy("u00", out);
      *out++ = kHex[byte >> 4];
      *out++ = kHex[byte & 15];
    }
  }
  *out++ = '"';
  return out;
}

void AppendJsonNumbers(ResponseWriter& out, DataType type, std::span<const std::byte> data,
                       JsonForm form) {
  switch (type) {
    case DataType::kBool:
      return AppendList<uint8_t>(out, data, form, 5, [](uint8_t value, char* place) {
        return Copy(value != 0 ? "true" : "false", place);
      });
    case DataType::kUint8:
      return AppendUnsigned<uint8_t>(out, data, form);
    case DataType::kUint16:
      return AppendUnsigned<uint16_t>(out, data, form);
    case DataType::kUint32:
      return AppendUnsigned<uint32_t>(out, data, form);
    case DataType::kUint64:
      return AppendUnsigned<uint64_t>(out, data, form);
    case DataType::kInt8:
      return AppendSigned<int8_t>(out, data, form);
    case DataType::kInt16:
      return AppendSigned<int16_t>(out, data, form);
    case DataType::kInt32:
      return AppendSigned<int32_t>(out, data, form);
    case DataType::kInt64:
      return AppendSigned<int64_t>(out, data, form);
    case DataType::kFp32:
      return AppendReals<float>(out, data, form);
    case DataType::kFp64:
      return AppendReals<double>(out, data, form);
    case DataType::kFp16:
      return AppendReals<tensor::Fp16>(out, data, form);
    case DataType::kBf16:
      return AppendReals<tensor::Bf16>(out, data, form);
    case DataType::kBytes:
      SERVING_CHECK(false, "a tensor of this type has no numbers in JSON");
  }
}

bool AppendJsonBytes(ResponseWriter& out, std::span<const std::byte> data, JsonForm form) {
  if (form == JsonForm::kList) out.Append("[");
  tensor::BytesReader reader(data);
  size_t used = 0;
  while (const auto element = reader.Next()) {
    if (!IsUtf8(*element)) return false;
    if (used != 0) out.Append(",");
    AppendJsonString(out, *element);
    used += sizeof(uint32_t) + element->size();
  }
  if (form == JsonForm::kList) out.Append("]");
  return used == data.size();
}

}  // namespace serving::protocol
