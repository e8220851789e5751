// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/output_queue.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <random>
#include <string>
#include <utility>

namespace serving::net {
namespace {

std::span<const std::byte> Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

// Text that can be lent; counts how many live.
class TextBuffer final : public base::Buffer {
 public:
  explicit TextBuffer(std::string text) : text_(std::move(text)) {
    data_ = reinterpret_cast<std::byte*>(text_.data());
    capacity_ = text_.size();
    ++live;
  }
  ~TextBuffer() override { --live; }
  static inline int live = 0;

 private:
  std::string text_;
};

base::BufferRef Lend(std::string text) { return base::MakeRef<TextBuffer>(std::move(text)); }

std::string TextOf(size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string text(size, ' ');
  for (char& c : text) c = static_cast<char>('a' + random() % 26);
  return text;
}

std::string Contents(OutputQueue& queue) {
  std::string text;
  while (!queue.empty()) {
    iovec part;
    EXPECT_EQ(queue.Gather({&part, 1}), 1u);
    text.append(static_cast<const char*>(part.iov_base), part.iov_len);
    queue.Consume(part.iov_len);
  }
  return text;
}

class OutputQueueTest : public testing::Test {
 protected:
  ~OutputQueueTest() override { EXPECT_EQ(TextBuffer::live, 0); }
  void AppendLent(OutputQueue& queue, const std::string& text) {
    base::BufferRef buffer = Lend(text);
    const std::span<const std::byte> bytes = buffer->bytes();
    queue.AppendBuffer(std::move(buffer), bytes);
  }

  ChunkPool pool;
};

TEST_F(OutputQueueTest, KeepsTheOrderOfCopiesAndLentBuffers) {
  OutputQueue queue(pool, ChunkPool::kSmall);
  std::string expected;
  for (unsigned i = 0; i < 200; ++i) {
    const std::string text = TextOf((i * 37) % 3000, i);
    expected += text;
    if (i % 3 == 0) {
      AppendLent(queue, text);
    } else {
      queue.Append(Bytes(text));
    }
  }
  EXPECT_EQ(queue.size(), expected.size());
  EXPECT_EQ(queue.queued(), expected.size());
  EXPECT_EQ(Contents(queue), expected);
  EXPECT_EQ(queue.taken(), expected.size());
  EXPECT_EQ(queue.copied_size(), 0u);
}

TEST_F(OutputQueueTest, SmallCopiesShareOneEntry) {
  OutputQueue queue(pool);
  for (int i = 0; i < 100; ++i) queue.Append(Bytes("0123456789"));
  std::array<iovec, 4> parts;
  EXPECT_EQ(queue.Gather(parts), 1u);
  EXPECT_EQ(parts[0].iov_len, 1000u);
}

TEST_F(OutputQueueTest, LentBuffersLeaveWithTheirLastByte) {
  OutputQueue queue(pool);
  AppendLent(queue, "abc");
  AppendLent(queue, "def");
  queue.Consume(2);
  EXPECT_EQ(TextBuffer::live, 2);
  queue.Consume(1);
  EXPECT_EQ(TextBuffer::live, 1);
  queue.Consume(3);
  EXPECT_EQ(TextBuffer::live, 0);
}

TEST_F(OutputQueueTest, ClearsAndIsDestroyedWithBuffersInside) {
  OutputQueue queue(pool);
  AppendLent(queue, "abc");
  queue.Clear();
  EXPECT_EQ(TextBuffer::live, 0);
  AppendLent(queue, "abc");
}

TEST_F(OutputQueueTest, MovesAnyPartToAnotherQueue) {
  for (const size_t step : {1u, 7u, 1000u, 2047u, 2048u, 5000u, 100'000u}) {
    OutputQueue from(pool, ChunkPool::kSmall);
    OutputQueue to(pool);
    std::string expected = "head";
    to.Append(Bytes(expected));
    std::string body;
    for (unsigned i = 0; i < 10; ++i) {
      const std::string text = TextOf(i * 600, i);
      body += text;
      i % 2 == 0 ? from.Append(Bytes(text)) : AppendLent(from, text);
    }
    while (!from.empty()) {
      const size_t n = std::min(step, from.size());
      from.MoveTo(to, n);
      to.Append(Bytes("|"));
      expected += body.substr(0, n) + "|";
      body.erase(0, n);
    }
    EXPECT_EQ(Contents(to), expected) << step;
  }
}

TEST_F(OutputQueueTest, AChunkSharedByTwoQueuesIsNotWrittenOver) {
  OutputQueue first(pool);
  OutputQueue second(pool);
  const std::string text = TextOf(8000, 1);
  first.Append(Bytes(text));
  first.MoveTo(second, 4000);  // by reference
  first.Append(Bytes("more"));
  second.Append(Bytes("other"));
  EXPECT_EQ(Contents(first), text.substr(4000) + "more");
  first.Append(Bytes(TextOf(9000, 2)));
  EXPECT_EQ(Contents(second), text.substr(0, 4000) + "other");
}

// A socket that takes little at a time.
class SocketPair {
 public:
  SocketPair() {
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds_), 0);
    const int size = 4096;
    setsockopt(fds_[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
  }
  ~SocketPair() {
    close(fds_[0]);
    CloseReader();
  }
  int writer() const { return fds_[0]; }
  std::string Read(size_t most) {
    std::string text(most, '\0');
    const ssize_t n = read(fds_[1], text.data(), most);
    text.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return text;
  }
  void CloseReader() {
    if (fds_[1] >= 0) close(fds_[1]);
    fds_[1] = -1;
  }

 private:
  int fds_[2];
};

TEST_F(OutputQueueTest, WritesOnAfterPartialWrites) {
  SocketPair sockets;
  OutputQueue queue(pool);
  std::string expected;
  for (unsigned i = 0; i < 300; ++i) {
    const std::string text = TextOf(1 + i * 13 % 900, i);
    expected += text;
    i % 2 == 0 ? queue.Append(Bytes(text)) : AppendLent(queue, text);
  }
  std::string got;
  int blocked = 0;
  while (true) {
    const WriteResult result = queue.WriteTo(sockets.writer(), 1 << 20);
    if (result == WriteResult::kEmpty) break;
    ASSERT_EQ(result, WriteResult::kBlocked);
    ++blocked;
    got += sockets.Read(1000 + static_cast<size_t>(blocked) * 77);
  }
  for (std::string more = sockets.Read(65536); !more.empty(); more = sockets.Read(65536))
    got += more;
  EXPECT_GT(blocked, 3);
  EXPECT_EQ(got, expected);
}

TEST_F(OutputQueueTest, StopsAtTheLimitAndFailsWhenThePeerIsGone) {
  SocketPair sockets;
  OutputQueue queue(pool);
  for (int i = 0; i < 200; ++i) AppendLent(queue, "ab");
  EXPECT_EQ(queue.WriteTo(sockets.writer(), 1), WriteResult::kLimit);
  EXPECT_GT(queue.size(), 0u);
  sockets.CloseReader();
  EXPECT_EQ(queue.WriteTo(sockets.writer(), 1 << 20), WriteResult::kFailed);
}

TEST_F(OutputQueueTest, ManySmallSegmentsCostLinearTime) {
  OutputQueue queue(pool);
  constexpr int kSegments = 400'000;
  base::BufferRef buffer = Lend("x");
  for (int i = 0; i < kSegments; ++i) queue.AppendBuffer(buffer, buffer->bytes());
  for (int i = 0; i < kSegments; ++i) queue.Consume(1);
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace serving::net
