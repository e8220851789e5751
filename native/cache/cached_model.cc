// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "cache/cached_model.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cache/request_key.h"
#include "metrics/quantile_window.h"

namespace serving::cache {
namespace {

using base::Instant;
using base::Nanoseconds;
using metrics::LatencyHistogram;
using metrics::Stage;
using std::chrono::steady_clock;

class KeepingSink;

void AddTo(LatencyHistogram& to, const LatencyHistogram& from) {
  for (size_t i = 0; i < LatencyHistogram::kBuckets; ++i) {
    const bool has_bound = i < LatencyHistogram::kBoundsNs.size();
    const uint64_t ns =
        has_bound ? LatencyHistogram::kBoundsNs[i] : LatencyHistogram::kBoundsNs.back() + 1;
    to.Add(Nanoseconds(ns), from.counts()[i]);
  }
}

// What a cached model and the sinks of its requests share. Sinks may outlive the model.
//
// Threads: any; one short lock.
class Desk final : public base::RefCounted {
 public:
  Desk(std::shared_ptr<ResponseCache> cache, const metrics::MetricsOptions& metrics)
      : cache(std::move(cache)),
        owner(this->cache->NextOwner()),
        quantiles_(QuantilesOf(metrics)),
        has_histograms_(metrics.extended) {
    if (!quantiles_.empty()) windows_.resize(kWindows);
  }

  const std::shared_ptr<ResponseCache> cache;
  const uint64_t owner;
  std::atomic<uint64_t> open{0};  // requests whose final response has not been sent

  bool has_summaries() const { return !windows_.empty(); }

  // The sink's place among those that may be looked for.
  uint32_t Enter(KeepingSink& sink) {
    std::lock_guard lock(mutex_);
    if (free_.empty()) {
      sinks_.push_back(&sink);
      return static_cast<uint32_t>(sinks_.size() - 1);
    }
    const uint32_t place = free_.back();
    free_.pop_back();
    sinks_[place] = &sink;
    return place;
  }
  // Nothing in `missed`: it was not looked for, or is counted already.
  void Leave(uint32_t place, std::optional<Nanoseconds> missed,
             const core::InferResponse& response) {
    std::lock_guard lock(mutex_);
    sinks_[place] = nullptr;
    free_.push_back(place);
    if (missed) CountLocked(statistics_.miss, kMisses, *missed);
    if (response.status.ok()) {
      MeasureLocked(kQueue, response.times.compute_start - response.times.queued);
    }
  }
  // The one that stands before `target`, which may wait in the model's queue; or null.
  base::Ref<KeepingSink> Find(const core::ResponseSink* target) const;

  void CountHit(Nanoseconds request, Nanoseconds queued, Nanoseconds took) {
    std::lock_guard lock(mutex_);
    request_.Add(request);
    queue_.Add(queued);
    CountLocked(statistics_.hit, kHits, took);
    MeasureLocked(kQueue, queued);
    if (!has_histograms_) return;
    request_histogram_.Add(request);
    queue_histogram_.Add(queued);
  }
  void CountMisses(uint64_t count, Nanoseconds each) {
    std::lock_guard lock(mutex_);
    for (uint64_t i = 0; i < count; ++i) CountLocked(statistics_.miss, kMisses, each);
  }
  void AddTo(metrics::ModelStatistics& statistics) {
    std::lock_guard lock(mutex_);
    const auto add = [](metrics::Duration& to, const metrics::Duration& from) {
      to.count += from.count;
      to.ns += from.ns;
    };
    statistics.received += request_.count;
    add(statistics.success, request_);
    add(statistics.queue, queue_);
    statistics.cache = statistics_;
    if (has_histograms_) {
      cache::AddTo(statistics.histograms[static_cast<size_t>(Stage::kRequest)], request_histogram_);
      cache::AddTo(statistics.histograms[static_cast<size_t>(Stage::kQueue)], queue_histogram_);
    }
    if (windows_.empty()) return;
    const Instant now = steady_clock::now();
    statistics.cache->hit_summary = windows_[kHits].Estimate(quantiles_, now);
    statistics.cache->miss_summary = windows_[kMisses].Estimate(quantiles_, now);
    // The model has seen the misses only.
    statistics.summaries[static_cast<size_t>(Stage::kQueue)] =
        windows_[kQueue].Estimate(quantiles_, now);
  }

 private:
  static constexpr size_t kHits = 0;
  static constexpr size_t kMisses = 1;
  static constexpr size_t kQueue = 2;  // of both
  static constexpr size_t kWindows = 3;

