// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/access_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <utility>

#include "protocol/json_writer.h"
#include "protocol/utf8.h"

namespace serving::frontend {
namespace {

// Lines gather for so long before they are written together.
constexpr auto kGather = std::chrono::milliseconds(100);

void AppendText(std::string& out, std::string_view key, std::string_view raw) {
  const std::string text = protocol::ToUtf8(raw);
  out.append(",\"").append(key).append("\":");
  const size_t start = out.size();
  out.resize(start + protocol::JsonStringCapacity(text));
  const char* end = protocol::WriteJsonString(text, out.data() + start);
  out.resize(static_cast<size_t>(end - out.data()));
}

void AppendNumber(std::string& out, std::string_view key, int64_t number) {
  out.append(",\"").append(key).append("\":").append(std::to_string(number));
}

void AppendTime(std::string& out, int64_t wall_ns) {
  const auto seconds = static_cast<std::time_t>(wall_ns / 1'000'000'000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[96];
  std::snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900,
                utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                static_cast<int>(wall_ns / 1'000'000 % 1000));
  out.append("{\"time\":\"").append(text).append("\"");
}

int64_t Microseconds(base::Nanoseconds time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
}

// A full disk or a closed pipe loses lines, nothing else.
void WriteAll(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace

void AppendAccessLine(std::string& out, const AccessEntry& entry, int64_t wall_ns) {
  AppendTime(out, wall_ns);
  AppendText(out, "remote", entry.remote_address);
  AppendText(out, "protocol", entry.is_grpc ? "grpc" : "http");
  AppendText(out, "method", entry.method);
  AppendText(out, "path", entry.path);
  AppendNumber(out, "status", entry.status);
  // The client had left, or was thrown out, before its answer was whole.
  if (!entry.is_answered) out.append(",\"aborted\":true");
  AppendNumber(out, "request_bytes", static_cast<int64_t>(entry.request_bytes));
  AppendNumber(out, "duration_us", Microseconds(entry.duration));
  if (!entry.model.empty()) AppendText(out, "model", entry.model);
  if (!entry.id.empty()) AppendText(out, "id", entry.id);
  const core::StageTimes& times = entry.times;
  if (times.compute_start != base::Instant() && times.output_end != base::Instant()) {
    AppendNumber(out, "queue_us", Microseconds(times.compute_start - times.queued));
    AppendNumber(out, "compute_us", Microseconds(times.output_end - times.compute_start));
  }
  out.append("}\n");
}

base::Result<std::unique_ptr<AccessLog>> AccessLog::Open(const std::string& path, uint64_t every) {
  if (path == "-") return std::unique_ptr<AccessLog>(new AccessLog(STDOUT_FILENO, false, every));
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) {
    return base::InvalidArgument("cannot open the access log '" + path +
                                 "' (--access-log): " + std::strerror(errno));
  }
  return std::unique_ptr<AccessLog>(new AccessLog(file, true, every));
}

AccessLog::AccessLog(int file, bool owns_file, uint64_t every)
    : file_(file), owns_file_(owns_file), every_(every), writer_("access-log", [this] { Run(); }) {}

AccessLog::~AccessLog() {
  {
    std::lock_guard lock(mutex_);
    is_ended_ = true;
  }
  has_lines_.notify_one();
  writer_.Join();
  if (owns_file_) close(file_);
}

void AccessLog::Write(const AccessEntry& entry) {
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  std::string line;
  AppendAccessLine(line, entry, std::chrono::duration_cast<std::chrono::nanoseconds>(wall).count());
  std::lock_guard lock(mutex_);
  if (line.size() > kMaxBytes - lines_.size()) {
    ++dropped_;
    return;
  }
  if (dropped_ != 0) {
    lines_.append("{\"dropped\":").append(std::to_string(std::exchange(dropped_, 0)));
    lines_.append("}\n");
  }
  if (lines_.empty()) has_lines_.notify_one();
  lines_ += line;
}

void AccessLog::Run() {
  std::string lines;
  std::unique_lock lock(mutex_);
  for (;;) {
    has_lines_.wait(lock, [this] { return !lines_.empty() || is_ended_; });
    if (!is_ended_) {
      has_lines_.wait_for(lock, kGather, [this] { return is_ended_; });
    }
    lines.clear();
    std::swap(lines, lines_);
    const bool is_last = is_ended_;
    lock.unlock();
    WriteAll(file_, lines);
    if (is_last) return;
    lock.lock();
  }
}

}  // namespace serving::frontend
