// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>
#include <string_view>

#include "backend/onnxruntime/ort_api.h"
#include "base/status.h"

namespace serving::backend::ort {

// The library's message, and the number of its code; `raw` is released.
struct Failure {
  int code = 0;
  std::string message;
};
Failure TakeFailure(const Api& api, Status* raw);

// The session must not run again: its execution provider or its engine failed, or CUDA reported an
// error that sticks to the context. Running out of memory, bad values and the like are a matter of
// one request.
bool IsFatal(const Failure& failure);

// `onnx runtime error N: …` with code Internal, as Triton answers every failure of the library. OK
// for null.
base::Status ToStatus(const Api& api, Status* raw);
base::Status ToStatus(const Failure& failure);

// Without file names: `Load model from /a/b/model.onnx failed:` becomes `Load model from model.onnx
// failed:`, since a client may read the text.
std::string WithoutFolders(std::string_view text);

}  // namespace serving::backend::ort

#define RETURN_IF_ORT_ERROR(api, expression) \
  RETURN_IF_ERROR(::serving::backend::ort::ToStatus((api), (expression)))
