// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/http2_session.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "net/connection.h"
#include "net/io_thread.h"

namespace serving::net {
namespace {

using nghttp2::Api;
using nghttp2::Field;
using nghttp2::Frame;

constexpr size_t kMaxFields = 512;
constexpr size_t kFieldOverhead = 32;  // RFC 9113 §6.5.2
constexpr size_t kFrameHeadBytes = 9;

const uint8_t* Octets(std::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

std::string_view Text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

bool ParseLength(std::string_view text, uint64_t& to) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), to);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

void Http2Stream::FieldBlock::Add(std::string_view name, std::string_view value) {
  text += name;
  text += value;
  fields.push_back({static_cast<uint32_t>(name.size()), static_cast<uint32_t>(value.size())});
}

void Http2Stream::FieldBlock::Clear() {
  text.clear();
  fields.clear();
  if (text.capacity() > ChunkPool::kSmall) text.shrink_to_fit();
}

std::span<const Field> Http2Stream::FieldBlock::View(std::vector<Field>& to) const {
  to.clear();
  const uint8_t* at = Octets(text);
  for (const Sizes& sizes : fields) {
    to.push_back({at, at + sizes.name, sizes.name, sizes.value, nghttp2::kFlagNone});
    at += sizes.name + sizes.value;
  }
  return to;
}

Http2Stream::Http2Stream(IoThread& thread)
    : thread_(thread), body_(thread.chunks(), ChunkPool::kSmall) {}

void Http2Stream::Reset(Http2Session& session, int32_t id) {
  session_ = &session;
  exchange_ = nullptr;
  id_ = id;
  drain_position_ = 0;
  framed_bytes_ = 0;
  body_bytes_ = 0;
  body_started_ = paused_since_ = stalled_since_ = base::kNever;
  is_open_ = true;
  is_head_method_ = has_head_ = is_submitted_ = is_deferred_ = drops_body_ = is_finished_ = false;
  body_ended_ = is_paused_ = ends_framed_ = false;
}

void Http2Stream::Queued() {
  session_->AddPending(*this);
  session_->connection_.ScheduleFlush();
}

void Http2Stream::SendHead(int status, std::span<const Header> headers,
                           std::optional<uint64_t> content_length) {
  SERVING_CHECK(!has_head_, "an answer has one head");
  has_head_ = true;
  drops_body_ = is_head_method_ || status == 204 || status == 304;
  const std::array<char, 3> digits{static_cast<char>('0' + status / 100 % 10),
                                   static_cast<char>('0' + status / 10 % 10),
                                   static_cast<char>('0' + status % 10)};
  head_.Add(":status", {digits.data(), digits.size()});
  bool is_grpc = false;
  for (const Header& header : headers) {
    head_.Add(header.name, header.value);
    is_grpc =
        is_grpc || (header.name == "content-type" && header.value.starts_with("application/grpc"));
  }
  if (content_length && status != 204) {
    std::array<char, 24> number;
    const char* const end =
        std::to_chars(number.data(), number.data() + number.size(), *content_length).ptr;
    head_.Add("content-length", {number.data(), static_cast<size_t>(end - number.data())});
  }
  // gRPC servers send no date, and a value that changes every second would cost each connection an
  // entry in its compression table.
  if (!is_grpc) head_.Add("date", thread_.http_date());
  Queued();
}

void Http2Stream::SendBytes(std::span<const std::byte> bytes) {
  SERVING_CHECK(has_head_ && !is_finished_, "body bytes come behind the head and before the end");
  if (drops_body_) return;
  body_.Append(bytes);
  Queued();
}

void Http2Stream::SendBuffer(base::BufferRef owner, std::span<const std::byte> bytes) {
  SERVING_CHECK(has_head_ && !is_finished_, "body bytes come behind the head and before the end");
  if (drops_body_) return;
  body_.AppendBuffer(std::move(owner), bytes);
  Queued();
}

void Http2Stream::Finish(std::span<const Header> trailers) {
  SERVING_CHECK(has_head_ && !is_finished_, "an answer ends once, after its head");
  for (const Header& trailer : trailers) trailers_.Add(trailer.name, trailer.value);
  is_finished_ = true;
  thread_.timers().Cancel(*this);
  session_->ReleaseHeld(*this);
  Queued();
}

void Http2Stream::SendTrailersOnly(std::span<const Header> fields) {
  SERVING_CHECK(!has_head_, "an answer of trailers only has no head before it");
  has_head_ = true;
  head_.Add(":status", "200");
  for (const Header& field : fields) head_.Add(field.name, field.value);
  is_finished_ = true;
  thread_.timers().Cancel(*this);
  session_->ReleaseHeld(*this);
  Queued();
}

void Http2Stream::ResumeBody() {
  if (!is_paused_) return;
  session_->has_resumed_ = true;
  is_paused_ = false;
  if (body_started_ != base::kNever) body_started_ += thread_.now() - paused_since_;
  session_->connection_.ScheduleRead();
}

size_t Http2Stream::unsent_bytes() const {
  return body_.size() + std::min(framed_bytes_, session_->connection_.output().size());
}

void Http2Stream::SetTimer(base::Instant when) {
  if (!is_finished_) thread_.timers().Arm(*this, when);
}

void Http2Stream::OnExpire() {
  if (exchange_ != nullptr) exchange_->OnTimer();
}

// nghttp2 calls these with the session that they were registered for as `user`.
struct Http2Session::Callbacks {
  static Http2Session& Self(void* user) { return *static_cast<Http2Session*>(user); }

