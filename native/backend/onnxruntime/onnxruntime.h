// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <memory>
#include <string>

#include "backend/backend.h"

namespace serving::backend {

struct OnnxRuntimeOptions {
  std::string library_path;  // absolute path of libonnxruntime.so.1; empty = not installed
};

// `backend: "onnxruntime"`: model.onnx files on the CPU. The library is opened by the first Load or
// Inspect; until it opens, each of them tries again and fails with a sentence that names the
// remedy.
//
// The parameters that a configuration may set are listed at onnxruntime/settings.h. By default a
// run uses the thread that holds the lease and no other.
std::unique_ptr<Backend> MakeOnnxRuntimeBackend(OnnxRuntimeOptions options);

}  // namespace serving::backend
