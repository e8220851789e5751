// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "core/infer_request.h"

namespace serving::core {

// Requests in order, linked through `next`; the chain owns them.
struct RequestChain {
  InferRequest* first = nullptr;
  InferRequest* last = nullptr;

  bool empty() const { return first == nullptr; }
  void Append(RequestPtr request) {
    InferRequest* raw = request.release();
    raw->next = nullptr;
    (first == nullptr ? first : last->next) = raw;
    last = raw;
  }
  void Prepend(RequestPtr request) {
    InferRequest* raw = request.release();
    raw->next = first;
    first = raw;
    if (last == nullptr) last = raw;
  }
  // Puts all of another, which is left empty, behind.
  void Append(RequestChain& other) {
    if (other.empty()) return;
    (first == nullptr ? first : last->next) = other.first;
    last = other.last;
    other = {};
  }
  RequestPtr TakeFirst() {
    InferRequest* raw = first;
    first = raw->next;
    if (first == nullptr) last = nullptr;
    raw->next = nullptr;
    return RequestPtr(raw);
  }
};

}  // namespace serving::core
