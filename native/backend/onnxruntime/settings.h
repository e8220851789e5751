// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backend/onnxruntime/ort_api.h"
#include "base/status.h"
#include "core/model_plan.h"

namespace serving::backend::ort {

// How a session is made, from the `parameters` of a model's configuration. Keys that are not listed
// are ignored, as Triton's backend does:
//
//   intra_op_thread_count   threads within one operator, 0 = one per core. Default 1, where Triton
//   leaves it to the
//                           library (all cores): an execution with one thread runs on the caller
//                           alone, which is what lets an I/O thread run a short batch itself, and
//                           instances do not fight for cores.
//   inter_op_thread_count   threads across operators in parallel mode, 0 = one per core. Default 1.
//   execution_mode          0 sequential (default), 1 parallel
//   optimization.graph.level  as `optimization { graph { level } }`: -1 basic, 1 extended, 2 none,
//   else all enable_mem_arena, enable_mem_pattern   0 or 1 (default)
//   share_session_between_instances   true or false. Default: instances have a session each while
//   the version's files
//                           are small and a run takes one thread
//   session.intra_op.allow_spinning, session.inter_op.allow_spinning, session.set_denormal_as_zero,
//   session.disable_prepacking              passed on as they are
struct SessionSettings {
  int intra_op_threads = 1;
  int inter_op_threads = 1;
  ExecutionMode mode = kSequential;
  GraphLevel level = kEnableAll;
  bool mem_arena = true;
  bool mem_pattern = true;
  std::optional<bool> share_sessions;
  std::vector<std::pair<std::string, std::string>> entries;

  // One thread only: the one that calls Run.
  bool runs_on_caller() const { return intra_op_threads == 1 && mode == kSequential; }
};

// Fails with InvalidArgument that names the parameter, what was expected and what came.
base::Result<SessionSettings> ReadSettings(const core::ModelPlan& plan);

}  // namespace serving::backend::ort
