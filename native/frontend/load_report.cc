// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/load_report.h"

#include <charconv>

#include "protocol/pb_wire.h"

namespace serving::frontend {
namespace {

// By LoadForm.
constexpr std::string_view kNames[kLoadForms] = {"",    "text",       "json",
                                                 "bin", "plain-text", "plain-json"};

struct Field {
  std::string_view name;
  uint32_t number;  // in OrcaLoadReport
  double LoadReport::* value;
};

constexpr Field kFields[] = {
    {"cpu_utilization", 1, &LoadReport::cpu_utilization},
    {"mem_utilization", 2, &LoadReport::mem_utilization},
    {"rps_fractional", 6, &LoadReport::rps},
    {"eps", 7, &LoadReport::eps},
    {"application_utilization", 9, &LoadReport::application_utilization},
};

constexpr uint32_t kNamedMetrics = 8;  // map<string, double> in OrcaLoadReport
constexpr Field kNamed[] = {
    {"queue_saturation", 0, &LoadReport::queue_saturation},
    {"queued_requests", 0, &LoadReport::queued_requests},
    {"requests", 0, &LoadReport::requests},
};

// Six digits tell load balancers enough.
void AppendNumber(std::string& out, double value) {
  char text[32];
  const auto end =
      std::to_chars(text, text + sizeof(text), value, std::chars_format::general, 6).ptr;
  out.append(text, end);
}

std::string WriteText(const LoadReport& report, char equals) {
  std::string out;
  const auto append = [&](std::string_view prefix, const Field& field) {
    if (!out.empty()) out += ',';
    out.append(prefix).append(field.name) += equals;
    AppendNumber(out, report.*field.value);
  };
  for (const Field& field : kFields) append("", field);
  for (const Field& field : kNamed) append("named_metrics.", field);
  return out;
}

std::string WriteJson(const LoadReport& report) {
  std::string out;
  const auto append = [&](const Field& field) {
    out.append("\"").append(field.name).append("\":");
    AppendNumber(out, report.*field.value);
    out += ',';
  };
  out += '{';
  for (const Field& field : kFields) append(field);
  out += R"("named_metrics":{)";
  for (const Field& field : kNamed) append(field);
  out.back() = '}';
  out += '}';
  return out;
}

std::string WriteBinary(const LoadReport& report) {
  char bytes[512];
  protocol::WireWriter writer(bytes);
  for (const Field& field : kFields) writer.DoubleField(field.number, report.*field.value);
  for (const Field& field : kNamed) {
    constexpr size_t kValue = 1 + sizeof(double);
    writer.Head(kNamedMetrics, protocol::BytesFieldSize(field.name.size()) + kValue);
    writer.Text(1, field.name);
    writer.DoubleField(2, report.*field.value);
  }
  return {bytes, writer.at()};
}

std::string Base64(std::string_view bytes) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) {
      group = group << 8 | (i + k < bytes.size() ? static_cast<uint8_t>(bytes[i + k]) : 0);
    }
    for (size_t k = 0; k < 4; ++k) {
      out += i + k <= bytes.size() ? kDigits[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return out;
}

}  // namespace

std::optional<LoadForm> ParseLoadForm(std::string_view name) {
  for (size_t i = 1; i < kLoadForms; ++i) {
    if (kNames[i] == name) return static_cast<LoadForm>(i);
  }
  return std::nullopt;
}

std::string_view LoadHeaderName(LoadForm form) {
  switch (form) {
    case LoadForm::kBin:
      return "endpoint-load-metrics-bin";
    case LoadForm::kPlainJson:
      return "endpoint-load-metrics-json";
    default:
      return "endpoint-load-metrics";
  }
}

std::string WriteLoadReport(const LoadReport& report, LoadForm form) {
  switch (form) {
    case LoadForm::kNone:
      return {};
    case LoadForm::kText:
      return "TEXT " + WriteText(report, '=');
    case LoadForm::kJson:
      return "JSON " + WriteJson(report);
    case LoadForm::kBin:
      return Base64(WriteBinary(report));
    case LoadForm::kPlainText:
      return WriteText(report, ':');
    case LoadForm::kPlainJson:
      return WriteJson(report);
  }
  return {};
}

}  // namespace serving::frontend
