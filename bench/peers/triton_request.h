// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0
//
// What the bench backends do with one request: read its input, answer it, count it.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstring>

#include "triton_abi.h"

#define TRITON_RETURN_IF_ERROR(expr)                        \
  do {                                                      \
    if (TRITONSERVER_Error* error_ = (expr)) return error_; \
  } while (false)

namespace bench {

// Nanoseconds of the clock that Triton's statistics use.
inline std::uint64_t NowNs() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        std::chrono::steady_clock::now().time_since_epoch())
                                        .count());
}

// The first input of a request. Pointers live until the request is released.
struct Input {
  TRITONBACKEND_Input* handle = nullptr;
  TRITONSERVER_DataType datatype = 0;
  const std::int64_t* shape = nullptr;
  std::uint32_t rank = 0;
  std::uint64_t byte_size = 0;
  std::uint32_t buffer_count = 0;
};

inline TRITONSERVER_Error* ReadInput(TRITONBACKEND_Request* request, Input* input) {
  TRITON_RETURN_IF_ERROR(TRITONBACKEND_RequestInputByIndex(request, 0, &input->handle));
  const char* name = nullptr;
  return TRITONBACKEND_InputProperties(input->handle, &name, &input->datatype, &input->shape,
                                       &input->rank, &input->byte_size, &input->buffer_count);
}

// Copies all pieces of the input to `to`, which holds input.byte_size bytes. HTTP hands large
// bodies over in several pieces.
inline TRITONSERVER_Error* CopyInput(const Input& input, char* to) {
  std::uint64_t done = 0;
  for (std::uint32_t i = 0; i < input.buffer_count; ++i) {
    const void* piece = nullptr;
    std::uint64_t size = 0;
    TRITONSERVER_MemoryType memory_type = kMemoryCpu;
    std::int64_t memory_id = 0;
    TRITON_RETURN_IF_ERROR(
        TRITONBACKEND_InputBuffer(input.handle, i, &piece, &size, &memory_type, &memory_id));
    if (memory_type > 1) {
      return TRITONSERVER_ErrorNew(kErrorInternal, "the input is not in host memory");
    }
    if (size > input.byte_size - done) {
      return TRITONSERVER_ErrorNew(kErrorInternal, "the input's pieces exceed its size");
    }
    if (size != 0) std::memcpy(to + done, piece, size);
    done += size;
  }
  if (done != input.byte_size) {
    return TRITONSERVER_ErrorNew(kErrorInternal, "the input's pieces fall short of its size");
  }
  return nullptr;
}

// Host memory of the response's only output; the server owns it.
inline TRITONSERVER_Error* NewOutput(TRITONBACKEND_Request* request,
                                     TRITONBACKEND_Response* response,
                                     TRITONSERVER_DataType datatype, const std::int64_t* shape,
                                     std::uint32_t rank, std::uint64_t byte_size, char** to) {
  const char* name = nullptr;
  TRITON_RETURN_IF_ERROR(TRITONBACKEND_RequestOutputName(request, 0, &name));
  TRITONBACKEND_Output* output = nullptr;
  TRITON_RETURN_IF_ERROR(
      TRITONBACKEND_ResponseOutput(response, &output, name, datatype, shape, rank));
  void* buffer = nullptr;
  TRITONSERVER_MemoryType memory_type = kMemoryCpu;
  std::int64_t memory_id = 0;
  TRITON_RETURN_IF_ERROR(
      TRITONBACKEND_OutputBuffer(output, &buffer, byte_size, &memory_type, &memory_id));
  if (memory_type > 1) {
    return TRITONSERVER_ErrorNew(kErrorInternal, "the output is not in host memory");
  }
  *to = static_cast<char*>(buffer);
  return nullptr;
}

inline void Ignore(TRITONSERVER_Error* error) {
  if (error != nullptr) TRITONSERVER_ErrorDelete(error);
}

// Sends the response (or `error` in its place) as the final one. Takes both.
inline void Finish(TRITONBACKEND_Response* response, TRITONSERVER_Error* error) {
  if (response != nullptr) Ignore(TRITONBACKEND_ResponseSend(response, kResponseFinal, error));
  Ignore(error);
}

// When a batch began and ended, in NowNs().
struct BatchTimes {
  std::uint64_t start = 0;
  std::uint64_t compute_start = 0;
  std::uint64_t compute_end = 0;
  std::uint64_t end = 0;
};

inline void CountAndRelease(TRITONBACKEND_ModelInstance* instance, TRITONBACKEND_Request* request,
                            bool success, const BatchTimes& times) {
  Ignore(TRITONBACKEND_ModelInstanceReportStatistics(
      instance, request, success, times.start, times.compute_start, times.compute_end, times.end));
  Ignore(TRITONBACKEND_RequestRelease(request, kReleaseAll));
}

inline void CountBatch(TRITONBACKEND_ModelInstance* instance, std::uint64_t rows,
                       const BatchTimes& times) {
  Ignore(TRITONBACKEND_ModelInstanceReportBatchStatistics(
      instance, rows, times.start, times.compute_start, times.compute_end, times.end));
}

}  // namespace bench
