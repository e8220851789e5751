// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/server.h"

#include <algorithm>
#include <future>
#include <utility>

#include "net/connection.h"
#include "net/io_thread.h"
#include "net/listener.h"
#include "net/nghttp2_abi.h"

namespace serving::net {
namespace {

class ServerOfThreads final : public Server {
 public:
  ServerOfThreads(const Limits& limits, const base::Clock* clock)
      : limits_(limits), clock_(clock == nullptr ? steady_clock_ : *clock) {}
  ~ServerOfThreads() override { Stop(); }

  base::Status StartThreads(int count, const nghttp2::Api& http2, const HandlerFactory& factory) {
    for (int i = 0; i < count; ++i) {
      auto thread = std::make_unique<IoThread>(i, limits_, http2, clock_, counts_);
      RETURN_IF_ERROR(thread->Start(factory));
      threads_.push_back(std::move(thread));
    }
    for (const std::unique_ptr<IoThread>& thread : threads_) {
      RunOn(*thread, [this, &thread] {
        thread->on_connection_closed = [this, is_first = thread == threads_.front()] {
          OnConnectionClosed(is_first);
        };
      });
    }
    return {};
  }

  base::Result<Listening> Listen(const ListenerOptions& options) override;
  void StopListening() override;
  void Stop() override;
  size_t connections() const override { return counts_.open.load(std::memory_order_relaxed); }

 private:
  // Runs `task` on the thread's loop and waits for it.
  static void RunOn(IoThread& thread, const std::function<void()>& task) {
    std::promise<void> done;
    thread.Post([&task, &done] {
      task();
      done.set_value();
    });
    done.get_future().wait();
  }

  // On thread 0.
  void Hand(AcceptedSocket socket);
  void OnRoom();
  // On the thread that lost a connection.
  void OnConnectionClosed(bool is_first_thread);

  const Limits limits_;
  const base::SteadyClock steady_clock_;
  const base::Clock& clock_;
  ConnectionCounts counts_;
  std::vector<std::unique_ptr<IoThread>> threads_;
  std::vector<std::unique_ptr<Listener>> listeners_;  // thread 0, once started
  bool is_stopped_ = false;
};

base::Result<Listening> ServerOfThreads::Listen(const ListenerOptions& options) {
  if (is_stopped_) return base::Unavailable("the server has been stopped");
  auto listener = std::make_unique<Listener>(
      options, limits_, counts_, [this](AcceptedSocket socket) { Hand(std::move(socket)); });
  ASSIGN_OR_RETURN(const uint16_t port, listener->Open());
  base::Status started;
  Listening listening{0, options.host, port};
  RunOn(*threads_.front(), [&] {
    started = listener->Start(*threads_.front());
    if (!started.ok()) return;
    listening.id = static_cast<int>(listeners_.size());
    listeners_.push_back(std::move(listener));
  });
  if (!started.ok()) return started;
  return listening;
}

void ServerOfThreads::Hand(AcceptedSocket socket) {
  const auto fewest = std::min_element(
      threads_.begin(), threads_.end(),
      [](const auto& a, const auto& b) { return a->connections() < b->connections(); });
  IoThread& thread = **fewest;
  thread.CountConnection();
  if (fewest == threads_.begin()) {
    thread.Adopt(std::move(socket));
  } else {
    thread.Post([&thread, moved = std::move(socket)] { thread.Adopt(moved); });
  }
}

void ServerOfThreads::OnRoom() {
  for (const std::unique_ptr<Listener>& listener : listeners_) listener->OnRoom();
}

void ServerOfThreads::OnConnectionClosed(bool is_first_thread) {
  // Only where accepting may be at rest: one below the bound, seen from either side of it.
  if (counts_.open.load(std::memory_order_relaxed) + 1 < limits_.max_connections) return;
  if (is_first_thread) {
    OnRoom();
  } else {
    threads_.front()->Post([this] { OnRoom(); });
  }
}

void ServerOfThreads::StopListening() {
  if (is_stopped_) return;
  RunOn(*threads_.front(), [this] {
    for (const std::unique_ptr<Listener>& listener : listeners_) listener->Finish();
  });
  for (const std::unique_ptr<IoThread>& thread : threads_) {
    RunOn(*thread, [&thread] { thread->StartDraining(); });
  }
}

void ServerOfThreads::Stop() {
  if (std::exchange(is_stopped_, true)) return;
  if (threads_.empty()) return;
  // Thread 0 first: it hands sockets to the others.
  RunOn(*threads_.front(), [this] { listeners_.clear(); });
  for (const std::unique_ptr<IoThread>& thread : threads_) thread->Quit();
  for (const std::unique_ptr<IoThread>& thread : threads_) thread->Join();
}

}  // namespace

base::Result<std::unique_ptr<Server>> Server::Start(int threads, const Limits& limits,
                                                    HandlerFactory factory,
                                                    const base::Clock* clock) {
  if (threads < 1) return base::InvalidArgument("a server needs at least one I/O thread");
  ASSIGN_OR_RETURN(const nghttp2::Api* const http2, nghttp2::Load());
  auto server = std::make_unique<ServerOfThreads>(limits, clock);
  RETURN_IF_ERROR(server->StartThreads(threads, *http2, factory));
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace serving::net
