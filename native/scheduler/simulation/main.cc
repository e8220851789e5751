// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// scheduler_simulation EVENTS SEED: runs worlds of queues, then as many events in worlds of
// sequences; says every ten million events how far it is. Exit code 1 and a line that names the
// seed when something was wrong.

#include <cstdio>
#include <cstdlib>

#include "scheduler/simulation/sequence_world.h"
#include "scheduler/simulation/world.h"

namespace {

using serving::scheduler::simulation::Outcome;

class Progress {
 public:
  explicit Progress(const char* what) : what_(what) {}
  void operator()(uint64_t done) {
    if (done / kStep == said_) return;
    said_ = done / kStep;
    std::printf("%s: %llu events\n", what_, static_cast<unsigned long long>(done));
    std::fflush(stdout);
  }

 private:
  static constexpr uint64_t kStep = 10'000'000;
  const char* const what_;
  uint64_t said_ = 0;
};

bool Report(const char* what, const Outcome& outcome, uint64_t seed) {
  const auto last = static_cast<unsigned long long>(outcome.seed);
  if (!outcome.wrong.empty()) {
    std::printf("%s: seed %llu: %s\n", what, last, outcome.wrong.c_str());
    return false;
  }
  std::printf("%s: %llu events in %llu worlds, nothing wrong\n", what,
              static_cast<unsigned long long>(outcome.events), last - seed);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace serving::scheduler::simulation;  // NOLINT
  if (argc != 3) return 2;
  const uint64_t events = std::strtoull(argv[1], nullptr, 10);
  const uint64_t seed = std::strtoull(argv[2], nullptr, 10);
  Subject subject;
  if (!Report("queues", Simulate(subject, seed, events, Progress("queues")), seed)) return 1;
  SequenceSubject sequences;
  const Outcome outcome = SimulateSequences(sequences, seed, events, Progress("sequences"));
  return Report("sequences", outcome, seed) ? 0 : 1;
}