  static std::vector<double> QuantilesOf(const metrics::MetricsOptions& metrics) {
    return metrics.summary_latencies ? metrics.summary_quantiles : std::vector<double>();
  }
  void CountLocked(metrics::Duration& duration, size_t window, Nanoseconds took) {
    duration.Add(took);
    MeasureLocked(window, took);
  }
  void MeasureLocked(size_t window, Nanoseconds took) {
    if (windows_.empty()) return;
    const auto us = static_cast<uint64_t>(std::max<int64_t>(took.count() / 1000, 0));
    windows_[window].Add(us, steady_clock::now());
  }

  const std::vector<double> quantiles_;
  const bool has_histograms_;
  mutable std::mutex mutex_;
  std::vector<KeepingSink*> sinks_;               // guarded by mutex_
  std::vector<uint32_t> free_;                    // places in sinks_; guarded by mutex_
  metrics::Duration request_;                     // of hits; guarded by mutex_
  metrics::Duration queue_;                       // of hits; guarded by mutex_
  metrics::CacheStatistics statistics_;           // guarded by mutex_
  std::vector<metrics::QuantileWindow> windows_;  // by kHits …; guarded by mutex_
  LatencyHistogram request_histogram_;            // of hits; guarded by mutex_
  LatencyHistogram queue_histogram_;              // of hits; guarded by mutex_
};

// Keeps the answer of a request on its way to the sink of its client. Without a key it only tells
// that the request is under way.
class KeepingSink final : public core::ResponseSink {
 public:
  KeepingSink(base::Ref<core::ResponseSink> target, base::Ref<Desk> desk,
              const std::optional<Hash128>& key, Nanoseconds lookup)
      : target_(std::move(target)), desk_(std::move(desk)), key_(key), lookup_(lookup) {
    ShareCancel(*target_);
    desk_->open.fetch_add(1, std::memory_order_relaxed);
    place_ = desk_->Enter(*this);
    target_->SetQueuePlace(place_);
  }

  const core::ResponseSink* target() const { return target_.get(); }
  core::InferResponse* NewResponse() override { return target_->NewResponse(); }
  base::BufferRef AllocateOutput(uint32_t slot, size_t bytes) override {
    return target_->AllocateOutput(slot, bytes);
  }
  void AwaitRoom() override { target_->AwaitRoom(); }
  base::Waker* Send(core::InferResponse* response) override {
    const bool is_final = response->is_final;
    if (is_final) {
      std::optional<Nanoseconds> missed;
      if (key_) {
        missed = lookup_;
        if (is_first_ && MayKeep(*response)) {
          const Instant start = steady_clock::now();
          desk_->cache->Insert(*key_, desk_->owner, *response);
          *missed += steady_clock::now() - start;
        }
      }
      desk_->Leave(place_, missed, *response);
    }
    is_first_ = false;
    base::Waker* const waker = target_->Send(response);
    if (is_final) desk_->open.fetch_sub(1, std::memory_order_release);
    return waker;
  }

 private:
  static bool MayKeep(const core::InferResponse& response) {
    return response.status.ok() && !response.outputs.empty() &&
           std::ranges::all_of(response.outputs, [](const core::OutputTensor& output) {
             return output.view.kind == base::MemoryKind::kHost && !output.is_placed;
           });
  }

  const base::Ref<core::ResponseSink> target_;
  const base::Ref<Desk> desk_;
  const std::optional<Hash128> key_;
  const Nanoseconds lookup_;
  uint32_t place_ = 0;
  bool is_first_ = true;
};

// A sink leaves the desk before its final response is sent, and until then its request holds it.
base::Ref<KeepingSink> Desk::Find(const core::ResponseSink* target) const {
  const uint32_t place = target->queue_place();
  std::lock_guard lock(mutex_);
  if (place >= sinks_.size() || sinks_[place] == nullptr) return nullptr;
  if (sinks_[place]->target() != target) return nullptr;
  return base::Ref<KeepingSink>::Share(sinks_[place]);
}

// The look-ups for the requests of one chain. Those since the clock was last read share the time
// evenly, so that many misses cost one reading and one lock.
class LookUps {
 public:
  explicit LookUps(Desk& desk) : desk_(desk), began_(steady_clock::now()), read_(began_) {}

  Instant began() const { return began_; }
  // When the clock was last read.
  Instant read() const { return read_; }

  void AddMiss() { ++misses_; }
  // Returns what the look-up took that ends now, which is none of the added misses.
  Nanoseconds End() { return Read(1); }
  void EndAll() {
    if (misses_ != 0) Read(0);
  }

 private:
  Nanoseconds Read(uint64_t others) {
    const Instant now = steady_clock::now();
    const Nanoseconds each = (now - std::exchange(read_, now)) / (misses_ + others);
    if (misses_ != 0) desk_.CountMisses(std::exchange(misses_, 0), each);
    return each;
  }

