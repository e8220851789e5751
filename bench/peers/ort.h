// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0
//
// One ONNX Runtime session on the CPU with one thread, over libonnxruntime found by dlopen. OrtApi
// is an append-only table of function pointers; the indices below hold for API level 17 and later.
// FP32 in and out, one input and one output of rank 2.
#pragma once

#include <dlfcn.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace bench {

class Ort {
 public:
  Ort() = default;
  Ort(const Ort&) = delete;
  Ort& operator=(const Ort&) = delete;
  ~Ort() {
    if (session_ != nullptr) Release<95>(session_);
    if (memory_ != nullptr) Release<94>(memory_);
  }

  // Returns an empty string, or what went wrong. `library` is a path or a name for dlopen.
  std::string Load(const char* library, const char* model_path) {
    void* handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) return std::string("dlopen: ") + dlerror();
    void* symbol = dlsym(handle, "OrtGetApiBase");
    if (symbol == nullptr) return std::string(library) + " has no OrtGetApiBase";
    const ApiBase* base = reinterpret_cast<const ApiBase* (*)()>(symbol)();
    api_ = base->get_api(17);
    if (api_ == nullptr) return std::string(library) + " has no API level 17";
    version_ = base->get_version_string();

    void* options = nullptr;
    void* env = nullptr;
    std::string why = Check(Call<3>(3 /* error */, "bench", &env));
    if (why.empty()) why = Check(Call<10>(&options));
    if (why.empty()) why = Check(Call<24>(options, 1));
    if (why.empty()) why = Check(Call<7>(env, model_path, options, &session_));
    if (why.empty()) why = Check(Call<69>(0 /* device allocator */, 0 /* default */, &memory_));
    if (options != nullptr) Release<100>(options);
    return why;  // the environment and the library live as long as the process
  }

  // Runs `rows` rows: in[rows * in_width] -> out[rows * out_width]. Threads: one call at a time.
  std::string Run(const char* input_name, float* in, std::int64_t in_width,
                  const char* output_name, float* out, std::int64_t out_width,
                  std::int64_t rows) const {
    const std::int64_t in_shape[2] = {rows, in_width};
    const std::int64_t out_shape[2] = {rows, out_width};
    void* x = nullptr;
    void* y = nullptr;
    std::string why = Wrap(in, in_shape, &x);
    if (why.empty()) why = Wrap(out, out_shape, &y);
    if (why.empty()) {
      const void* const inputs[1] = {x};
      why = Check(Call<9>(session_, nullptr, &input_name, inputs, std::size_t{1}, &output_name,
                          std::size_t{1}, &y));
    }
    if (x != nullptr) Release<96>(x);
    if (y != nullptr) Release<96>(y);
    return why;
  }

  const char* version() const { return version_; }

 private:
  struct ApiBase {
    void* const* (*get_api)(std::uint32_t level);
    const char* (*get_version_string)();
  };

  template <int kIndex, typename... Args>
  void* Call(Args... args) const {
    return reinterpret_cast<void* (*)(Args...)>(api_[kIndex])(args...);
  }

  template <int kIndex>
  void Release(void* object) const {
    reinterpret_cast<void (*)(void*)>(api_[kIndex])(object);
  }

  std::string Check(void* status) const {
    if (status == nullptr) return {};
    std::string message = reinterpret_cast<const char* (*)(const void*)>(api_[2])(status);
    Release<93>(status);
    return message.empty() ? "ONNX Runtime failed" : message;
  }

  std::string Wrap(float* data, const std::int64_t* shape, void** value) const {
    const std::size_t bytes = static_cast<std::size_t>(shape[0] * shape[1]) * sizeof(float);
    return Check(Call<49>(memory_, static_cast<void*>(data), bytes, shape, std::size_t{2},
                          1 /* float */, value));
  }

  void* const* api_ = nullptr;
  const char* version_ = "";
  void* session_ = nullptr;
  void* memory_ = nullptr;
};

}  // namespace bench
