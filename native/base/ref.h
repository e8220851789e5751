// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace serving::base {

// Intrusive reference count. `Dispose` runs on the thread that drops the last reference: the
// default deletes, pooled types override it to go home.
class RefCounted {
 public:
  RefCounted() = default;
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

  void AddRef() const { refs_.fetch_add(1, std::memory_order_relaxed); }
  void Unref() const {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      const_cast<RefCounted*>(this)->Dispose();
  }

 protected:
  virtual ~RefCounted() = default;
  virtual void Dispose() { delete this; }
  // A pooled object that leaves its pool again starts with one reference.
  void Revive() { refs_.store(1, std::memory_order_relaxed); }

 private:
  mutable std::atomic<uint32_t> refs_{1};
};

// Owning pointer to a RefCounted.
template <typename T>
class Ref {
 public:
  Ref() = default;
  Ref(std::nullptr_t) {}  // NOLINT
  // Takes over the reference that `raw` was made with.
  static Ref Adopt(T* raw) {
    Ref ref;
    ref.raw_ = raw;
    return ref;
  }
  static Ref Share(T* raw) {
    if (raw != nullptr) raw->AddRef();
    return Adopt(raw);
  }
  Ref(const Ref& other) : raw_(other.raw_) {
    if (raw_ != nullptr) raw_->AddRef();
  }
  Ref(Ref&& other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
  template <typename U>
  Ref(Ref<U>&& other) noexcept : raw_(other.Release()) {}  // NOLINT
  template <typename U>
  Ref(const Ref<U>& other) : raw_(other.get()) {  // NOLINT
    if (raw_ != nullptr) raw_->AddRef();
  }
  Ref& operator=(Ref other) noexcept {
    std::swap(raw_, other.raw_);
    return *this;
  }
  ~Ref() {
    if (raw_ != nullptr) raw_->Unref();
  }

  T* get() const { return raw_; }
  T* operator->() const { return raw_; }
  T& operator*() const { return *raw_; }
  explicit operator bool() const { return raw_ != nullptr; }
  // Gives the reference away without dropping it.
  T* Release() { return std::exchange(raw_, nullptr); }
  void Reset() { *this = Ref(); }

 private:
  T* raw_ = nullptr;
};

template <typename T, typename... Args>
Ref<T> MakeRef(Args&&... args) {
  return Ref<T>::Adopt(new T(std::forward<Args>(args)...));
}

}  // namespace serving::base