  Desk& desk_;
  const Instant began_;
  Instant read_;
  uint64_t misses_ = 0;
};

class CachedModel final : public model::Servable {
 public:
  CachedModel(base::Ref<model::Servable> model, std::shared_ptr<ResponseCache> cache,
              const metrics::MetricsOptions& metrics)
      : Servable(model->plan()),
        model_(std::move(model)),
        desk_(base::MakeRef<Desk>(std::move(cache), metrics)) {}

  void Submit(model::RequestChain chain, model::InlineAllowance* allowance) override {
    LookUps look_ups(*desk_);
    model::RequestChain missed;
    while (!chain.empty()) {
      core::RequestPtr request = chain.TakeFirst();
      if (!AnswerFromCache(request, look_ups)) missed.Append(std::move(request));
    }
    look_ups.EndAll();
    if (!missed.empty()) model_->Submit(missed, allowance);
  }

  bool RemoveQueued(const core::ResponseSink* sink, base::Status status,
                    metrics::FailureReason reason) override {
    const base::Ref<KeepingSink> keeping = desk_->Find(sink);
    return model_->RemoveQueued(keeping ? keeping.get() : sink, std::move(status), reason);
  }
  std::optional<Nanoseconds> QueueTimeout(const core::InferRequest& request) const override {
    return model_->QueueTimeout(request);
  }
  void Stop() override {
    model_->Stop();
    desk_->cache->Forget(desk_->owner);
  }
  void Unblock() override { model_->Unblock(); }
  base::Result<std::unique_ptr<model::Change>> PrepareChange(core::ModelPlan next) override {
    return model_->PrepareChange(std::move(next));
  }
  bool CanServe() const override { return model_->CanServe(); }
  void Trim() override { model_->Trim(); }
  metrics::ModelStatistics Statistics() const override {
    metrics::ModelStatistics statistics = model_->Statistics();
    desk_->AddTo(statistics);
    return statistics;
  }
  double load_seconds() const override { return model_->load_seconds(); }
  std::optional<model::LoadView> ViewLoad() const override { return model_->ViewLoad(); }
  std::optional<size_t> RuntimeBytes() const override { return model_->RuntimeBytes(); }
  base::Result<std::string> Control(std::string_view json) override {
    return model_->Control(json);
  }

 private:
  bool KeepsOrder() const { return plan_.batching && plan_.batching->preserve_ordering; }
  // Where answers come in the order of arrival, none may overtake those under way.
  bool MayAnswer() const {
    return !KeepsOrder() || desk_->open.load(std::memory_order_acquire) == 0;
  }

  void Keep(core::InferRequest& request, const std::optional<Hash128>& key,
            Nanoseconds lookup) const {
    request.sink = base::MakeRef<KeepingSink>(std::move(request.sink), desk_, key, lookup);
  }
  // A kept answer to another request may not overtake this one, and its time in the queue counts.
  void Watch(core::InferRequest& request) const {
    if (KeepsOrder() || desk_->has_summaries()) Keep(request, std::nullopt, Nanoseconds(0));
  }

  // False for a request that the model is to answer, with a sink that keeps a wanted answer.
  bool AnswerFromCache(core::RequestPtr& request, LookUps& look_ups) {
    const auto key = KeyOf(plan_, *request, desk_->owner, desk_->cache->secret());
    if (!key) {
      Watch(*request);
      return false;
    }
    const auto [answer, is_wanted] = desk_->cache->Find(*key);
    if (is_wanted) {
      Keep(*request, key, look_ups.End());
      return false;
    }
    if (!answer || !MayAnswer()) {
      look_ups.AddMiss();
      Watch(*request);
      return false;
    }
    const Nanoseconds took = look_ups.End();
    const Instant now = look_ups.read();
    core::StageTimes times = request->times;
    times.queued = look_ups.began();
    times.compute_start = times.input_end = times.infer_end = times.output_end = now;
    desk_->CountHit(now - times.received, now - took - look_ups.began(), took);
    core::InferResponse* const response = request->sink->NewResponse();
    answer->FillIn(*response);
    response->times = times;
    response->is_final = true;
    core::SendNow(*request->sink, response);
    return true;
  }

  const base::Ref<model::Servable> model_;
  const base::Ref<Desk> desk_;
};

}  // namespace

bool MayCache(const core::ModelPlan& plan) {
  return plan.response_cache && !plan.decoupled && !plan.sequence;
}

base::Ref<model::Servable> MakeCachedModel(base::Ref<model::Servable> model,
                                           std::shared_ptr<ResponseCache> cache,
                                           const metrics::MetricsOptions& metrics) {
  return base::MakeRef<CachedModel>(std::move(model), std::move(cache), metrics);
}

}  // namespace serving::cache
