// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "core/infer_request.h"
#include "core/request_chain.h"

namespace serving::scheduler {

struct SequenceRules {
  uint32_t instances = 1;
  uint32_t slots = 1;  // sequences that an instance serves at once
  base::Nanoseconds max_idle = std::chrono::seconds(1);
  // Every request is a sequence of its own, which ends with it; it may run many times.
  bool is_iterative = false;
  bool counts_bytes = false;  // of the inputs of what waits
};

// A sequence while it lasts; the number is used again after that.
using SequenceIndex = uint32_t;
inline constexpr SequenceIndex kNoSequence = UINT32_MAX;

// Where a sequence is served. Instance and slot are its own until it ends.
struct SequencePlace {
  uint32_t instance = 0;
  uint32_t slot = 0;
};

// The sequences of one model: who belongs to which, who has a slot, who waits for one, who may run.
//
// A sequence begins with a START request and ends when its END request has been answered, when it
// was idle for too long, or when a request of it is lost. It gets the free slot with the lowest
// number, of several instances the first, or waits behind the others in the backlog. Of a sequence
// one request is in flight at a time, in the order of arrival. A second START goes on in the same
// slot.
//
//   unknown   after END: nothing more comes; the same id begins another sequence
//   backlog   has no slot; all its requests wait
//   ready     has a slot and requests, none in flight
//   running   has a slot and one request in flight
//   idle      has a slot and nothing else
//
// Every step costs the same however many there are, but for the logarithm of the free slots and of
// the timeouts in the backlog. Pure: no clock, no lock. Not thread-safe: its model's lock guards
// it.
class Sequences {
 public:
  enum class Refusal : uint8_t { kNone, kNoCorrelationId, kMustStart };
  struct Added {
    Refusal refusal = Refusal::kNone;
    SequenceIndex sequence = kNoSequence;
    bool is_new = false;
  };

  explicit Sequences(const SequenceRules& rules);
  ~Sequences();
  Sequences(const Sequences&) = delete;
  Sequences& operator=(const Sequences&) = delete;

  // Told of every sequence that is over, before its number is used again.
  std::function<void(SequenceIndex)> when_over;

  // Requests that wait, in the backlog and in slots.
  size_t waiting() const { return waiting_; }
  uint64_t waiting_bytes() const { return waiting_bytes_; }  // 0 unless the rules count them
  size_t backlog() const { return backlog_count_; }          // sequences
  size_t active() const { return active_; }                  // sequences that have a slot

  // Puts the request behind the others of its sequence. One that is refused stays the caller's.
  Added Add(core::RequestPtr& request, base::Instant now);

  // Who waits first for a slot.
  SequenceIndex FirstOfBacklog() const { return backlog_.first; }
  // The ready sequence that has been so for the longest time.
  SequenceIndex FirstReady() const { return ready_.first; }
  // Who is served there; kNoSequence = nobody.
  SequenceIndex At(SequencePlace place) const;
  // No slot from this one on has been used.
  uint32_t SlotsOf(uint32_t instance) const {
    return instance < instances_.size() ? static_cast<uint32_t>(instances_[instance].slots.size())
                                        : 0;
  }
  SequencePlace PlaceOf(SequenceIndex sequence) const { return sequences_[sequence].place; }
  // The next request of a ready sequence; null of any other.
  const core::InferRequest* Next(SequenceIndex sequence) const;
  // Takes it: it is in flight.
  core::RequestPtr Take(SequenceIndex sequence);
  // What waits of any sequence, the next first.
  const core::InferRequest* FirstWaiting(SequenceIndex sequence) const {
    return sequence < sequences_.size() ? sequences_[sequence].waiting.first : nullptr;
  }
  bool IsRunning(SequenceIndex sequence) const {
    return sequence < sequences_.size() && sequences_[sequence].is_running;
  }

  // The request in flight has its last answer.
  void Finish(SequenceIndex sequence, base::Instant now);
  // The request in flight is to run again, before the others of its sequence.
  void Return(SequenceIndex sequence, core::RequestPtr request);
  // A request of it is lost, so it ends; what is in flight is finished first. Returns what waited.
  core::RequestChain End(SequenceIndex sequence);

  // ---- changes while it serves

