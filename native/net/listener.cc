// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <memory>
#include <utility>

#include "base/log.h"

namespace serving::net {
namespace {

constexpr int kBacklog = 4096;  // the kernel's net.core.somaxconn cuts it
constexpr int kAcceptsPerTurn = 64;
// Nobody tells when another part of the process closes a descriptor.
constexpr base::Nanoseconds kDescriptorRest = std::chrono::milliseconds(100);
// Against a missed wake only: closing connections say so.
constexpr base::Nanoseconds kRoomRest = std::chrono::seconds(1);

std::string AddressText(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET6) {
    const auto& in6 = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &in6.sin6_addr, text.data(), text.size());
    return "[" + std::string(text.data()) + "]:" + std::to_string(ntohs(in6.sin6_port));
  }
  const auto& in = reinterpret_cast<const sockaddr_in&>(address);
  inet_ntop(AF_INET, &in.sin_addr, text.data(), text.size());
  return std::string(text.data()) + ":" + std::to_string(ntohs(in.sin_port));
}

base::Status Failure(const ListenerOptions& options, const char* what, int error) {
  const std::string where = options.host + ":" + std::to_string(options.port);
  if (error == EADDRINUSE) {
    return base::Unavailable("failed to listen on " + where +
                             ": the address is in use by another process; choose another port");
  }
  return base::Unavailable("failed to listen on " + where + ": " + what + ": " +
                           std::strerror(error));
}

}  // namespace

Listener::Listener(const ListenerOptions& options, const Limits& limits, ConnectionCounts& counts,
                   Hand hand)
    : options_(options),
      limits_(limits),
      counts_(counts),
      hand_(std::move(hand)),
      keepalive_(std::make_shared<const KeepaliveOptions>(options.keepalive)) {}

Listener::~Listener() {
  if (fd_ >= 0) close(fd_);
}

base::Result<uint16_t> Listener::Open() {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(options_.port);
  const int error = getaddrinfo(options_.host.empty() ? nullptr : options_.host.c_str(),
                                port.c_str(), &hints, &found);
  if (error != 0) {
    return base::InvalidArgument(
        "failed to listen on '" + options_.host +
        "': expected an address of this machine, got a name that has none (" + gai_strerror(error) +
        ")");
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, freeaddrinfo);
  // A name may have addresses of a family that this machine does not speak: the first that works.
  base::Status status;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    status = Bind(*address);
    if (status.ok()) return BoundPort();
  }
  return status;
}

base::Status Listener::Bind(const addrinfo& address) {
  if (fd_ >= 0) close(fd_);
  fd_ = socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0) return Failure(options_, "socket", errno);
  const int on = 1;
  setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (options_.reuse_port && setsockopt(fd_, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0) {
    return Failure(options_, "SO_REUSEPORT", errno);
  }
  if (address.ai_family == AF_INET6) {
    // `::` takes IPv4 callers too, as an all-interfaces address is meant.
    const int off = 0;
    setsockopt(fd_, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  }
  if (bind(fd_, address.ai_addr, address.ai_addrlen) != 0) return Failure(options_, "bind", errno);
  if (listen(fd_, kBacklog) != 0) return Failure(options_, "listen", errno);
  return {};
}

uint16_t Listener::BoundPort() const {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

base::Status Listener::Start(IoThread& thread) {
  thread_ = &thread;
  is_watched_ = thread.Watch(fd_, *this, EPOLLIN);
  return is_watched_ ? base::Status() : Failure(options_, "epoll_ctl", errno);
}

void Listener::OnEvents(uint32_t) {
  for (int i = 0; i < kAcceptsPerTurn && fd_ >= 0; ++i) {
    if (AcceptOne() != Accepted::kOne) return;
  }
}

Listener::Accepted Listener::AcceptOne() {
  if (counts_.open.load(std::memory_order_relaxed) >= limits_.max_connections) {
    if (!std::exchange(has_said_why_, true)) {
      SERVING_LOG(kWarning, "accepting rests: all " + std::to_string(limits_.max_connections) +
                                " connections are taken");
    }
    Rest(kRoomRest);
    return Accepted::kNoRoom;
  }
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  const int fd =
      accept4(fd_, reinterpret_cast<sockaddr*>(&address), &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) {
    switch (errno) {
      case EAGAIN:
        return Accepted::kNone;
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM:
        if (!std::exchange(has_said_why_, true)) {
          SERVING_LOG(kWarning, std::string("accepting rests: ") + std::strerror(errno));
        }
        Rest(kDescriptorRest);
        return Accepted::kNoRoom;
      default:
        return Accepted::kOne;  // the caller has gone already; look at the next
    }
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  counts_.open.fetch_add(1, std::memory_order_relaxed);
  hand_({fd, options_.service, options_.allow_http1, options_.allow_http2, keepalive_,
         AddressText(address), options_.tls});
  return Accepted::kOne;
}

void Listener::Rest(base::Nanoseconds time) {
  if (is_watched_) {
    thread_->Unwatch(fd_);
    is_watched_ = false;
  }
  thread_->timers().Arm(*this, thread_->now() + time);
}

void Listener::OnRoom() {
  if (fd_ < 0 || is_watched_) return;
  thread_->timers().Cancel(*this);
  is_watched_ = thread_->Watch(fd_, *this, EPOLLIN);
  if (!is_watched_) Rest(kDescriptorRest);
}

void Listener::Finish() {
  if (fd_ < 0) return;
  // Those in the queue believe to be connected: closing the socket would reset them.
  while (AcceptOne() == Accepted::kOne) {
  }
  if (is_watched_) thread_->Unwatch(fd_);
  thread_->timers().Cancel(*this);
  is_watched_ = false;
  close(fd_);
  fd_ = -1;
}

}  // namespace serving::net
