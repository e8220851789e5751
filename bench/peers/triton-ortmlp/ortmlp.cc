// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0
//
// libtriton_ortmlp.so: runs an ONNX model `x` FP32[rows,64] -> `y` FP32[rows,10] on ONNX Runtime.
// A batch is one gather copy, one Run and one scatter copy. The library is found by the
// environment variable NEREID_ONNXRUNTIME, so that every peer runs the same one.
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "../ort.h"
#include "../triton_request.h"

namespace {

constexpr std::uint64_t kInWidth = 64;
constexpr std::uint64_t kOutWidth = 10;

// One loaded model with its only instance's batch buffers (the config asks for one instance).
struct Model {
  bench::Ort ort;
  std::vector<float> in;
  std::vector<float> out;
};

struct Item {
  TRITONBACKEND_Response* response = nullptr;
  TRITONSERVER_Error* error = nullptr;
  std::uint64_t first_row = 0;
  std::uint64_t rows = 0;
  bool succeeded = false;
};

TRITONSERVER_Error* Gather(TRITONBACKEND_Request* request, Model* model, Item* item) {
  TRITON_RETURN_IF_ERROR(TRITONBACKEND_ResponseNew(&item->response, request));
  bench::Input input;
  TRITON_RETURN_IF_ERROR(bench::ReadInput(request, &input));
  if (input.datatype != kTypeFp32 || input.rank != 2 || input.shape[0] < 1 ||
      input.shape[1] != static_cast<std::int64_t>(kInWidth)) {
    return TRITONSERVER_ErrorNew(kErrorInvalidArgument, "the input is not FP32[rows,64]");
  }
  const std::uint64_t rows = input.byte_size / (kInWidth * sizeof(float));
  model->in.resize((item->first_row + rows) * kInWidth);
  item->rows = rows;
  return bench::CopyInput(input,
                          reinterpret_cast<char*>(model->in.data() + item->first_row * kInWidth));
}

TRITONSERVER_Error* Scatter(TRITONBACKEND_Request* request, const Model& model, const Item& item) {
  const std::int64_t shape[2] = {static_cast<std::int64_t>(item.rows),
                                 static_cast<std::int64_t>(kOutWidth)};
  const std::uint64_t bytes = item.rows * kOutWidth * sizeof(float);
  char* to = nullptr;
  TRITON_RETURN_IF_ERROR(
      bench::NewOutput(request, item.response, kTypeFp32, shape, 2, bytes, &to));
  std::memcpy(to, model.out.data() + item.first_row * kOutWidth, bytes);
  return nullptr;
}

}  // namespace

extern "C" {

TRITONSERVER_Error* TRITONBACKEND_ModelInitialize(TRITONBACKEND_Model* handle) {
  TRITONBACKEND_ArtifactType type = 0;
  const char* folder = nullptr;
  std::uint64_t version = 0;
  TRITON_RETURN_IF_ERROR(TRITONBACKEND_ModelRepository(handle, &type, &folder));
  TRITON_RETURN_IF_ERROR(TRITONBACKEND_ModelVersion(handle, &version));
  const char* library = std::getenv("NEREID_ONNXRUNTIME");
  auto model = std::make_unique<Model>();
  const std::string path = std::string(folder) + "/" + std::to_string(version) + "/model.onnx";
  const std::string why =
      model->ort.Load(library != nullptr ? library : "libonnxruntime.so.1", path.c_str());
  if (!why.empty()) return TRITONSERVER_ErrorNew(kErrorInternal, why.c_str());
  return TRITONBACKEND_ModelSetState(handle, model.release());
}

TRITONSERVER_Error* TRITONBACKEND_ModelFinalize(TRITONBACKEND_Model* handle) {
  void* state = nullptr;
  TRITON_RETURN_IF_ERROR(TRITONBACKEND_ModelState(handle, &state));
  std::unique_ptr<Model>(static_cast<Model*>(state)).reset();
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceExecute(TRITONBACKEND_ModelInstance* instance,
                                                       TRITONBACKEND_Request** requests,
                                                       std::uint32_t count) {
  TRITONBACKEND_Model* handle = nullptr;
  TRITON_RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceModel(instance, &handle));
  void* state = nullptr;
  TRITON_RETURN_IF_ERROR(TRITONBACKEND_ModelState(handle, &state));
  Model& model = *static_cast<Model*>(state);

  bench::BatchTimes times;
  times.start = bench::NowNs();
  thread_local std::vector<Item> items;
  items.assign(count, Item{});
  std::uint64_t rows = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    items[i].first_row = rows;
    items[i].error = Gather(requests[i], &model, &items[i]);
    if (items[i].error == nullptr) rows += items[i].rows;
  }
  model.out.resize(rows * kOutWidth);
  times.compute_start = bench::NowNs();
  const std::string why =
      rows == 0 ? std::string()
                : model.ort.Run("x", model.in.data(), kInWidth, "y", model.out.data(), kOutWidth,
                                static_cast<std::int64_t>(rows));
  times.compute_end = bench::NowNs();

  for (std::uint32_t i = 0; i < count; ++i) {
    Item& item = items[i];
    if (item.error == nullptr && !why.empty()) {
      item.error = TRITONSERVER_ErrorNew(kErrorInternal, why.c_str());
    }
    if (item.error == nullptr) item.error = Scatter(requests[i], model, item);
    item.succeeded = item.error == nullptr;
    bench::Finish(item.response, item.error);
  }
  times.end = bench::NowNs();
  for (std::uint32_t i = 0; i < count; ++i) {
    bench::CountAndRelease(instance, requests[i], items[i].succeeded, times);
  }
  if (rows != 0) bench::CountBatch(instance, rows, times);
  return nullptr;
}

}  // extern "C"