  static int OnBeginFrame(nghttp2::Session*, const Frame* frame, void* user) {
    Self(user).OnBeginFrame(*frame);
    return 0;
  }
  static int OnBeginHeaders(nghttp2::Session*, const Frame* frame, void* user) {
    return Self(user).OnBeginHeaders(*frame);
  }
  static int OnHeader(nghttp2::Session*, const Frame* frame, const uint8_t* name, size_t name_size,
                      const uint8_t* value, size_t value_size, uint8_t, void* user) {
    return Self(user).OnHeader(*frame, Text(name, name_size), Text(value, value_size));
  }
  static int OnFrame(nghttp2::Session*, const Frame* frame, void* user) {
    return Self(user).OnFrame(*frame);
  }
  static int OnFrameSent(nghttp2::Session*, const Frame* frame, void* user) {
    Self(user).OnFrameSent(*frame);
    return 0;
  }
  static int OnDataChunk(nghttp2::Session*, uint8_t flags, int32_t stream_id, const uint8_t* data,
                         size_t size, void* user) {
    Self(user).OnDataChunk(stream_id, {reinterpret_cast<const std::byte*>(data), size},
                           (flags & nghttp2::kFlagEndStream) != 0);
    return 0;
  }
  static int OnStreamClose(nghttp2::Session*, int32_t stream_id, uint32_t, void* user) {
    Self(user).OnStreamClose(stream_id);
    return 0;
  }
  static ssize_t OnReadBody(nghttp2::Session*, int32_t stream_id, uint8_t*, size_t size,
                            uint32_t* flags, nghttp2::DataSource*, void* user) {
    // Not by the source's pointer: a stream that was reset may be gone while nghttp2 still has its
    // data queued.
    Http2Stream* const stream = Self(user).Find(stream_id);
    if (stream == nullptr) return nghttp2::kErrorTemporalCallbackFailure;
    return Self(user).OnReadBody(*stream, size, *flags);
  }
  static int OnSendData(nghttp2::Session*, Frame*, const uint8_t* frame_head, size_t size,
                        nghttp2::DataSource* source, void* user) {
    Self(user).OnSendData(*static_cast<Http2Stream*>(source->object), frame_head, size);
    return 0;
  }
  static ssize_t OnReadLength(nghttp2::Session*, uint8_t, int32_t, int32_t session_window,
                              int32_t stream_window, uint32_t max_frame_size, void*) {
    const int32_t window = std::min(session_window, stream_window);
    return std::min<ssize_t>(
        {window, static_cast<ssize_t>(max_frame_size), static_cast<ssize_t>(kMaxDataFrame)});
  }

