// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// The policy at a running frontend: two I/O threads, clients on sockets, verdicts from elsewhere.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "frontend/frontend.h"

namespace serving::frontend {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// Stands for TypeScript: judges tokens on a thread of its own. `good…` is good, `bad…` is bad,
// `never…` gets no answer; calls are answered with 204.
class Judge final : public ControlPort {
 public:
  Judge() : thread_([this] { Run(); }) {}
  ~Judge() override { Stop(); }

  bool Post(std::unique_ptr<ControlCall> call) override {
    std::lock_guard lock(mutex_);
    if (is_full_) return false;
    if (call->is_inquiry) ++inquiries_;
    calls_.push_back(std::move(call));
    changed_.notify_all();
    return true;
  }

  void Serve(Frontend* frontend) {
    std::lock_guard lock(mutex_);
    frontend_ = frontend;
    changed_.notify_all();
  }
  void Stop() {
    {
      std::lock_guard lock(mutex_);
      is_over_ = true;
      changed_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
  }
  void set_full(bool is_full) {
    std::lock_guard lock(mutex_);
    is_full_ = is_full;
  }
  // Verdicts wait until it is open again.
  void set_open(bool is_open) {
    std::lock_guard lock(mutex_);
    is_open_ = is_open;
    changed_.notify_all();
  }
  int inquiries() {
    std::lock_guard lock(mutex_);
    return inquiries_;
  }
  void AwaitInquiries(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return inquiries_ >= count; });
  }

 private:
  void Run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] {
        return is_over_ || (frontend_ != nullptr && is_open_ && !calls_.empty());
      });
      if (is_over_) return;
      const auto call = std::move(calls_.front());
      calls_.pop_front();
      Frontend* const frontend = frontend_;
      lock.unlock();
      Answer(*frontend, *call);
      lock.lock();
    }
  }

  static void Answer(Frontend& frontend, const ControlCall& call) {
    auto reply = std::make_unique<ControlReply>();
    if (!call.is_inquiry) {
      reply->http_status = 204;
    } else if (call.body.starts_with("good")) {
      const Grant::Scopes all = Grant::Bit(Scope::kInfer) | Grant::Bit(Scope::kManage);
      reply->verdict = Verdict{.status = {},
                               .grant = base::MakeRef<Grant>(all, std::vector<std::string>{"m"}),
                               .lifetime = minutes(1)};
    } else if (call.body.starts_with("bad")) {
      reply->verdict =
          Verdict{.status = base::Unauthenticated("bad"), .grant = {}, .lifetime = milliseconds(1)};
    } else {
      return;
    }
    frontend.Reply(call.token, std::move(reply));
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<ControlCall>> calls_;  // guarded by mutex_, as all below
  Frontend* frontend_ = nullptr;
  bool is_over_ = false;
  bool is_full_ = false;
  bool is_open_ = true;
  int inquiries_ = 0;
  std::thread thread_;
};

PolicyRef TokensNeeded() {
  PolicySpec spec;
  spec.needs_key = spec.takes_tokens = true;
  spec.keys.push_back(
      {.digest = base::Sha256("key"),
       .grant = base::MakeRef<Grant>(Grant::Bit(Scope::kInfer), std::vector<std::string>{"*"})});
  return Policy::Compile(std::move(spec)).Take();
}

