// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0
//
// The floor under the MLP: ONNX Runtime's Run through the C API in a loop, tensors wrapped and
// released at each call as a batcher must. Usage: ort-loop LIBRARY MODEL MILLISECONDS
// Prints one JSON line: {"version": …, "batches": [{"rows": n, "calls": n, "cpuNs": n}, …]}.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "cpu_clock.h"
#include "ort.h"

namespace {

constexpr std::int64_t kInWidth = 64;
constexpr std::int64_t kOutWidth = 10;

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: ort-loop LIBRARY MODEL MILLISECONDS\n");
    return 2;
  }
  bench::Ort ort;
  std::string why = ort.Load(argv[1], argv[2]);
  const std::int64_t budget_ns = std::atoll(argv[3]) * 1'000'000LL;
  std::string line;
  for (std::int64_t rows : {1, 8, 32, 64}) {
    std::vector<float> in(static_cast<std::size_t>(rows * kInWidth), 0.5F);
    std::vector<float> out(static_cast<std::size_t>(rows * kOutWidth));
    auto run = [&](int calls) {
      for (int i = 0; i < calls && why.empty(); ++i) {
        why = ort.Run("x", in.data(), kInWidth, "y", out.data(), kOutWidth, rows);
      }
    };
    run(200);
    const std::int64_t start = CpuNs();
    std::int64_t calls = 0;
    while (why.empty() && CpuNs() - start < budget_ns) {
      run(50);
      calls += 50;
    }
    if (!why.empty()) {
      std::fprintf(stderr, "ort-loop: %s\n", why.c_str());
      return 1;
    }
    line += line.empty() ? "" : ", ";
    line += "{\"rows\": " + std::to_string(rows) + ", \"calls\": " + std::to_string(calls) +
            ", \"cpuNs\": " + std::to_string(CpuNs() - start) + "}";
  }
  std::printf("{\"version\": \"%s\", \"batches\": [%s]}\n", ort.version(), line.c_str());
  return 0;
}
