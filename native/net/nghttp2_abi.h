// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// The part of nghttp2's C interface that the listener uses, declared in our own words: Node's
// headers carry no nghttp2.h, while its executable exports the functions. Layouts and numbers
// follow the public header of nghttp2 1.x (soname 14), whose ABI only grows; nghttp2_abi_test
// compares them with the real header where there is one.

#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "base/status.h"

namespace serving::net::nghttp2 {

// Opaque.
struct Session;
struct Callbacks;
struct Option;

// A header field. Without flags the library copies both texts.
inline constexpr uint8_t kFieldNoCopy = 2 | 4;  // name, in lower case, and value
struct Field {
  const uint8_t* name;
  const uint8_t* value;
  size_t name_size;
  size_t value_size;
  uint8_t flags;
};

struct Setting {
  int32_t id;
  uint32_t value;
};

// Every frame that a callback gets starts with this; no more of it is read here.
struct Frame {
  size_t length;
  int32_t stream_id;
  uint8_t type;
  uint8_t flags;
  uint8_t reserved;
};

union DataSource {
  int fd;
  void* object;
};

using ReadBody = ssize_t (*)(Session*, int32_t stream_id, uint8_t* to, size_t size,
                             uint32_t* data_flags, DataSource*, void* user);

struct DataProvider {
  DataSource source;
  ReadBody read;
};

inline constexpr uint8_t kFrameData = 0;
inline constexpr uint8_t kFrameHeaders = 1;
inline constexpr uint8_t kFramePriority = 2;
inline constexpr uint8_t kFrameResetStream = 3;
inline constexpr uint8_t kFrameSettings = 4;
inline constexpr uint8_t kFramePing = 6;
inline constexpr uint8_t kFrameGoaway = 7;
inline constexpr uint8_t kFrameWindowUpdate = 8;
inline constexpr uint8_t kFrameContinuation = 9;

inline constexpr uint8_t kFlagNone = 0;
inline constexpr uint8_t kFlagEndStream = 1;
inline constexpr uint8_t kFlagAck = 1;
inline constexpr uint8_t kFlagEndHeaders = 4;

inline constexpr uint32_t kDataEof = 1;
inline constexpr uint32_t kDataNoEndStream = 2;
inline constexpr uint32_t kDataNoCopy = 4;

inline constexpr int32_t kSettingMaxConcurrentStreams = 3;
inline constexpr int32_t kSettingInitialWindowSize = 4;
inline constexpr int32_t kSettingMaxFrameSize = 5;
inline constexpr int32_t kSettingMaxHeaderListSize = 6;
inline constexpr int32_t kSettingNoRfc7540Priorities = 9;

inline constexpr uint32_t kNoError = 0;
inline constexpr uint32_t kProtocolError = 1;
inline constexpr uint32_t kInternalError = 2;
inline constexpr uint32_t kFlowControlError = 3;
inline constexpr uint32_t kStreamClosed = 5;
inline constexpr uint32_t kCancel = 8;
inline constexpr uint32_t kEnhanceYourCalm = 11;

inline constexpr int kErrorDeferred = -508;
inline constexpr int kErrorTemporalCallbackFailure = -521;
inline constexpr int kErrorCallbackFailure = -902;

using OnFrame = int (*)(Session*, const Frame*, void* user);
using OnHeader = int (*)(Session*, const Frame*, const uint8_t* name, size_t name_size,
                         const uint8_t* value, size_t value_size, uint8_t flags, void* user);
using OnDataChunk = int (*)(Session*, uint8_t flags, int32_t stream_id, const uint8_t* data,
                            size_t size, void* user);
using OnStreamClose = int (*)(Session*, int32_t stream_id, uint32_t error, void* user);
using SendData = int (*)(Session*, Frame*, const uint8_t* frame_head, size_t size, DataSource*,
                         void* user);
using ReadLength = ssize_t (*)(Session*, uint8_t frame_type, int32_t stream_id,
                               int32_t session_window, int32_t stream_window,
                               uint32_t max_frame_size, void* user);

// F(name behind `nghttp2_`, result, arguments)
#define SERVING_NGHTTP2_FUNCTIONS(F)                                                        \
  F(session_callbacks_new, int, (Callbacks**))                                              \
  F(session_callbacks_del, void, (Callbacks*))                                              \
  F(session_callbacks_set_on_begin_headers_callback, void, (Callbacks*, OnFrame))           \
  F(session_callbacks_set_on_header_callback, void, (Callbacks*, OnHeader))                 \
  F(session_callbacks_set_on_frame_recv_callback, void, (Callbacks*, OnFrame))              \
  F(session_callbacks_set_on_frame_send_callback, void, (Callbacks*, OnFrame))              \
  F(session_callbacks_set_on_data_chunk_recv_callback, void, (Callbacks*, OnDataChunk))     \
  F(session_callbacks_set_on_stream_close_callback, void, (Callbacks*, OnStreamClose))      \
  F(session_callbacks_set_send_data_callback, void, (Callbacks*, SendData))                 \
  F(session_callbacks_set_data_source_read_length_callback, void, (Callbacks*, ReadLength)) \
  F(option_new, int, (Option**))                                                            \
  F(option_del, void, (Option*))                                                            \
  F(option_set_no_auto_window_update, void, (Option*, int))                                 \
  F(option_set_no_closed_streams, void, (Option*, int))                                     \
  F(session_server_new2, int, (Session**, const Callbacks*, void* user, const Option*))     \
  F(session_del, void, (Session*))                                                          \
  F(session_mem_recv, ssize_t, (Session*, const uint8_t*, size_t))                          \
  F(session_mem_send, ssize_t, (Session*, const uint8_t**))                                 \
  F(session_want_read, int, (Session*))                                                     \
  F(session_want_write, int, (Session*))                                                    \
  F(session_get_stream_user_data, void*, (Session*, int32_t stream_id))                     \
  F(session_set_stream_user_data, int, (Session*, int32_t stream_id, void*))                \
  F(session_consume_stream, int, (Session*, int32_t stream_id, size_t))                     \
  F(session_consume_connection, int, (Session*, size_t))                                    \
  F(session_set_local_window_size, int,                                                     \
    (Session*, uint8_t flags, int32_t stream_id, int32_t window))                           \
  F(session_get_last_proc_stream_id, int32_t, (Session*))                                   \
  F(session_get_stream_remote_window_size, int32_t, (Session*, int32_t stream_id))          \
  F(session_resume_data, int, (Session*, int32_t stream_id))                                \
  F(submit_settings, int, (Session*, uint8_t flags, const Setting*, size_t count))          \
  F(submit_response, int,                                                                   \
    (Session*, int32_t stream_id, const Field*, size_t count, const DataProvider*))         \
  F(submit_trailer, int, (Session*, int32_t stream_id, const Field*, size_t count))         \
  F(submit_rst_stream, int, (Session*, uint8_t flags, int32_t stream_id, uint32_t error))   \
  F(submit_ping, int, (Session*, uint8_t flags, const uint8_t* opaque))                     \
  F(submit_shutdown_notice, int, (Session*))                                                \
  F(submit_goaway, int,                                                                     \
    (Session*, uint8_t flags, int32_t last_stream_id, uint32_t error, const uint8_t* text,  \
     size_t text_size))                                                                     \
  F(strerror, const char*, (int code))

// Newer functions, null where the library lacks them.
#define SERVING_NGHTTP2_OPTIONAL_FUNCTIONS(F) \
  F(option_set_stream_reset_rate_limit, void, (Option*, uint64_t burst, uint64_t per_second))

struct Api {
#define SERVING_NGHTTP2_MEMBER(name, result, arguments) result(*name) arguments = nullptr;
  SERVING_NGHTTP2_FUNCTIONS(SERVING_NGHTTP2_MEMBER)
  SERVING_NGHTTP2_OPTIONAL_FUNCTIONS(SERVING_NGHTTP2_MEMBER)
#undef SERVING_NGHTTP2_MEMBER
};

// Looks a function up in the running executable, then in libnghttp2.so.14; null when neither has
// it. `name` with its `nghttp2_`. Any thread.
void* FindSymbol(const char* name);

// The table, filled once per process. Fails with a sentence that names the first missing function.
// Any thread.
base::Result<const Api*> Load();

}  // namespace serving::net::nghttp2