class Client {
 public:
  explicit Client(uint16_t port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }
  ~Client() { close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void Send(std::string_view text) {
    EXPECT_EQ(send(socket_, text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  // The answer's status; 0 = none came.
  int Status() {
    std::string text;
    char bytes[4096];
    size_t end = 0;
    while ((end = text.find("\r\n\r\n")) == std::string::npos) {
      const ssize_t got = recv(socket_, bytes, sizeof(bytes), 0);
      if (got <= 0) return 0;
      text.append(bytes, static_cast<size_t>(got));
    }
    size_t left = 0;
    if (const size_t at = text.find("content-length: "); at < end) {
      left = std::stoul(text.substr(at + 16));
    }
    while (text.size() < end + 4 + left) {
      const ssize_t got = recv(socket_, bytes, sizeof(bytes), 0);
      if (got <= 0) return 0;
      text.append(bytes, static_cast<size_t>(got));
    }
    return std::stoi(text.substr(9, 3));
  }
  int Ask(std::string_view request) {
    Send(request);
    return Status();
  }

 private:
  const int socket_;
};

std::string Request(std::string_view path, std::string_view token, std::string_view more = "") {
  std::string text = "GET ";
  text.append(path).append(" HTTP/1.1\r\nHost: h\r\nX-Api-Key: ").append(token);
  return text.append("\r\n").append(more).append("\r\n");
}

class Admissions : public ::testing::Test {
 protected:
  Admissions() : engine_({.memory_limit_bytes = 64 << 20}) {
    FrontendOptions options;
    options.io_threads = 2;
    frontend_ = std::make_unique<Frontend>(options, engine_, judge_);
    judge_.Serve(frontend_.get());
  }
  ~Admissions() override {
    frontend_->Stop();
    judge_.Stop();
    engine_.Stop();
  }

  void Listen(PolicyRef policy) {
    frontend_->SetPolicy(std::move(policy), [] {});
    net::ListenerOptions options;
    options.host = "127.0.0.1";
    port_ = frontend_->Listen(options).value().port;
  }
  void Swap(PolicyRef policy) {
    std::promise<void> seen;
    frontend_->SetPolicy(std::move(policy), [&seen] { seen.set_value(); });
    seen.get_future().wait();
  }

  engine::Engine engine_;
  Judge judge_;
  std::unique_ptr<Frontend> frontend_;
  uint16_t port_ = 0;
};

constexpr std::string_view kModel = "/v2/models/m";

TEST_F(Admissions, AskOnceForATokenAndRememberIt) {
  Listen(TokensNeeded());
  Client client(port_);
  EXPECT_EQ(client.Ask(Request(kModel, "key")), 204);
  EXPECT_EQ(judge_.inquiries(), 0);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client.Ask(Request(kModel, "good.1.x")), 204);
  EXPECT_EQ(judge_.inquiries(), 1);
  EXPECT_EQ(client.Ask(Request("/v2/models/other", "good.1.x")), 403);
  EXPECT_EQ(client.Ask(Request("/v2/models/other", "good.2.x")), 403);
  EXPECT_EQ(client.Ask(Request(kModel, "bad.1.x")), 401);
  EXPECT_EQ(client.Ask(Request(kModel, "nothing")), 401);
  EXPECT_EQ(judge_.inquiries(), 3);
}

TEST_F(Admissions, KeepCallsWaitingForOneVerdict) {
  Listen(TokensNeeded());
  judge_.set_open(false);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<Client>(port_));
    clients.back()->Send(Request(kModel, "good.3.x"));
  }
  judge_.AwaitInquiries(1);
  for (int i = 0; i < 5; ++i) clients.pop_back();  // these leave before the verdict
  judge_.set_open(true);
  for (const auto& client : clients) EXPECT_EQ(client->Status(), 204);
  EXPECT_LE(judge_.inquiries(), 2) << "once on each thread";
}

TEST_F(Admissions, RefuseNewTokensThatNobodyCanJudgeNow) {
  Listen(TokensNeeded());
  judge_.set_full(true);
  Client client(port_);
  EXPECT_EQ(client.Ask(Request(kModel, "good.4.x")), 503);
  judge_.set_full(false);
  EXPECT_EQ(client.Ask(Request(kModel, "good.4.x")), 204);
}

TEST_F(Admissions, EndWaitingAtTheDeadlineOfTheRequest) {
  PolicySpec spec;
  spec.needs_key = spec.takes_tokens = spec.takes_deadlines = true;
  Listen(Policy::Compile(std::move(spec)).Take());
  Client client(port_);
  const std::string deadline = "X-Request-Timeout-Ms: 20\r\n";
  EXPECT_EQ(client.Ask(Request(kModel, "never.1.x", deadline)), 504);
  // Whoever comes behind it waits for the same verdict.
  EXPECT_EQ(client.Ask(Request(kModel, "never.1.x", deadline)), 504);
  EXPECT_EQ(judge_.inquiries(), 1);
}

TEST_F(Admissions, SwapThePolicyUnderLoad) {
  Listen(TokensNeeded());
  std::atomic<bool> is_over{false};
  std::atomic<int> asked{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&, i] {
      int number = 0;
      while (!is_over) {
        Client client(port_);
        for (int round = 0; round < 10; ++round) {
          const std::string token =
              "good." + std::to_string(i) + "." + std::to_string(number++ % 7);
          // Under the open policy nobody looks at the token.
          if (client.Ask(Request(kModel, token)) != 204) ++wrong;
          const int status = client.Ask(Request(kModel, "bad.1.x"));
          if (status != 401 && status != 204) ++wrong;
          ++asked;
        }
        client.Send(Request(kModel, "good.gone." + std::to_string(number)));
      }
    });
  }
  for (int round = 0; round < 30 || asked < 200; ++round) {
    Swap(round % 2 == 0 ? Policy::Open() : TokensNeeded());
  }
  is_over = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(Admissions, StopWithCallsThatWait) {
  Listen(TokensNeeded());
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<Client>(port_));
    clients.back()->Send(Request(kModel, "never." + std::to_string(i) + ".x"));
  }
  judge_.AwaitInquiries(8);
  frontend_->Stop();
  for (const auto& client : clients) EXPECT_EQ(client->Status(), 0);
}

}  // namespace
}  // namespace serving::frontend
