// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/buffer.h"
#include "base/clock.h"

namespace serving::net {

enum class Protocol : uint8_t { kHttp1, kHttp2 };

// Name in lower case.
struct Header {
  std::string_view name;
  std::string_view value;
  // Of an answer: both texts live as long as the process, so nobody needs to copy them.
  bool is_static = false;
};

// The start of one request; views are valid during OnRequest only.
struct RequestHead {
  Protocol protocol = Protocol::kHttp1;
  std::string_view method;
  std::string_view path;   // request target before '?'
  std::string_view query;  // behind '?', without it
  std::span<const Header> headers;
  // HTTP/1 with Limits::keeps_header_names: the names as they were written, one for each header.
  std::span<const std::string_view> written_names;
  std::optional<uint64_t> content_length;
  bool has_body = false;            // a body follows (chunked bodies have no content_length)
  std::string_view remote_address;  // `ip:port`
  uint16_t service = 0;             // tag of the listener that accepted the connection

  // First header of that (lower case) name; nothing when absent.
  std::optional<std::string_view> Find(std::string_view name) const {
    for (const Header& header : headers) {
      if (header.name == name) return header.value;
    }
    return std::nullopt;
  }
};

// Why an answer ends before it is whole; the numbers are HTTP/2's error codes.
enum class AbortReason : uint32_t {
  kInternalError = 2,
  kRefusedStream = 7,  // nothing was done: the peer may ask again
  kCancel = 8,
  kEnhanceYourCalm = 11,
};

// The answering end of one request, owned by its connection. I/O thread only. Valid from OnRequest
// until Exchange::OnClosed returns; no call may follow.
class Stream {
 public:
  virtual ~Stream() = default;

  // Status line and headers, once, first. HTTP/1.1 without `content_length` is answered chunked.
  // Content-Length, Connection and Date are added here; everything is copied, or static.
  virtual void SendHead(int status, std::span<const Header> headers,
                        std::optional<uint64_t> content_length) = 0;
  // Body bytes, copied: for heads and small answers.
  virtual void SendBytes(std::span<const std::byte> bytes) = 0;
  // Body bytes that stay where they are until the socket took them; `owner` keeps them alive.
  virtual void SendBuffer(base::BufferRef owner, std::span<const std::byte> bytes) = 0;
  // The end. Trailers go out on HTTP/2 (for gRPC: with no body sent and no SendHead before,
  // `SendTrailersOnly`). If the request's body is still coming, the rest is refused (HTTP/2:
  // RST_STREAM NO_ERROR after the answer; HTTP/1.1: Connection: close after a bounded read).
  virtual void Finish(std::span<const Header> trailers) = 0;
  // gRPC refusals: one HEADERS with END_STREAM, :status 200 and the given fields. HTTP/2 only.
  virtual void SendTrailersOnly(std::span<const Header> fields) = 0;

  // The end of an answer that fails in the middle, so that the peer does not take it for whole:
  // RST_STREAM on HTTP/2, the end of the connection on HTTP/1.1 (a reset where an end would look
  // like the body's). With or without a head sent; what is still unsent may be lost. Only
  // OnClosed(false) follows, not from within this call.
  virtual void Abort(AbortReason reason) = 0;

  // The request's body comes in messages at the peer's pace, for as long as it likes: no deadline
  // and no minimum rate for it. Called while the body comes.
  virtual void AllowSlowBody() = 0;
  // An empty BodySpace (memory budget full, slow consumer) stopped the body; asks for space again.
  virtual void ResumeBody() = 0;
  // Answer bytes that the socket has not taken yet, those held back by the peer's window included.
  // Once it is not 0, OnDrained comes when it is 0 again. Bytes leave at the end of the loop's
  // turn.
  virtual size_t unsent_bytes() const = 0;
  // A sum that the exchanges of one connection keep together: what they hold in memory. 0 at first;
  // each takes its part out again in OnClosed at the latest.
  uint64_t& connection_bytes() { return *connection_bytes_; }
  // Calls OnTimer once at `when` (about a millisecond late at most); kNever takes it back, and so
  // does Finish.
  virtual void SetTimer(base::Instant when) = 0;

 protected:
  uint64_t* connection_bytes_ = nullptr;
};

// The receiving end of one request, implemented by frontend. I/O thread only. Owned by frontend;
// the connection calls it until OnClosed.
class Exchange {
 public:
  virtual ~Exchange() = default;

  // Where at most `want` next body bytes go; shorter spans are asked for again. Empty = no room
  // now: the connection stops reading this body until Stream::ResumeBody (HTTP/2: the window of
  // this stream closes, other streams go on). HTTP/1.1 reads large bodies straight into it.
  virtual std::span<std::byte> BodySpace(size_t want) = 0;
  // `n` bytes were put into the last span.
  virtual void BodyArrived(size_t n) = 0;
  // The request is complete (END_STREAM; Content-Length reached; last chunk). Called for requests
  // without a body too, right after OnRequest. Once Stream::Finish was called only OnClosed
  // follows: the connection drops the rest of the body by itself. Before that it may come while
  // the answer is being sent.
  virtual void OnBodyEnd() = 0;
  // What was queued by this stream has left for the socket (unsent_bytes is 0 again).
  virtual void OnDrained() {}
  virtual void OnTimer() {}
  // Half of the time that the client itself gave this request has passed: when it gives up now it
  // keeps to what it said, and is no flood of resets.
  virtual bool IsDue(base::Instant now) const {
    (void)now;
    return false;
  }
  // The exchange is over; the stream must not be used again. `answered` = the whole answer was
  // handed to the socket; otherwise the peer reset, vanished or was thrown out, and the work is to
  // be cancelled.
  virtual void OnClosed(bool answered) = 0;
};

// Decides what happens to requests. One per I/O thread, called on it only.
class RequestHandler {
 public:
  virtual ~RequestHandler() = default;

  // Never null. May answer on `stream` at once (then body bytes are refused by an empty BodySpace
  // or swallowed).
  virtual Exchange* OnRequest(Stream& stream, const RequestHead& head) = 0;
  // The thread's waker was rung: look at your queues.
  virtual void OnWake() = 0;
  // All sockets that were readable have been read and parsed: submit what has gathered. After it,
  // every connection with something to send writes once.
  virtual void OnTurnEnd() = 0;
  // The loop has ended and no exchange is left. Last call.
  virtual void OnStopped() {}
};

}  // namespace serving::net
