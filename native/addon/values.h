// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <napi.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "tensor/tensor_view.h"

namespace serving::addon {

// Readers of plain JavaScript objects that TypeScript has built: a missing or wrong field is a bug
// of ours and is answered with a short sentence. The first error is kept.
class ObjectReader {
 public:
  explicit ObjectReader(Napi::Value value, std::string name = "argument")
      : object_(value.IsObject() ? value.As<Napi::Object>() : Napi::Object::New(value.Env())),
        name_(std::move(name)) {
    if (!value.IsObject()) Fail("expected an object");
  }

  std::string Text(const char* key) {
    const Napi::Value value = object_.Get(key);
    if (!value.IsString()) return Fail(key, "a string"), std::string();
    return value.As<Napi::String>().Utf8Value();
  }
  std::string TextOr(const char* key, std::string fallback) {
    return object_.Get(key).IsUndefined() ? fallback : Text(key);
  }
  bool Bool(const char* key) {
    const Napi::Value value = object_.Get(key);
    if (!value.IsBoolean()) return Fail(key, "a boolean"), false;
    return value.As<Napi::Boolean>().Value();
  }
  // Exact up to 2^53.
  int64_t Integer(const char* key) { return ToInteger(object_.Get(key), key); }
  int64_t IntegerOr(const char* key, int64_t fallback) {
    return object_.Get(key).IsUndefined() ? fallback : Integer(key);
  }
  std::vector<int64_t> Integers(const char* key) {
    std::vector<int64_t> numbers;
    ForEach(key, [&](Napi::Value value) { numbers.push_back(ToInteger(value, key)); });
    return numbers;
  }
  double Number(const char* key) {
    const Napi::Value value = object_.Get(key);
    if (!value.IsNumber()) return Fail(key, "a number"), 0;
    return value.As<Napi::Number>().DoubleValue();
  }
  std::vector<double> Numbers(const char* key) {
    std::vector<double> numbers;
    ForEach(key, [&](Napi::Value value) {
      if (value.IsNumber()) {
        numbers.push_back(value.As<Napi::Number>().DoubleValue());
      } else {
        Fail(key, "numbers");
      }
    });
    return numbers;
  }
  std::vector<std::string> Texts(const char* key) {
    std::vector<std::string> texts;
    ForEach(key, [&](Napi::Value value) {
      if (value.IsString()) {
        texts.push_back(value.As<Napi::String>().Utf8Value());
      } else {
        Fail(key, "strings");
      }
    });
    return texts;
  }
  bool Has(const char* key) { return !object_.Get(key).IsUndefined(); }
  Napi::Value Get(const char* key) { return object_.Get(key); }

  template <typename Each>
  void ForEach(const char* key, Each each) {
    const Napi::Value value = object_.Get(key);
    if (!value.IsArray()) return Fail(key, "an array");
    const auto array = value.As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length(); ++i) each(array.Get(i));
  }
  // Every own key with a string value.
  template <typename Each>
  void ForEachText(const char* key, Each each) {
    const Napi::Value value = object_.Get(key);
    if (!value.IsObject()) return Fail(key, "an object");
    const auto object = value.As<Napi::Object>();
    const Napi::Array names = object.GetPropertyNames();
    for (uint32_t i = 0; i < names.Length(); ++i) {
      const Napi::Value name = names.Get(i);
      const Napi::Value text = object.Get(name);
      if (!text.IsString()) return Fail(key, "string values");
      each(name.As<Napi::String>().Utf8Value(), text.As<Napi::String>().Utf8Value());
    }
  }

  void Fail(const char* key, const char* expected) {
    if (status_.ok()) {
      status_ = base::InvalidArgument(name_ + "." + key + ": expected " + expected);
    }
  }
  void Merge(const base::Status& status) {
    if (status_.ok()) status_ = status;
  }
  const base::Status& status() const { return status_; }

 private:
  void Fail(const char* what) {
    if (status_.ok()) status_ = base::InvalidArgument(name_ + ": " + what);
  }
  int64_t ToInteger(Napi::Value value, const char* key) {
    if (!value.IsNumber()) return Fail(key, "an integer"), 0;
    const double number = value.As<Napi::Number>().DoubleValue();
    if (std::trunc(number) != number || std::abs(number) > 9007199254740991.0) {
      return Fail(key, "an integer of at most 2^53-1"), 0;
    }
    return static_cast<int64_t>(number);
  }

  Napi::Object object_;
  std::string name_;
  base::Status status_;
};

// Arguments of a verb. Anything but a number or a string reads as 0 or "": asking JavaScript to
// convert a value may run code of its own and leave an exception that the next call into Node-API
// trips over.
inline double NumberArgument(Napi::Value value) {
  return value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : 0;
}
inline int64_t IntegerArgument(Napi::Value value) {
  return value.IsNumber() ? value.As<Napi::Number>().Int64Value() : 0;
}
inline std::string TextArgument(Napi::Value value) {
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
}

// Of microseconds. Beyond a century it is all the same.
inline base::Nanoseconds ToDuration(int64_t microseconds) {
  constexpr std::chrono::microseconds kLongest = std::chrono::hours(24 * 365 * 100);
  return std::min(std::chrono::microseconds(microseconds), kLongest);
}

inline base::Result<tensor::Shape> ToShape(const std::vector<int64_t>& dims) {
  if (dims.size() > tensor::Shape::kMaxRank) {
    return base::InvalidArgument("a tensor has " + std::to_string(dims.size()) +
                                 " dimensions, the most are " +
                                 std::to_string(tensor::Shape::kMaxRank));
  }
  return tensor::Shape(dims);
}

}  // namespace serving::addon