  // More instances offer their slots at once. Those that are too many, the last ones, keep their
  // sequences until they end and get no others. One that comes back is as it was, if it left with
  // sequences that still run.
  void SetInstances(uint32_t count);
  uint32_t instances() const { return rules_.instances; }
  // Sequences that have a slot of the instance, of one that left too.
  uint32_t ActiveAt(uint32_t instance) const {
    return instance < instances_.size() ? instances_[instance].active : 0;
  }
  // Of sequences that are idle already, too.
  void SetMaxIdle(base::Nanoseconds max_idle) { rules_.max_idle = max_idle; }
  // The bytes of what waits already are counted too.
  void SetCountsBytes(bool counts_bytes);

  // An instance that cannot serve keeps its sequences and gets no others; those wait in the backlog
  // if there is no slot elsewhere.
  void Park(uint32_t instance);
  void Unpark(uint32_t instance);
  // Ends every sequence. Returns what waited.
  core::RequestChain EndAll();

  // Ends what has been idle for too long. Returns the requests of sequences that were out of time
  // in the backlog, which end as well.
  core::RequestChain Expire(base::Instant now);
  // When to call it; no step makes it earlier than it was told but Add, Finish and SetMaxIdle.
  base::Instant NextExpiry() const;

  // Nothing more is added: what is idle ends at once, from now on too.
  void Close();

 private:
  enum class State : uint8_t { kUnused, kBacklog, kReady, kRunning, kIdle };
  using Key = std::variant<uint64_t, std::string>;
  using KeyView = std::variant<uint64_t, std::string_view>;
  struct Hash {
    using is_transparent = void;
    size_t operator()(const KeyView& key) const;
    size_t operator()(const Key& key) const;
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const Key& a, const Key& b) const { return a == b; }
    bool operator()(const KeyView& a, const Key& b) const;
    bool operator()(const Key& a, const KeyView& b) const { return (*this)(b, a); }
  };
  using Names = std::unordered_map<Key, SequenceIndex, Hash, Equal>;
  struct List {
    SequenceIndex first = kNoSequence;
    SequenceIndex last = kNoSequence;
  };
  struct Sequence {
    core::RequestChain waiting;
    const Key* name = nullptr;  // in names_, while it is known
    SequencePlace place;
    base::Instant idle_since{};
    base::Instant expires = base::kNever;  // in the backlog
    SequenceIndex previous = kNoSequence;
    SequenceIndex next = kNoSequence;
    State state = State::kUnused;
    bool is_known = false;  // more may come
    bool is_running = false;
  };

  // A slot that is free: the lowest number first, then the first instance.
  struct FreePlace {
    uint32_t slot = 0;
    uint32_t instance = 0;
    auto operator<=>(const FreePlace&) const = default;
  };
  struct Instance {
    std::vector<SequenceIndex> slots;
    uint32_t untouched = 0;  // the first slot that has never been used; it stands for those after
    uint32_t active = 0;
    bool is_parked = false;
  };

  static bool ToKey(const core::CorrelationId& id, KeyView& key);
  List* ListOf(State state);
  void Move(SequenceIndex index, State state);
  SequenceIndex Make();
  void Forget(Sequence& sequence);
  bool TakeSlot(SequencePlace& place);
  void GiveSlot(SequenceIndex index, SequencePlace place);
  bool GetsSequences(uint32_t instance) const {
    return instance < rules_.instances && !instances_[instance].is_parked;
  }
  // To the first of the backlog, or to whoever comes.
  void FreeSlot(FreePlace place);
  // What is free goes to the backlog while there is any.
  void FillSlots();
  // The free slots of instances that get sequences again.
  void OfferKeptSlots();
  uint64_t BytesOf(const core::InferRequest& request) const {
    return rules_.counts_bytes ? core::InputBytes(request) : 0;
  }
  // Of a sequence that has nothing in flight: what it is now.
  void Settle(SequenceIndex index, base::Instant now);
  // Ends a sequence that nobody waits for; its slot goes to the next of the backlog.
  void Release(SequenceIndex index);
  void DropExpiry(SequenceIndex index);

  SequenceRules rules_;
  std::deque<Sequence> sequences_;
  std::vector<SequenceIndex> unused_;
  Names names_;
  List backlog_;
  List ready_;
  List idle_;
  std::vector<Instance> instances_;    // those that left as well
  std::vector<FreePlace> free_slots_;  // a heap; of what is untouched, the first of each instance
  std::vector<FreePlace> kept_slots_;  // free ones of instances that get no sequences
  std::set<std::pair<base::Instant, SequenceIndex>> expiries_;
  size_t waiting_ = 0;
  uint64_t waiting_bytes_ = 0;
  size_t backlog_count_ = 0;
  size_t active_ = 0;
  bool is_closed_ = false;
};

}  // namespace serving::scheduler
