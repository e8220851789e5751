// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/io_thread.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <future>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "net/connection.h"
#include "net/http1_session.h"
#include "net/http2_session.h"

namespace serving::net {
namespace {

constexpr size_t kIdleHttp1Streams = 256;
constexpr size_t kIdleHttp2Streams = 4096;
// Rounds of callbacks that queue more while being told of what was written, before sockets are
// looked at again.
constexpr int kMaxFlushRounds = 4;

}  // namespace

IoThread::IoThread(int index, const Limits& limits, const nghttp2::Api& http2,
                   const base::Clock& clock, ConnectionCounts& counts)
    : index_(index),
      limits_(limits),
      http2_(http2),
      counts_(counts),
      waker_(base::MakeRef<base::EventWaker>()),
      clock_(clock),
      now_(clock_.Now()),
      timers_(now_),
      read_buffer_(std::make_unique_for_overwrite<std::byte[]>(kReadBufferBytes)),
      http1_streams_(std::make_unique<ObjectPool<Http1Stream>>(
          [this] { return std::make_unique<Http1Stream>(*this); }, kIdleHttp1Streams)),
      http2_streams_(std::make_unique<ObjectPool<Http2Stream>>(
          [this] { return std::make_unique<Http2Stream>(*this); }, kIdleHttp2Streams)) {}

IoThread::~IoThread() {
  Join();
  for (Task* task = tasks_.TakeAll(); task != nullptr;) {
    const std::unique_ptr<Task> owned(task);
    task = owned->next;
  }
  if (epoll_fd_ >= 0) close(epoll_fd_);
}

base::Status IoThread::Start(const Server::HandlerFactory& factory) {
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd_ < 0) {
    return base::ResourceExhausted(std::string("the kernel gave no epoll descriptor: ") +
                                   std::strerror(errno));
  }
  // Edge-triggered, every write to the eventfd is an event of its own: its count need never be
  // read.
  if (!Watch(waker_->fd(), waker_events_, EPOLLIN | EPOLLET)) {
    return base::ResourceExhausted(std::string("the kernel does not watch an eventfd: ") +
                                   std::strerror(errno));
  }
  std::promise<void> started;
  thread_ = base::Thread("nereid-io-" + std::to_string(index_), [this, &factory, &started] {
    handler_ = factory(index_, waker_);
    started.set_value();
    Run();
  });
  started.get_future().wait();
  return {};
}

void IoThread::Post(std::function<void()> task) {
  auto node = std::make_unique<Task>();
  node->run = std::move(task);
  if (tasks_.Push(node.release())) waker_->Wake();
}

void IoThread::Quit() {
  Post([this] { is_quitting_ = true; });
}

void IoThread::RunTasks() {
  for (Task* task = tasks_.TakeAll(); task != nullptr;) {
    const std::unique_ptr<Task> owned(task);
    task = owned->next;
    owned->run();
  }
}

bool IoThread::Watch(int fd, Pollable& pollable, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &pollable;
  return epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0;
}

void IoThread::Unwatch(int fd) { epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr); }

void IoThread::Run() {
  while (!is_quitting_) Turn();
  CloseAll();
  handler_->OnStopped();
  handler_.reset();
}

int IoThread::WaitMilliseconds() {
  if (!to_read_.empty() || !to_flush_.empty()) return 0;
  const base::Instant next = timers_.Next();
  if (next == base::kNever) return -1;
  const base::Nanoseconds wait = next - clock_.Now();
  if (wait.count() <= 0) return 0;
  constexpr int64_t kLongest = 3'600'000;
  return static_cast<int>(std::min<int64_t>((wait.count() + 999'999) / 1'000'000, kLongest));
}

void IoThread::Turn() {
  std::array<epoll_event, kMaxEvents> events;
  const int count = epoll_wait(epoll_fd_, events.data(), kMaxEvents, WaitMilliseconds());
  SERVING_CHECK(count >= 0 || errno == EINTR, "epoll_wait failed");
  now_ = clock_.Now();
  waker_events_.rang = false;
  reading_.swap(to_read_);
  for (Connection* connection : reading_) connection->Read();
  reading_.clear();
  for (int i = 0; i < count; ++i) {
    static_cast<Pollable*>(events[static_cast<size_t>(i)].data.ptr)
        ->OnEvents(events[static_cast<size_t>(i)].events);
  }
  if (waker_events_.rang) {
    RunTasks();
    handler_->OnWake();
  }
  timers_.Advance(now_);
  handler_->OnTurnEnd();
  FlushAll();
  buried_.clear();
}

void IoThread::FlushAll() {
  for (int round = 0; round < kMaxFlushRounds && !to_flush_.empty(); ++round) {
    flushing_.swap(to_flush_);
    for (Connection* connection : flushing_) connection->Flush();
    flushing_.clear();
  }
}

void IoThread::Adopt(AcceptedSocket socket) {
  auto owned = std::make_unique<Connection>(*this, std::move(socket));
  Connection& connection = *owned;
  connection.index_in_thread = connections_.size();
  connections_.push_back(std::move(owned));
  if (is_quitting_ || !connection.Open()) connection.Close();
}

void IoThread::Bury(Connection& connection) {
  std::erase(to_read_, &connection);
  std::erase(to_flush_, &connection);
  const size_t index = connection.index_in_thread;
  buried_.push_back(std::move(connections_[index]));
  if (index + 1 < connections_.size()) {
    connections_[index] = std::move(connections_.back());
    connections_[index]->index_in_thread = index;
  }
  connections_.pop_back();
  connection_count_.fetch_sub(1, std::memory_order_relaxed);
  counts_.open.fetch_sub(1, std::memory_order_relaxed);
  if (on_connection_closed) on_connection_closed();
}

void IoThread::StartDraining() {
  is_draining_ = true;
  for (const std::unique_ptr<Connection>& connection : connections_) connection->OnStopListening();
}

void IoThread::CloseAll() {
  while (!connections_.empty()) connections_.back()->Close();
  // Sockets that were on their way here.
  RunTasks();
  buried_.clear();
}

std::string_view IoThread::http_date() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (now.tv_sec != date_second_) {
    date_second_ = now.tv_sec;
    tm parts{};
    gmtime_r(&now.tv_sec, &parts);
    // Not strftime, whose names follow the process's locale.
    constexpr std::array<const char*, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    std::snprintf(
        date_.data(), date_.size(), "%s, %02u %s %04u %02u:%02u:%02u GMT",
        kDays[static_cast<size_t>(parts.tm_wday)], static_cast<unsigned>(parts.tm_mday) % 100,
        kMonths[static_cast<size_t>(parts.tm_mon)],
        static_cast<unsigned>(parts.tm_year + 1900) % 10'000,
        static_cast<unsigned>(parts.tm_hour) % 100, static_cast<unsigned>(parts.tm_min) % 100,
        static_cast<unsigned>(parts.tm_sec) % 100);
  }
  return {date_.data(), 29};
}

}  // namespace serving::net
