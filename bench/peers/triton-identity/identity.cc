// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0
//
// libtriton_identity.so: output 0 is input 0. As lean as the ABI allows (no helper library), so
// that what is measured is Triton's own front end, core and scheduler.
#include <vector>

#include "../triton_request.h"

namespace {

TRITONSERVER_Error* Answer(TRITONBACKEND_Request* request, TRITONBACKEND_Response* response,
                           std::uint64_t* rows) {
  bench::Input input;
  TRITON_RETURN_IF_ERROR(bench::ReadInput(request, &input));
  *rows = input.rank > 0 && input.shape[0] > 0 ? static_cast<std::uint64_t>(input.shape[0]) : 1;
  char* to = nullptr;
  TRITON_RETURN_IF_ERROR(bench::NewOutput(request, response, input.datatype, input.shape,
                                          input.rank, input.byte_size, &to));
  return bench::CopyInput(input, to);
}

}  // namespace

extern "C" {

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceExecute(TRITONBACKEND_ModelInstance* instance,
                                                       TRITONBACKEND_Request** requests,
                                                       std::uint32_t count) {
  bench::BatchTimes times;
  times.start = times.compute_start = bench::NowNs();
  std::uint64_t batch_rows = 0;
  thread_local std::vector<bool> succeeded;
  succeeded.assign(count, false);
  for (std::uint32_t i = 0; i < count; ++i) {
    std::uint64_t rows = 1;
    TRITONBACKEND_Response* response = nullptr;
    TRITONSERVER_Error* error = TRITONBACKEND_ResponseNew(&response, requests[i]);
    if (error == nullptr) error = Answer(requests[i], response, &rows);
    succeeded[i] = error == nullptr;
    bench::Finish(response, error);
    batch_rows += rows;
  }
  times.compute_end = times.end = bench::NowNs();
  for (std::uint32_t i = 0; i < count; ++i) {
    bench::CountAndRelease(instance, requests[i], succeeded[i], times);
  }
  bench::CountBatch(instance, batch_rows, times);
  return nullptr;
}

}  // extern "C"
