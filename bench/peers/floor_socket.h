// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0
//
// What both floor servers share: a loopback listener, an epoll loop, a canned body from a file.
// The floors know nothing of models; they show what sockets and framing alone cost.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <unordered_map>

namespace bench {

inline bool ReadFile(const char* path, std::string* to) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return false;
  to->assign(std::istreambuf_iterator<char>(file), {});
  return true;
}

// Listens on a free loopback port and prints it on standard output. Returns -1 on failure.
inline int ListenAndTell() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(fd, 1024) != 0 || getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return -1;
  }
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  return fd;
}

// Serves until killed. Connection(int fd) has `bool OnReadable()` and `bool OnWritable()`, which
// return false to be closed, and `bool wants_write() const`.
template <typename Connection, typename... Args>
int ServeForever(int listener, const Args&... args) {
  const int poll = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{.events = EPOLLIN, .data = {.fd = listener}};
  if (poll < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event) != 0) return 1;
  struct Slot {
    std::unique_ptr<Connection> connection;
    bool writing = false;
  };
  std::unordered_map<int, Slot> slots;
  epoll_event events[256];
  for (;;) {
    const int count = epoll_wait(poll, events, 256, -1);
    if (count < 0 && errno != EINTR) return 1;
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == listener) {
        for (int peer; (peer = accept4(listener, nullptr, nullptr,
                                       SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
          const int one = 1;
          setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
          epoll_event add{.events = EPOLLIN, .data = {.fd = peer}};
          if (epoll_ctl(poll, EPOLL_CTL_ADD, peer, &add) != 0) {
            close(peer);
            continue;
          }
          slots[peer].connection = std::make_unique<Connection>(peer, args...);
        }
        continue;
      }
      Slot& slot = slots[fd];
      bool open = true;
      if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) open = slot.connection->OnReadable();
      if (open && (events[i].events & EPOLLOUT)) open = slot.connection->OnWritable();
      if (!open) {
        slots.erase(fd);
        close(fd);
        continue;
      }
      if (slot.connection->wants_write() != slot.writing) {
        slot.writing = !slot.writing;
        const std::uint32_t wanted = slot.writing ? EPOLLIN | EPOLLOUT : EPOLLIN;
        epoll_event change{.events = wanted, .data = {.fd = fd}};
        epoll_ctl(poll, EPOLL_CTL_MOD, fd, &change);
      }
    }
  }
}

}  // namespace bench
