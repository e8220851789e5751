// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0
//
// libtriton_stream.so: a decoupled model that answers each request kResponses times with output 0,
// a copy of input 0. As lean as the ABI allows (no helper library), and what Nereid's test backend
// `stream` does, so that what is measured is what lies around them.
#include "../triton_request.h"

namespace {

// As bench/models/stream/config.pbtxt says.
constexpr int kResponses = 1000;

TRITONSERVER_Error* SendOne(TRITONBACKEND_ResponseFactory* factory, TRITONBACKEND_Request* request,
                            const bench::Input& input, bool is_final) {
  TRITONBACKEND_Response* response = nullptr;
  TRITON_RETURN_IF_ERROR(TRITONBACKEND_ResponseNewFromFactory(&response, factory));
  char* to = nullptr;
  TRITON_RETURN_IF_ERROR(bench::NewOutput(request, response, input.datatype, input.shape,
                                          input.rank, input.byte_size, &to));
  TRITON_RETURN_IF_ERROR(bench::CopyInput(input, to));
  return TRITONBACKEND_ResponseSend(response, is_final ? kResponseFinal : 0, nullptr);
}

TRITONSERVER_Error* Answer(TRITONBACKEND_ResponseFactory* factory, TRITONBACKEND_Request* request,
                           std::uint64_t* rows) {
  bench::Input input;
  TRITON_RETURN_IF_ERROR(bench::ReadInput(request, &input));
  *rows = input.rank > 0 && input.shape[0] > 0 ? static_cast<std::uint64_t>(input.shape[0]) : 1;
  for (int i = 1; i <= kResponses; ++i) {
    TRITON_RETURN_IF_ERROR(SendOne(factory, request, input, i == kResponses));
  }
  return nullptr;
}

}  // namespace

extern "C" {

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceExecute(TRITONBACKEND_ModelInstance* instance,
                                                       TRITONBACKEND_Request** requests,
                                                       std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i) {
    bench::BatchTimes times;
    times.start = times.compute_start = bench::NowNs();
    std::uint64_t rows = 1;
    TRITONBACKEND_ResponseFactory* factory = nullptr;
    TRITONSERVER_Error* error = TRITONBACKEND_ResponseFactoryNew(&factory, requests[i]);
    if (error == nullptr) {
      error = Answer(factory, requests[i], &rows);
      bench::Ignore(TRITONBACKEND_ResponseFactoryDelete(factory));
    }
    times.compute_end = times.end = bench::NowNs();
    bench::CountAndRelease(instance, requests[i], error == nullptr, times);
    bench::CountBatch(instance, rows, times);
    bench::Ignore(error);
  }
  return nullptr;
}

}  // extern "C"
