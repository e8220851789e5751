// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0
//
// The floor under gRPC: an nghttp2 server session a connection, request bodies dropped, a canned
// gRPC answer. One write a loop turn. Usage: http2-floor BODY_FILE. Prints its port.
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>

#include "floor_socket.h"

namespace {

nghttp2_nv Header(const char* name, const char* value) {
  return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name)),
          reinterpret_cast<std::uint8_t*>(const_cast<char*>(value)), std::strlen(name),
          std::strlen(value), NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

ssize_t ReadBody(nghttp2_session* session, std::int32_t stream, std::uint8_t* to,
                 std::size_t space, std::uint32_t* flags, nghttp2_data_source* source, void*) {
  const auto& body = *static_cast<const std::string*>(source->ptr);
  const auto sent = reinterpret_cast<std::uintptr_t>(
      nghttp2_session_get_stream_user_data(session, stream));
  const std::size_t count = std::min(space, body.size() - sent);
  std::memcpy(to, body.data() + sent, count);
  nghttp2_session_set_stream_user_data(session, stream, reinterpret_cast<void*>(sent + count));
  if (sent + count == body.size()) {
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    const nghttp2_nv trailer = Header("grpc-status", "0");
    nghttp2_submit_trailer(session, stream, &trailer, 1);
  }
  return static_cast<ssize_t>(count);
}

int OnFrame(nghttp2_session* session, const nghttp2_frame* frame, void* user_data) {
  // Bit 0 is END_STREAM on these two types only; on SETTINGS and PING it is ACK.
  const bool may_end = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
  if (!may_end || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
  const nghttp2_nv head[2] = {Header(":status", "200"),
                              Header("content-type", "application/grpc")};
  nghttp2_data_provider body{};
  body.source.ptr = user_data;
  body.read_callback = ReadBody;
  return nghttp2_submit_response(session, frame->hd.stream_id, head, 2, &body);
}

class Connection {
 public:
  Connection(int fd, const std::string& body) : fd_(fd) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, OnFrame);
    nghttp2_session_server_new(&session_, callbacks, const_cast<std::string*>(&body));
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry settings[2] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 16 * 1024 * 1024},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000}};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, 16 * 1024 * 1024);
  }
  ~Connection() { nghttp2_session_del(session_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool OnReadable() {
    static std::uint8_t buffer[64 * 1024];
    const ssize_t got = read(fd_, buffer, sizeof buffer);
    if (got <= 0) return got < 0 && errno == EAGAIN;
    if (nghttp2_session_mem_recv(session_, buffer, static_cast<std::size_t>(got)) < 0) return false;
    return OnWritable();
  }

  bool OnWritable() {
    for (;;) {
      while (out_.size() < 256 * 1024) {
        const std::uint8_t* bytes = nullptr;
        const ssize_t count = nghttp2_session_mem_send(session_, &bytes);
        if (count < 0) return false;
        if (count == 0) break;
        out_.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(count));
      }
      if (out_.empty()) return nghttp2_session_want_read(session_) != 0;
      const ssize_t sent = send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL);
      if (sent < 0) return errno == EAGAIN;
      out_.erase(0, static_cast<std::size_t>(sent));
    }
  }

  bool wants_write() const { return !out_.empty(); }

 private:
  int fd_;
  nghttp2_session* session_ = nullptr;
  std::string out_;
};

}  // namespace

int main(int argc, char** argv) {
  static std::string body;
  if (argc != 2 || !bench::ReadFile(argv[1], &body)) {
    std::fprintf(stderr, "usage: http2-floor BODY_FILE\n");
    return 2;
  }
  const int listener = bench::ListenAndTell();
  return listener < 0 ? 1 : bench::ServeForever<Connection>(listener, body);
}