  // One set for the whole process: nghttp2 copies it into each session.
  static const nghttp2::Callbacks* Get(const Api& api) {
    static const nghttp2::Callbacks* const callbacks = [&api] {
      nghttp2::Callbacks* made = nullptr;
      SERVING_CHECK(api.session_callbacks_new(&made) == 0, "no memory for nghttp2's callbacks");
      api.session_callbacks_set_on_begin_frame_callback(made, &OnBeginFrame);
      api.session_callbacks_set_on_begin_headers_callback(made, &OnBeginHeaders);
      api.session_callbacks_set_on_header_callback(made, &OnHeader);
      api.session_callbacks_set_on_frame_recv_callback(made, &OnFrame);
      api.session_callbacks_set_on_frame_send_callback(made, &OnFrameSent);
      api.session_callbacks_set_on_data_chunk_recv_callback(made, &OnDataChunk);
      api.session_callbacks_set_on_stream_close_callback(made, &OnStreamClose);
      api.session_callbacks_set_send_data_callback(made, &OnSendData);
      api.session_callbacks_set_data_source_read_length_callback(made, &OnReadLength);
      return made;
    }();
    return callbacks;
  }

  static const nghttp2::Option* Options(const Api& api) {
    static const nghttp2::Option* const options = [&api] {
      nghttp2::Option* made = nullptr;
      SERVING_CHECK(api.option_new(&made) == 0, "no memory for nghttp2's options");
      // A body that is not taken must close its window: what is consumed is said by hand.
      api.option_set_no_auto_window_update(made, 1);
      // Closed streams would be kept for a priority tree that nobody uses.
      api.option_set_no_closed_streams(made, 1);
      // We count resets ourselves (OnPeerReset), where libraries of all ages behave alike.
      if (api.option_set_stream_reset_rate_limit != nullptr) {
        api.option_set_stream_reset_rate_limit(made, 1'000'000, 1'000'000);
      }
      return made;
    }();
    return options;
  }
};

Http2Session::Http2Session(Connection& connection)
    : connection_(connection),
      thread_(connection.thread()),
      api_(connection.thread().http2()),
      resets_counted_(connection.thread().now()),
      idle_since_(connection.thread().now()) {
  SERVING_CHECK(api_.session_server_new2(&session_, Callbacks::Get(api_), this,
                                         Callbacks::Options(api_)) == 0,
                "no memory for an HTTP/2 session");
  const Limits& limits = connection.limits();
  constexpr uint32_t kMaxWindow = (uint32_t{1} << 31) - 1;
  constexpr uint32_t kMinFrame = 16'384;
  constexpr uint32_t kMaxFrame = (1 << 24) - 1;
  const std::array<nghttp2::Setting, 5> settings{{
      {nghttp2::kSettingMaxConcurrentStreams, limits.max_streams_per_connection},
      {nghttp2::kSettingInitialWindowSize, std::min(limits.stream_window_bytes, kMaxWindow)},
      {nghttp2::kSettingMaxFrameSize, std::clamp(limits.max_frame_bytes, kMinFrame, kMaxFrame)},
      {nghttp2::kSettingMaxHeaderListSize,
       static_cast<uint32_t>(std::min<size_t>(limits.max_header_bytes, kMaxWindow))},
      {nghttp2::kSettingNoRfc7540Priorities, 1},
  }};
  const auto window = static_cast<int32_t>(
      std::clamp<uint32_t>(limits.connection_window_bytes, 65'535, kMaxWindow));
  if (api_.submit_settings(session_, nghttp2::kFlagNone, settings.data(), settings.size()) != 0 ||
      api_.session_set_local_window_size(session_, nghttp2::kFlagNone, 0, window) != 0) {
    has_failed_ = true;
  }
  connection_.ScheduleFlush();
}

Http2Session::~Http2Session() { api_.session_del(session_); }

Http2Stream* Http2Session::Find(int32_t stream_id) const {
  return static_cast<Http2Stream*>(api_.session_get_stream_user_data(session_, stream_id));
}

bool Http2Session::wants_read() const { return !has_failed_ && held_bytes_ < kMaxHeldBytes; }

void Http2Session::Receive(std::span<std::byte> data) {
  const ssize_t used =
      api_.session_mem_recv(session_, reinterpret_cast<const uint8_t*>(data.data()), data.size());
  if (unconsumed_ > 0) api_.session_consume_connection(session_, std::exchange(unconsumed_, 0));
  has_output_ = true;
  if (used < 0) {
    // Not even a GOAWAY can be relied upon: the library has given the session up.
    has_failed_ = true;
    connection_.CloseAfterWrite(true);
    return;
  }
  connection_.ScheduleFlush();
}

// What nghttp2 lets pass since it forgets closed streams and ignores priorities.
void Http2Session::OnBeginFrame(const Frame& frame) {
  if (frame.type == nghttp2::kFramePriority && frame.stream_id == 0) {
    api_.session_terminate_session(session_, nghttp2::kProtocolError);
    return;
  }
  if (frame.type != nghttp2::kFrameHeaders) return;
  if (frame.stream_id > highest_stream_) {
    highest_stream_ = frame.stream_id;
    return;
  }
  if (Find(frame.stream_id) != nullptr) return;
  if (std::find(ended_by_peer_.begin(), ended_by_peer_.end(), frame.stream_id) !=
      ended_by_peer_.end()) {
    api_.session_terminate_session(session_, nghttp2::kStreamClosed);
  }
}

void Http2Session::NoteEndedByPeer(int32_t stream_id) {
  ended_by_peer_[next_ended_++ % ended_by_peer_.size()] = stream_id;
}

int Http2Session::OnBeginHeaders(const Frame& frame) {
  block_text_.clear();
  block_.clear();
  block_bytes_ = 0;
  block_started_ = thread_.now();
  if (frame.type != nghttp2::kFrameHeaders || Find(frame.stream_id) != nullptr) return 0;
  Http2Stream* const stream = thread_.http2_streams().Take();
  stream->Reset(*this, frame.stream_id);
  live_.PushBack(*stream);
  if (api_.session_set_stream_user_data(session_, frame.stream_id, stream) != 0) {
    Release(*stream, false);
    return nghttp2::kErrorCallbackFailure;
  }
  return 0;
}

int Http2Session::OnHeader(const Frame&, std::string_view name, std::string_view value) {
  const size_t limit = connection_.limits().max_header_bytes;
  block_bytes_ += name.size() + value.size() + kFieldOverhead;
  if (block_bytes_ > limit || block_.size() >= kMaxFields) {
    // Answered with 431 at the block's end. A block that expands to many times the limit is an
    // attack.
    return block_bytes_ > 16 * limit ? nghttp2::kErrorCallbackFailure : 0;
  }
  BlockField field;
  field.name_start = static_cast<uint32_t>(block_text_.size());
  field.name_size = static_cast<uint32_t>(name.size());
  block_text_ += name;
  field.value_start = static_cast<uint32_t>(block_text_.size());
  field.value_size = static_cast<uint32_t>(value.size());
  block_text_ += value;
  block_.push_back(field);
  return 0;
}

int Http2Session::OnFrame(const Frame& frame) {
  switch (frame.type) {
    case nghttp2::kFrameData:
      if ((frame.flags & nghttp2::kFlagEndStream) != 0) {
        if (Http2Stream* const stream = Find(frame.stream_id)) OnBodyEnd(*stream);
      }
      break;
    case nghttp2::kFrameHeaders: {
      Http2Stream* const stream = Find(frame.stream_id);
      block_started_ = base::kNever;
      if (stream == nullptr) break;
      const bool is_end = (frame.flags & nghttp2::kFlagEndStream) != 0;
      const bool is_trailers = stream->body_started_ != base::kNever ||
                               stream->exchange_ != nullptr || stream->has_head_;
      if (!is_trailers) OnRequest(*stream, !is_end);
      if (is_end) OnBodyEnd(*stream);
      break;
    }
    case nghttp2::kFrameResetStream:
      if (Http2Stream* const stream = Find(frame.stream_id)) {
        if (!stream->ends_framed_) CountReset();
        stream->body_ended_ = true;
      }
      break;
    case nghttp2::kFramePing:
      // The answer to the ping behind the shutdown notice: the peer has heard it, no stream is on
      // its way any more.
      if ((frame.flags & nghttp2::kFlagAck) != 0 && is_going_away_ && !has_final_goaway_) {
        has_final_goaway_ = true;
        api_.submit_goaway(session_, nghttp2::kFlagNone,
                           api_.session_get_last_proc_stream_id(session_), nghttp2::kNoError,
                           nullptr, 0);
      }
      break;
    default:
      break;
  }
  return 0;
}

void Http2Session::OnRequest(Http2Stream& stream, bool has_body) {
  stream.body_started_ = thread_.now();
  if (block_bytes_ > connection_.limits().max_header_bytes || block_.size() >= kMaxFields) {
    RefuseHeaders(stream);
    return;
  }
  RequestHead head;
  head.protocol = Protocol::kHttp2;
  std::string_view authority;
  std::vector<Header>& headers = thread_.header_scratch();
  headers.clear();
  const std::string_view text = block_text_;
  for (const BlockField& field : block_) {
    const std::string_view name = text.substr(field.name_start, field.name_size);
    const std::string_view value = text.substr(field.value_start, field.value_size);
    if (name.starts_with(':')) {
      if (name == ":method") {
        head.method = value;
      } else if (name == ":path") {
        const size_t question = value.find('?');
        head.path = value.substr(0, question);
        if (question != std::string_view::npos) head.query = value.substr(question + 1);
      } else if (name == ":authority") {
        authority = value;
      }
      continue;
    }
    if (name == "host") authority = {};
    uint64_t length;
    if (name == "content-length" && ParseLength(value, length)) head.content_length = length;
    headers.push_back({name, value});
  }
  if (!authority.empty()) headers.push_back({"host", authority});
  head.headers = headers;
  head.has_body = has_body;
  head.remote_address = connection_.remote_address();
  head.service = connection_.service();
  stream.is_head_method_ = head.method == "HEAD";
  stream.exchange_ = thread_.handler().OnRequest(stream, head);
  if (block_text_.capacity() > 4096) {
    block_text_.clear();
    block_text_.shrink_to_fit();
  }
}

void Http2Session::RefuseHeaders(Http2Stream& stream) {
  stream.SendHead(431, {}, 0);
  stream.Finish({});
}

void Http2Session::OnBodyEnd(Http2Stream& stream) {
  if (stream.body_ended_) return;
  stream.body_ended_ = true;
  stream.body_started_ = base::kNever;
  if (stream.is_finished_ || stream.exchange_ == nullptr || !stream.held_.empty()) return;
  stream.exchange_->OnBodyEnd();
}

void Http2Session::CountReset() {
  const base::Instant now = thread_.now();
  const double seconds = std::chrono::duration<double>(now - resets_counted_).count();
  resets_counted_ = now;
  resets_left_ = std::min(kResetBurst, resets_left_ + seconds * kResetsPerSecond) - 1;
  if (resets_left_ < 0) api_.session_terminate_session(session_, nghttp2::kEnhanceYourCalm);
}

void Http2Session::OnDataChunk(int32_t stream_id, std::span<const std::byte> data, bool is_last) {
  Http2Stream* const stream = Find(stream_id);
  if (stream == nullptr || stream->is_finished_ || stream->exchange_ == nullptr) {
    // Nobody wants it: the connection's window opens again, the stream's does not.
    unconsumed_ += data.size();
    return;
  }
  const size_t used = stream->held_.empty() && !stream->is_paused_ ? Deliver(*stream, data) : 0;
  if (used < data.size() && !stream->is_finished_) {
    stream->held_.insert(stream->held_.end(), data.begin() + static_cast<ptrdiff_t>(used),
                         data.end());
    held_bytes_ += data.size() - used;
  } else {
    unconsumed_ += data.size() - used;
  }
  unconsumed_ += used;
  // The connection's part is given back once per read, in Receive; a stream at its end needs no
  // window.
  if (used > 0 && !is_last) api_.session_consume_stream(session_, stream_id, used);
}

// Returns how many bytes the exchange took; it is paused if those are not all.
size_t Http2Session::Deliver(Http2Stream& stream, std::span<const std::byte> data) {
  size_t used = 0;
  while (used < data.size() && !stream.is_finished_) {
    const std::span<std::byte> space = stream.exchange_->BodySpace(data.size() - used);
    if (stream.is_finished_) break;
    if (space.empty()) {
      stream.is_paused_ = true;
      stream.paused_since_ = thread_.now();
      break;
    }
    const size_t n = std::min(space.size(), data.size() - used);
    std::memcpy(space.data(), data.data() + used, n);
    used += n;
    stream.exchange_->BodyArrived(n);
  }
  stream.body_bytes_ += used;
  return used;
}

void Http2Session::ReleaseHeld(Http2Stream& stream) {
  const size_t held = stream.held_.size() - stream.held_at_;
  stream.held_at_ = 0;
  stream.held_ = {};
  stream.is_paused_ = false;
  if (held == 0) return;
  held_bytes_ -= held;
  unconsumed_ += held;
  has_resumed_ = true;
  connection_.ScheduleRead();
}

void Http2Session::Continue() {
  if (!std::exchange(has_resumed_, false)) return;
  for (Http2Stream* stream = live_.front(); stream != nullptr; stream = live_.After(*stream)) {
    if (!stream->is_paused_ && !stream->held_.empty()) Resume(*stream);
  }
  if (unconsumed_ > 0) api_.session_consume_connection(session_, std::exchange(unconsumed_, 0));
  has_output_ = true;
  connection_.ScheduleFlush();
}

void Http2Session::Resume(Http2Stream& stream) {
  const size_t used = Deliver(stream, std::span(stream.held_).subspan(stream.held_at_));
  if (stream.is_finished_) {
    ReleaseHeld(stream);
    return;
  }
  stream.held_at_ += used;
  held_bytes_ -= used;
  unconsumed_ += used;
  if (!stream.body_ended_ && stream.is_open_)
    api_.session_consume_stream(session_, stream.id_, used);
  if (stream.held_at_ < stream.held_.size()) return;
  stream.held_at_ = 0;
  stream.held_ = {};
  if (stream.body_ended_) stream.exchange_->OnBodyEnd();
}

void Http2Session::AddPending(Http2Stream& stream) {
  if (stream.is_open_ && !pending_.Contains(stream)) pending_.PushBack(stream);
}

void Http2Session::Submit(Http2Stream& stream) {
  if (stream.is_submitted_) {
    if (stream.is_deferred_) {
      stream.is_deferred_ = false;
      api_.session_resume_data(session_, stream.id_);
    }
    return;
  }
  stream.is_submitted_ = true;
  const std::span<const Field> fields = stream.head_.View(thread_.field_scratch());
  nghttp2::DataProvider provider{{.object = &stream}, &Callbacks::OnReadBody};
  const bool is_only_head =
      stream.is_finished_ && stream.body_.empty() && stream.trailers_.fields.empty();
  const int error = api_.submit_response(session_, stream.id_, fields.data(), fields.size(),
                                         is_only_head ? nullptr : &provider);
  if (error != 0) ResetStream(stream, nghttp2::kInternalError);
}

ssize_t Http2Session::OnReadBody(Http2Stream& stream, size_t size, uint32_t& flags) {
  const size_t n = std::min(size, stream.body_.size());
  flags |= nghttp2::kDataNoCopy;
  if (n == stream.body_.size() && stream.is_finished_) {
    flags |= nghttp2::kDataEof;
    if (!stream.trailers_.fields.empty()) {
      flags |= nghttp2::kDataNoEndStream;
      const std::span<const Field> fields = stream.trailers_.View(thread_.field_scratch());
      api_.submit_trailer(session_, stream.id_, fields.data(), fields.size());
    }
  } else if (n == 0) {
    stream.is_deferred_ = true;
    return nghttp2::kErrorDeferred;
  }
  return static_cast<ssize_t>(n);
}

void Http2Session::OnSendData(Http2Stream& stream, const uint8_t* frame_head, size_t size) {
  OutputQueue& output = connection_.output();
  output.Append({reinterpret_cast<const std::byte*>(frame_head), kFrameHeadBytes});
  stream.body_.MoveTo(output, size);
  stream.framed_bytes_ += size;
  stream.stalled_since_ = base::kNever;
  if (stream.body_.empty() && !stream.is_finished_) NoteDrain(stream);
}

void Http2Session::NoteDrain(Http2Stream& stream) {
  draining_.Remove(stream);
  stream.drain_position_ = connection_.output().queued();
  draining_.PushBack(stream);
}

void Http2Session::Fill(size_t max_bytes) {
  if (has_failed_) return;
  while (Http2Stream* const stream = pending_.front()) {
    pending_.Remove(*stream);
    Submit(*stream);
    has_output_ = true;
  }
  if (!has_output_) return;
  OutputQueue& output = connection_.output();
  while (output.size() < max_bytes) {
    const uint8_t* data = nullptr;
    const ssize_t n = api_.session_mem_send(session_, &data);
    if (n < 0) {
      has_failed_ = true;
      connection_.CloseAfterWrite(true);
      return;
    }
    if (n == 0) {
      has_output_ = false;
      break;
    }
    output.Append({reinterpret_cast<const std::byte*>(data), static_cast<size_t>(n)});
  }
  if (!has_output_) CloseIfDone();
}

void Http2Session::CloseIfDone() {
  if (api_.session_want_read(session_) == 0 && api_.session_want_write(session_) == 0) {
    connection_.CloseAfterWrite(true);
  }
}

void Http2Session::OnFrameSent(const Frame& frame) {
  if (frame.type > nghttp2::kFrameHeaders || (frame.flags & nghttp2::kFlagEndStream) == 0) return;
  Http2Stream* const stream = Find(frame.stream_id);
  if (stream == nullptr) return;
  stream->ends_framed_ = true;
  // The answer is complete, the request is not: the peer need not send the rest (RFC 9113 §8.1).
  if (!stream->body_ended_) {
    api_.submit_rst_stream(session_, nghttp2::kFlagNone, stream->id_, nghttp2::kNoError);
  }
}

void Http2Session::OnStreamClose(int32_t stream_id) {
  Http2Stream* const stream = Find(stream_id);
  if (stream == nullptr) return;
  stream->is_open_ = false;
  if (stream->body_ended_) NoteEndedByPeer(stream_id);
  pending_.Remove(*stream);
  if (!stream->ends_framed_) {
    Release(*stream, false);
    return;
  }
  NoteDrain(*stream);
}

void Http2Session::OnWritten() {
  const uint64_t taken = connection_.output().taken();
  while (Http2Stream* const stream = draining_.front()) {
    if (stream->drain_position_ > taken) break;
    draining_.Remove(*stream);
    stream->framed_bytes_ = 0;
    if (!stream->is_open_) {
      Release(*stream, true);
    } else if (stream->exchange_ != nullptr && !stream->is_finished_ && stream->body_.empty()) {
      stream->exchange_->OnDrained();
    }
  }
}

void Http2Session::Release(Http2Stream& stream, bool is_answered) {
  if (stream.is_open_) api_.session_set_stream_user_data(session_, stream.id_, nullptr);
  Exchange* const exchange = std::exchange(stream.exchange_, nullptr);
  if (exchange != nullptr) exchange->OnClosed(is_answered);
  ReleaseHeld(stream);
  thread_.timers().Cancel(stream);
  live_.Remove(stream);
  pending_.Remove(stream);
  draining_.Remove(stream);
  stream.body_.Clear();
  stream.head_.Clear();
  stream.trailers_.Clear();
  thread_.http2_streams().GiveBack(&stream);
  if (live_.empty()) idle_since_ = thread_.now();
}

void Http2Session::ResetStream(Http2Stream& stream, uint32_t error) {
  api_.submit_rst_stream(session_, nghttp2::kFlagNone, stream.id_, error);
  Release(stream, false);
  has_output_ = true;
  connection_.ScheduleFlush();
}

void Http2Session::OnStopListening() {
  if (is_going_away_) return;
  is_going_away_ = true;
  goaway_since_ = thread_.now();
  // First that no more streams are wanted, then, once the peer has surely heard it, which was the
  // last one: no request is lost between the two.
  constexpr std::array<uint8_t, 8> kOpaque{'s', 't', 'o', 'p', 'p', 'i', 'n', 'g'};
  api_.submit_shutdown_notice(session_);
  api_.submit_ping(session_, nghttp2::kFlagNone, kOpaque.data());
  has_output_ = true;
  connection_.ScheduleFlush();
}

void Http2Session::CheckDeadlines(base::Instant now) {
  const Limits& limits = connection_.limits();
  if (is_going_away_ && !has_final_goaway_ && now >= goaway_since_ + std::chrono::seconds(1)) {
    has_final_goaway_ = true;
    api_.submit_goaway(session_, nghttp2::kFlagNone, api_.session_get_last_proc_stream_id(session_),
                       nghttp2::kNoError, nullptr, 0);
    has_output_ = true;
    connection_.ScheduleFlush();
  }
  const bool is_head_late = limits.head_timeout.count() > 0 && block_started_ != base::kNever &&
                            now >= block_started_ + limits.head_timeout;
  const bool is_idle =
      limits.idle_timeout.count() > 0 && live_.empty() && now >= idle_since_ + limits.idle_timeout;
  if (is_head_late || is_idle) {
    api_.session_terminate_session(session_,
                                   is_idle ? nghttp2::kNoError : nghttp2::kEnhanceYourCalm);
    has_output_ = true;
    connection_.ScheduleFlush();
    return;
  }
  Http2Stream* following = nullptr;
  for (Http2Stream* stream = live_.front(); stream != nullptr; stream = following) {
    following = live_.After(*stream);
    if (!stream->is_open_) continue;
    bool is_late = false;
    if (!stream->body_ended_ && !stream->is_paused_ && stream->body_started_ != base::kNever) {
      const base::Nanoseconds spent = now - stream->body_started_;
      const double seconds = std::chrono::duration<double>(spent).count();
      is_late = (limits.body_timeout.count() > 0 && spent >= limits.body_timeout) ||
                (limits.min_body_bytes_per_second > 0 && seconds > 5 &&
                 static_cast<double>(stream->body_bytes_) <
                     seconds * static_cast<double>(limits.min_body_bytes_per_second));
    }
    if (stream->body_.empty()) {
      stream->stalled_since_ = base::kNever;
    } else if (stream->stalled_since_ == base::kNever) {
      stream->stalled_since_ = now;
    } else if (limits.write_timeout.count() > 0 &&
               now >= stream->stalled_since_ + limits.write_timeout) {
      is_late = true;
    }
    if (is_late) ResetStream(*stream, nghttp2::kCancel);
  }
}

void Http2Session::Abort() {
  has_failed_ = true;
  while (Http2Stream* const stream = live_.front()) Release(*stream, false);
}

}  // namespace serving::net
