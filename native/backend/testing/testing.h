// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <memory>
#include <vector>

#include "backend/backend.h"

namespace serving::backend {

// Backends with a known behaviour, for tests. Each copies inputs to outputs as `identity` does,
// and:
//
//   sleep   takes `sleep_us` and `sleep_us_per_row` more (parameters of the model, or of a control
//   call) gate    holds executions while it is closed (parameter `closed`: true), without a thread
//   if `async` is true burst   repeats every innermost row `factor` times (parameter, default 2):
//   the output is that much larger poison  fails: always with the text of its parameter `message`,
//   or as a control call says stream  answers each request `responses` times (parameter, default
//   3); decoupled. With `empty_final` true the
//           final response is one more, without outputs
// Two more copy nothing:
//   parameters  its one output (BYTES, [1]) is JSON of the request's parameters
//   sequence    adds up what comes in IN (INT32, [1]): in STATE_IN if it has it, else by CORRID,
//   else
//               by row. OUT and STATE_OUT are the sum, LOG (BYTES, [1]) is JSON of the batch: what
//               every row of every input held. A negative number fails its batch. Has a gate as
//               `gate` has. With `runs` (parameter) every request is handed back so often
//
// Control calls are one flat JSON object and answer one. `{}` asks every backend for its state.
//   sleep   {"sleep_us":n,"sleep_us_per_row":n} → {"executed":n}
//   gate    {"action":"close"|"open"}, {"action":"release","count":n} lets n executions through,
//   now or later,
//           {"action":"await","waiting":n,"executed":n} blocks its caller until both are reached
//           → {"closed":b,"waiting":n,"executed":n}
//   poison  {"action":"fail"|"throw","count":n,"message":s} for the next n executions,
//   {"action":"always","message":s},
//           {"action":"heal"} → {"failed":n,"executed":n}
//   burst, stream   → {"executed":n}
//
// None is ever run on an I/O thread. An unload opens every gate.
std::vector<std::unique_ptr<Backend>> MakeTestBackends();

}  // namespace serving::backend
