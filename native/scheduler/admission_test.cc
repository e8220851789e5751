// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "scheduler/admission.h"

#include <algorithm>
#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace serving::scheduler {
namespace {

using std::chrono::milliseconds;

constexpr base::Instant kStart{std::chrono::hours(1)};

class SilentSink final : public core::ResponseSink {
 public:
  core::InferResponse* NewResponse() override { return nullptr; }
  base::BufferRef AllocateOutput(uint32_t, size_t) override { return nullptr; }
  base::Waker* Send(core::InferResponse*) override { return nullptr; }
};

// A model named m whose batches of `kRows` rows take 10 ms on each of two instances.
class Admission : public ::testing::Test {
 protected:
  static constexpr int64_t kRows = 4;

  static core::ModelPlan Plan() {
    core::ModelPlan plan;
    plan.name = "m";
    plan.queue.predicts_wait = true;
    plan.queue.priority_levels = 3;
    plan.queue.default_priority_level = 2;
    plan.queue.full_status = base::StatusCode::kResourceExhausted;
    return plan;
  }
  void Learn(int executions = 8) {
    for (int i = 0; i < executions; ++i) costs_.Add(kRows, milliseconds(10));
  }
  static Arrival Request(uint64_t bytes, base::Instant deadline,
                         base::Instant expires = base::kNever) {
    return {.rows = kRows,
            .bytes = bytes,
            .expires = std::min(deadline, expires),
            .deadline = deadline};
  }
  void Wait(int requests, uint64_t level = 2, uint64_t bytes = 0) {
    for (int i = 0; i < requests; ++i) {
      QueuedRequest queued{.rows = kRows, .bytes = bytes, .enqueued = kStart};
      queued.request = core::RequestPtr(new core::InferRequest);
      queued.request->sink = base::MakeRef<SilentSink>();
      queue_.Push(level, std::move(queued));
    }
  }
  base::Status Judge(const Arrival& arriving, uint64_t level = 2) {
    return Admit(plan_, {queue_, costs_, kRows, 2}, level, arriving, kStart);
  }
  std::string JudgeIn(milliseconds time, uint64_t level = 2) {
    return std::string(Judge(Request(0, kStart + time), level).message());
  }

  core::ModelPlan plan_ = Plan();
  PriorityQueue queue_{plan_.queue};
  CostCurve costs_{kRows};
};

TEST_F(Admission, RefusesWhatCannotBeInTime) {
  Learn();
  Wait(4);  // two batches on each instance: 20 ms, and 10 of its own
  EXPECT_EQ(JudgeIn(milliseconds(30)), "");
  EXPECT_EQ(
      JudgeIn(milliseconds(29)),
      "Request would be too late: model 'm' can serve it in 30.0 ms at the soonest and it has "
      "29.0 ms; send it again later, give it more time, or set 'admission' in the model's "
      "parameters to 'off'");
  EXPECT_EQ(Judge(Request(0, kStart)).code(), base::StatusCode::kResourceExhausted);
}

TEST_F(Admission, AsksOfATimeInTheQueueOnlyThatItBeginsInTime) {
  Learn();
  Wait(4);
  EXPECT_TRUE(Judge(Request(0, base::kNever, kStart + milliseconds(20))).ok());
  EXPECT_FALSE(Judge(Request(0, base::kNever, kStart + milliseconds(19))).ok());
}

TEST_F(Admission, LetsInWhoHasTime) {
  Learn();
  Wait(1000);
  EXPECT_TRUE(Judge(Request(0, base::kNever)).ok());
}

TEST_F(Admission, NeverRefusesWithoutKnowing) {
  Learn(7);
  Wait(1000);
  EXPECT_EQ(JudgeIn(milliseconds(1)), "");
}

TEST_F(Admission, NeverRefusesWhereNobodyWaits) {
  Learn();
  EXPECT_EQ(JudgeIn(milliseconds(1)), "");
}

TEST_F(Admission, NeverRefusesWhereItIsOff) {
  plan_.queue.predicts_wait = false;
  Learn();
  Wait(1000);
  EXPECT_EQ(JudgeIn(milliseconds(1)), "");
}

TEST_F(Admission, LooksAtWhoIsServedBefore) {
  Learn();
  Wait(4, 3);
  EXPECT_EQ(JudgeIn(milliseconds(1), 2), "");
  EXPECT_NE(JudgeIn(milliseconds(1), 3), "");
  Wait(4, 1);
  EXPECT_NE(JudgeIn(milliseconds(1), 2), "");
}

TEST_F(Admission, LetsAPolicyOfDelayServeTheLate) {
  plan_.queue.delays_expired = true;
  Learn();
  Wait(1000);
  EXPECT_TRUE(Judge(Request(0, base::kNever, kStart + milliseconds(1))).ok());
}

TEST_F(Admission, BoundsTheBytes) {
  plan_.queue.max_queue_bytes = 100;
  Wait(2, 2, 40);
  EXPECT_TRUE(Judge(Request(20, base::kNever)).ok());
  EXPECT_EQ(Judge(Request(21, base::kNever)).message(),
            "Exceeds maximum queue bytes: inputs of 80 bytes wait for model 'm', this "
            "request has 21 and 100 may wait; send it again later, or raise "
            "'max_queue_bytes' in the model's parameters or --max-queue-bytes");
  EXPECT_FALSE(Judge(Request(UINT64_MAX, base::kNever)).ok());
}

TEST_F(Admission, TakesOneOfAnySizeWhereNobodyWaits) {
  plan_.queue.max_queue_bytes = 100;
  EXPECT_TRUE(Judge(Request(1000, base::kNever)).ok());
  Wait(1, 2, 1000);
  EXPECT_FALSE(Judge(Request(0, base::kNever)).ok());
}

}  // namespace
}  // namespace serving::scheduler
