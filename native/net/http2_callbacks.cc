// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// nghttp2's view of a session: its callbacks and options.

#include <algorithm>

#include "base/check.h"
#include "net/http2_session.h"

namespace serving::net {
namespace {

using nghttp2::Api;
using nghttp2::Frame;

std::string_view Text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace

// nghttp2 calls these with the session that they were registered for as `user`.
struct Http2Session::Callbacks {
  static Http2Session& Self(void* user) { return *static_cast<Http2Session*>(user); }

  static int OnBeginHeaders(nghttp2::Session*, const Frame* frame, void* user) {
    return Self(user).OnBeginHeaders(*frame);
  }
  static int OnHeader(nghttp2::Session*, const Frame*, const uint8_t* name, size_t name_size,
                      const uint8_t* value, size_t value_size, uint8_t, void* user) {
    return Self(user).OnHeader(Text(name, name_size), Text(value, value_size));
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
};

// One set for the whole process: nghttp2 copies it into each session.
const nghttp2::Callbacks* Http2Session::LibraryCallbacks(const Api& api) {
  static const nghttp2::Callbacks* const callbacks = [&api] {
    nghttp2::Callbacks* made = nullptr;
    SERVING_CHECK(api.session_callbacks_new(&made) == 0, "no memory for nghttp2's callbacks");
    api.session_callbacks_set_on_begin_headers_callback(made, &Callbacks::OnBeginHeaders);
    api.session_callbacks_set_on_header_callback(made, &Callbacks::OnHeader);
    api.session_callbacks_set_on_frame_recv_callback(made, &Callbacks::OnFrame);
    api.session_callbacks_set_on_frame_send_callback(made, &Callbacks::OnFrameSent);
    api.session_callbacks_set_on_data_chunk_recv_callback(made, &Callbacks::OnDataChunk);
    api.session_callbacks_set_on_stream_close_callback(made, &Callbacks::OnStreamClose);
    api.session_callbacks_set_send_data_callback(made, &Callbacks::OnSendData);
    api.session_callbacks_set_data_source_read_length_callback(made, &Callbacks::OnReadLength);
    return made;
  }();
  return callbacks;
}

const nghttp2::Option* Http2Session::LibraryOptions(const Api& api) {
  static const nghttp2::Option* const options = [&api] {
    nghttp2::Option* made = nullptr;
    SERVING_CHECK(api.option_new(&made) == 0, "no memory for nghttp2's options");
    // A body that is not taken must close its window: what is consumed is said by hand.
    api.option_set_no_auto_window_update(made, 1);
    // Closed streams would be kept for a priority tree that nobody uses.
    api.option_set_no_closed_streams(made, 1);
    // We count resets ourselves (CountReset), where libraries of all ages behave alike.
    if (api.option_set_stream_reset_rate_limit != nullptr) {
      api.option_set_stream_reset_rate_limit(made, 1'000'000, 1'000'000);
    }
    return made;
  }();
  return options;
}

nghttp2::DataProvider Http2Session::BodyOf(Http2Stream& stream) {
  return {{.object = &stream}, &Callbacks::OnReadBody};
}

}  // namespace serving::net
