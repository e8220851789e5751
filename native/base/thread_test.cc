// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "base/thread.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include "base/ref.h"
#include "base/waker.h"

namespace serving::base {
namespace {

TEST(Thread, BlocksSignalsInTheNewThreadOnly) {
  bool blocked = false;
  bool can_fault = false;
  {
    Thread thread("a name over fifteen characters", [&] {
      sigset_t mask;
      pthread_sigmask(SIG_BLOCK, nullptr, &mask);
      blocked = sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGUSR1) == 1;
      can_fault = sigismember(&mask, SIGBUS) == 0 && sigismember(&mask, SIGSEGV) == 0;
    });
  }
  EXPECT_TRUE(blocked);
  EXPECT_TRUE(can_fault);
  sigset_t mask;
  pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  EXPECT_EQ(sigismember(&mask, SIGTERM), 0);
}

TEST(Thread, JoinIsIdempotentAndEmptyThreadsAreFine) {
  int runs = 0;
  Thread thread("t", [&] { ++runs; });
  thread.Join();
  thread.Join();
  Thread empty;
  empty.Join();
  EXPECT_EQ(runs, 1);
}

TEST(AllowedCpus, IsAtLeastOne) { EXPECT_GE(AllowedCpus(), 1); }

bool IsReadable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return poll(&entry, 1, 0) == 1;
}

TEST(Waker, StaysReadableUntilCleared) {
  const Ref<EventWaker> waker = MakeRef<EventWaker>();
  EXPECT_FALSE(IsReadable(waker->fd()));
  waker->Clear();  // nothing pending: does not block
  waker->Wake();
  waker->Wake();
  EXPECT_TRUE(IsReadable(waker->fd()));
  waker->Clear();
  EXPECT_FALSE(IsReadable(waker->fd()));
}

TEST(Waker, WakesAWaitingThread) {
  const Ref<EventWaker> waker = MakeRef<EventWaker>();
  int ready = 0;
  Thread sleeper("sleeper", [&] {
    pollfd entry{waker->fd(), POLLIN, 0};
    ready = poll(&entry, 1, 30'000);
  });
  waker->Wake();
  sleeper.Join();
  EXPECT_EQ(ready, 1);
}

}  // namespace
}  // namespace serving::base
