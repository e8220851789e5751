// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "frontend/access_log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

namespace serving::frontend {
namespace {

std::string PathOf(const char* name) {
  return testing::TempDir() + "access_log_test." + name + "." + std::to_string(getpid());
}

std::vector<std::string> TakeLines(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  unlink(path.c_str());
  return lines;
}

AccessEntry EntryOf(std::string path) {
  AccessEntry entry;
  entry.path = std::move(path);
  return entry;
}

TEST(AccessLine, IsOneJsonObject) {
  AccessEntry entry{.is_grpc = false,
                    .method = "POST",
                    .path = "/v2/models/a\"b\n\xFF/infer",
                    .remote_address = "127.0.0.1:9",
                    .model = "m",
                    .id = "7",
                    .status = 200,
                    .is_answered = true,
                    .request_bytes = 12,
                    .duration = std::chrono::microseconds(1500),
                    .times = {}};
  std::string line;
  AppendAccessLine(line, entry, 1'700'000'000'123'456'789);
  EXPECT_EQ(line,
            "{\"time\":\"2023-11-14T22:13:20.123Z\",\"remote\":\"127.0.0.1:9\",\"protocol\":"
            "\"http\",\"method\":\"POST\",\"path\":\"/v2/models/a\\\"b\\n\xEF\xBF\xBD/infer\","
            "\"status\":200,\"request_bytes\":12,\"duration_us\":1500,\"model\":\"m\",\"id\":"
            "\"7\"}\n");
  entry.is_answered = false;
  entry.times.queued = base::Instant(std::chrono::microseconds(10));
  entry.times.compute_start = base::Instant(std::chrono::microseconds(15));
  entry.times.output_end = base::Instant(std::chrono::microseconds(35));
  line.clear();
  AppendAccessLine(line, entry, 0);
  EXPECT_NE(line.find("\"aborted\":true"), std::string::npos);
  EXPECT_NE(line.find("\"queue_us\":5,\"compute_us\":20"), std::string::npos);
}

TEST(AccessLog, WritesEveryLineOfManyThreads) {
  const std::string path = PathOf("threads");
  {
    auto log = AccessLog::Open(path, 1);
    ASSERT_TRUE(log.ok());
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int j = 0; j < 500; ++j) log.value()->Write(EntryOf("/x"));
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  const auto lines = TakeLines(path);
  EXPECT_EQ(lines.size(), 2000u);
  for (const std::string& line : lines) {
    ASSERT_TRUE(line.starts_with("{\"time\"") && line.ends_with("}")) << line;
  }
}

TEST(AccessLog, TakesEveryNthRequest) {
  const std::string path = PathOf("sample");
  auto log = AccessLog::Open(path, 3);
  ASSERT_TRUE(log.ok());
  std::string taken;
  for (int i = 0; i < 7; ++i) taken += log.value()->Sample() ? 'x' : '.';
  EXPECT_EQ(taken, "x..x..x");
  unlink(path.c_str());
}

TEST(AccessLog, DropsAndSaysSo) {
  const std::string path = PathOf("drop");
  {
    auto log = AccessLog::Open(path, 1);
    ASSERT_TRUE(log.ok());
    log.value()->Write(EntryOf(std::string(AccessLog::kMaxBytes, 'x')));
    log.value()->Write(EntryOf("/y"));
  }
  const auto lines = TakeLines(path);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0], "{\"dropped\":1}");
}

TEST(AccessLog, NamesAFileItCannotOpen) {
  const auto log = AccessLog::Open(PathOf("no") + "/such/folder", 1);
  ASSERT_FALSE(log.ok());
  EXPECT_NE(log.status().message().find("--access-log"), std::string::npos);
}

}  // namespace
}  // namespace serving::frontend
