// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/sha256.h"
#include "base/status.h"
#include "frontend/grant.h"

namespace serving::frontend {

// TypeScript judges a token within milliseconds, or within what a fetch of the issuer's keys takes.
inline constexpr base::Nanoseconds kVerdictPatience = std::chrono::seconds(10);

// What TypeScript says of a token.
struct Verdict {
  base::Status status;
  GrantRef grant;  // null unless OK
  base::Nanoseconds lifetime{0};
};

// Verdicts on tokens by their SHA-256, until they expire. Good and bad ones apart, so that nobody
// can push good tokens out by sending bad ones; each kind loses its oldest when it is full.
//
// Threads: one.
class VerdictCache {
 public:
  VerdictCache(size_t most_good, size_t most_bad) : good_(most_good), bad_(most_bad) {}

  // Null when there is none that still holds.
  const Verdict* Find(const base::Sha256Digest& digest, base::Instant now) {
    const Verdict* found = good_.Find(digest, now);
    return found != nullptr ? found : bad_.Find(digest, now);
  }
  void Put(const base::Sha256Digest& digest, Verdict verdict, base::Instant now) {
    (verdict.status.ok() ? good_ : bad_).Put(digest, std::move(verdict), now);
  }
  size_t size() const { return good_.size() + bad_.size(); }

 private:
  struct Hash {
    size_t operator()(const base::Sha256Digest& digest) const {
      size_t hash = 0;
      std::memcpy(&hash, digest.data(), sizeof(hash));
      return hash;
    }
  };
  class Kind {
   public:
    explicit Kind(size_t most) : most_(most) {}

    const Verdict* Find(const base::Sha256Digest& digest, base::Instant now) {
      const auto found = entries_.find(digest);
      return found == entries_.end() || found->second.expires <= now ? nullptr
                                                                     : &found->second.verdict;
    }
    void Put(const base::Sha256Digest& digest, Verdict verdict, base::Instant now) {
      const base::Instant expires = now + verdict.lifetime;
      const auto [place, is_new] =
          entries_.insert_or_assign(digest, Entry{std::move(verdict), expires});
      if (!is_new) return;
      order_.push_back(digest);
      if (order_.size() <= most_) return;
      entries_.erase(order_.front());
      order_.pop_front();
    }
    size_t size() const { return entries_.size(); }

   private:
    struct Entry {
      Verdict verdict;
      base::Instant expires;
    };
    const size_t most_;
    std::unordered_map<base::Sha256Digest, Entry, Hash> entries_;
    std::deque<base::Sha256Digest> order_;  // oldest first; exactly the keys of entries_
  };

  Kind good_;
  Kind bad_;
};

// Tokens that TypeScript is judging, each asked about once, and the calls that wait for it.
//
// Threads: one.
class TokenInquiries {
 public:
  struct Waiter {
    uint32_t slot;
    uint32_t generation;
  };
  // Names an inquiry; fits into a CallToken.
  struct Id {
    uint32_t slot;
    uint32_t generation;
  };
  struct Asked {
    Id id;
    bool is_new;  // TypeScript is to be asked
  };

  // An inquiry that nobody ends is given up after `patience`.
  TokenInquiries(size_t most, size_t most_waiters, base::Nanoseconds patience)
      : most_(most), most_waiters_(most_waiters), patience_(patience) {}

  // Nothing when too many tokens or calls wait already.
  std::optional<Asked> Wait(const base::Sha256Digest& digest, Waiter waiter, base::Instant now) {
    for (uint32_t slot = 0; slot < inquiries_.size(); ++slot) {
      Inquiry& inquiry = inquiries_[slot];
      if (inquiry.is_open && inquiry.expires <= now) Close(inquiry);
      if (!inquiry.is_open || inquiry.digest != digest) continue;
      if (inquiry.waiters.size() >= most_waiters_) return std::nullopt;
      inquiry.waiters.push_back(waiter);
      return Asked{{slot, inquiry.generation}, false};
    }
    const auto slot = FreeSlot();
    if (!slot) return std::nullopt;
    Inquiry& inquiry = inquiries_[*slot];
    inquiry.is_open = true;
    inquiry.expires = now + patience_;
    inquiry.digest = digest;
    inquiry.waiters.assign(1, waiter);
    return Asked{{*slot, inquiry.generation}, true};
  }

  struct Ended {
    base::Sha256Digest digest;
    std::vector<Waiter> waiters;
  };
  // Nothing when the inquiry is over already.
  std::optional<Ended> End(Id id) {
    if (id.slot >= inquiries_.size()) return std::nullopt;
    Inquiry& inquiry = inquiries_[id.slot];
    if (!inquiry.is_open || inquiry.generation != id.generation) return std::nullopt;
    Ended ended{inquiry.digest, std::exchange(inquiry.waiters, {})};
    Close(inquiry);
    return ended;
  }

 private:
  static constexpr uint32_t kGenerationMask = (1u << 26) - 1;
  struct Inquiry {
    bool is_open = false;
    uint32_t generation = 0;
    base::Instant expires;
    base::Sha256Digest digest{};
    std::vector<Waiter> waiters;
  };

  static void Close(Inquiry& inquiry) {
    inquiry.is_open = false;
    inquiry.generation = (inquiry.generation + 1) & kGenerationMask;
    inquiry.waiters.clear();
  }

  std::optional<uint32_t> FreeSlot() {
    for (uint32_t slot = 0; slot < inquiries_.size(); ++slot) {
      if (!inquiries_[slot].is_open) return slot;
    }
    if (inquiries_.size() >= most_) return std::nullopt;
    inquiries_.emplace_back();
    return static_cast<uint32_t>(inquiries_.size() - 1);
  }

  const size_t most_;
  const size_t most_waiters_;
  const base::Nanoseconds patience_;
  std::vector<Inquiry> inquiries_;  // few are open at a time: looked through from the start
};

}  // namespace serving::frontend
