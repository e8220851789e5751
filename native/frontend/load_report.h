// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/exchange.h"

namespace serving::frontend {

// How a load report stands in the header of an answer: Open Request Cost Aggregation as Envoy
// (source/common/orca) and gRPC read it. Envoy wants one such header, never two.
enum class LoadForm : uint8_t {
  kNone,
  kText,       // endpoint-load-metrics: TEXT cpu_utilization=0.5,…
  kJson,       // endpoint-load-metrics: JSON {"cpu_utilization":0.5,…}
  kBin,        // endpoint-load-metrics-bin: OrcaLoadReport in base64; what gRPC's clients read
  kPlainText,  // endpoint-load-metrics: cpu_utilization:0.5,… as older releases of Envoy read it
  kPlainJson,  // endpoint-load-metrics-json: {"cpu_utilization":0.5,…}, the same
};
inline constexpr size_t kLoadForms = 6;

// The request header that asks for a report by the name of its form.
inline constexpr std::string_view kLoadFormHeader = "endpoint-load-metrics-format";

// text, json, bin, plain-text, plain-json.
std::optional<LoadForm> ParseLoadForm(std::string_view name);

// Fields of xds.data.orca.v3.OrcaLoadReport. Finite, not negative.
struct LoadReport {
  double cpu_utilization = 0;          // of this process, 1 = all CPUs that it may use
  double mem_utilization = 0;          // of the limit of request and tensor bytes, 0 … 1
  double application_utilization = 0;  // of the busiest model; above 1 its queue grows
  double rps = 0;                      // requests that ended, per second
  double eps = 0;                      // those that failed, per second
  // Named metrics.
  double queue_saturation = 0;  // predicted wait / target of the worst model
  double queued_requests = 0;
  double requests = 0;  // from their head to the last byte of their answer
};

// Not kNone.
std::string_view LoadHeaderName(LoadForm form);
std::string WriteLoadReport(const LoadReport& report, LoadForm form);

}  // namespace serving::frontend
