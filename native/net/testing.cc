// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/testing.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <thread>

#include "base/check.h"

namespace serving::net {
namespace {

std::atomic<int> live_buffers{0};

std::span<const std::byte> Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

constexpr size_t kPiece = 64 * 1024;

}  // namespace

TestBuffer::TestBuffer(std::string text) : text_(std::move(text)) {
  data_ = reinterpret_cast<std::byte*>(text_.data());
  capacity_ = text_.size();
  ++live_buffers;
}

TestBuffer::~TestBuffer() { --live_buffers; }

int TestBuffer::live() { return live_buffers; }

std::string Pattern(size_t size) {
  std::string text(size, '\0');
  uint32_t state = 1;
  for (char& c : text) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  return text;
}

class TestServer::Shared {
 public:
  void Note(std::string entry) {
    const std::lock_guard lock(mutex);
    log.push_back(std::move(entry));
    changed.notify_all();
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> log;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string head;
  size_t most_unsent = 0;
  bool wants_answers = false;
  bool wants_resume = false;
  bool is_blocked = true;
  size_t turns_with_wake = 0;
  std::vector<base::Ref<base::Waker>> wakers;
};

class TestHandler;

class TestExchange final : public Exchange {
 public:
  TestExchange(TestHandler& handler, TestServer::Shared& shared, Stream& stream,
               const RequestHead& head)
      : handler_(handler), shared_(shared), stream_(stream), path_(head.path), query_(head.query) {
    if (path_ == "/early") {
      stream_.SendHead(413, {}, 3);
      stream_.SendBytes(Bytes("big"));
      stream_.Finish({});
    } else if (path_ == "/timer") {
      stream_.SetTimer(base::SteadyClock().Now() + std::chrono::milliseconds(20));
    } else if (path_ == "/pause") {
      is_paused_ = true;
    } else if (path_ == "/chat") {
      stream_.AllowSlowBody();
      stream_.SendHead(200, {}, std::nullopt);
    }
  }

  std::span<std::byte> BodySpace(size_t want) override {
    if (is_paused_) {
      shared_.Note("paused " + path_);
      return {};
    }
    if (path_ == "/pause") shared_.Note("takes " + path_);
    const size_t room =
        path_ == "/trickle" ? std::min<size_t>(want, 7) : std::min<size_t>(want, 1 << 20);
    body_.resize(arrived_ + room);
    return std::as_writable_bytes(std::span(body_)).subspan(arrived_);
  }
  void BodyArrived(size_t n) override {
    arrived_ += n;
    if (path_ != "/chat") return;
    stream_.SendBytes(Bytes(std::string_view(body_).substr(0, n)));
    NoteUnsent();
    arrived_ = 0;
  }
  void OnBodyEnd() override;
  void OnDrained() override {
    shared_.Note("drained " + path_);
    if (path_ == "/stream" && pieces_left_ > 0) SendPiece();
    if (path_ == "/abort") {
      EXPECT_EQ(stream_.unsent_bytes(), 0u);
      stream_.Abort(AbortReason::kInternalError);
    }
  }
  void OnTimer() override {
    stream_.SendHead(200, {}, 4);
    stream_.SendBytes(Bytes("rang"));
    stream_.Finish({});
  }
  bool IsDue(base::Instant) const override { return query_ == "due"; }
  void OnClosed(bool answered) override;

  void Answer() {
    if (path_ != "/hold" || !has_ended_) return;
    has_ended_ = false;
    SendWhole(body_.empty() ? "held" : body_, true);
  }
  void Resume() {
    if (!is_paused_) return;
    is_paused_ = false;
    stream_.ResumeBody();
  }

 private:
  void SendWhole(std::string_view text, bool with_length) {
    stream_.SendHead(200, {}, with_length ? std::optional<uint64_t>(text.size()) : std::nullopt);
    stream_.SendBytes(Bytes(text));
    stream_.Finish({});
  }
  void Lend(std::string text) {
    base::BufferRef buffer = base::MakeRef<TestBuffer>(std::move(text));
    const std::span<const std::byte> bytes = buffer->bytes();
    stream_.SendBuffer(std::move(buffer), bytes);
    NoteUnsent();
  }
  void SendPiece() {
    Lend(Pattern(kPiece));
    if (--pieces_left_ == 0) stream_.Finish({});
  }
  void NoteUnsent() {
    const std::lock_guard lock(shared_.mutex);
    shared_.most_unsent = std::max(shared_.most_unsent, stream_.unsent_bytes());
  }

  TestHandler& handler_;
  TestServer::Shared& shared_;
  Stream& stream_;
  const std::string path_;
  const std::string query_;
  std::string body_;
  size_t arrived_ = 0;
  size_t pieces_left_ = 0;
  bool is_paused_ = false;
  bool has_ended_ = false;
};

class TestHandler final : public RequestHandler {
 public:
  explicit TestHandler(TestServer::Shared& shared) : shared_(shared) {}

  Exchange* OnRequest(Stream& stream, const RequestHead& head) override {
    {
      const std::lock_guard lock(shared_.mutex);
      shared_.headers.clear();
      for (const Header& header : head.headers)
        shared_.headers.emplace_back(header.name, header.value);
      shared_.head =
          std::string(head.method) + " " + std::string(head.path) + " ? " +
          std::string(head.query) +
          (head.content_length ? " length " + std::to_string(*head.content_length) : "") +
          (head.has_body ? " body" : "") + " service " + std::to_string(head.service);
    }
    shared_.Note("request " + std::string(head.method) + " " + std::string(head.path));
    if (head.path == "/block") {
      std::unique_lock lock(shared_.mutex);
      shared_.changed.wait_for(lock, kPatience, [this] { return !shared_.is_blocked; });
    }
    exchanges_.push_back(std::make_unique<TestExchange>(*this, shared_, stream, head));
    return exchanges_.back().get();
  }
  void OnWake() override {
    has_woken_ = true;
    bool answers;
    bool resumes;
    {
      const std::lock_guard lock(shared_.mutex);
      answers = shared_.wants_answers;
      resumes = shared_.wants_resume;
    }
    for (size_t i = 0; i < exchanges_.size(); ++i) {
      if (answers) exchanges_[i]->Answer();
      if (resumes) exchanges_[i]->Resume();
    }
  }
  void OnTurnEnd() override {
    if (!std::exchange(has_woken_, false)) return;
    const std::lock_guard lock(shared_.mutex);
    ++shared_.turns_with_wake;
    shared_.changed.notify_all();
  }
  void OnStopped() override {
    EXPECT_TRUE(exchanges_.empty());
    shared_.Note("stopped");
  }
  void Remove(TestExchange* exchange) {
    std::erase_if(exchanges_, [exchange](const auto& owned) { return owned.get() == exchange; });
  }

 private:
  TestServer::Shared& shared_;
  std::vector<std::unique_ptr<TestExchange>> exchanges_;
  bool has_woken_ = false;
};

void TestExchange::OnBodyEnd() {
  body_.resize(arrived_);
  has_ended_ = true;
  shared_.Note("end " + path_);
  const auto number = [this] {
    size_t value = 0;
    std::from_chars(query_.data(), query_.data() + query_.size(), value);
    return value;
  };
  if (path_ == "/hello") {
    SendWhole("hello", true);
  } else if (path_ == "/echo" || path_ == "/trickle" || path_ == "/pause") {
    SendWhole(body_, true);
  } else if (path_ == "/echo-chunked") {
    SendWhole(body_, false);
  } else if (path_ == "/grpc") {
    const Header type{"content-type", "application/grpc"};
    const std::array<Header, 2> trailers{{{"grpc-status", "0"}, {"grpc-message", "fine"}}};
    stream_.SendHead(200, {&type, 1}, std::nullopt);
    if (!body_.empty()) stream_.SendBytes(Bytes(body_));
    stream_.Finish(trailers);
  } else if (path_ == "/refuse-grpc") {
    const std::array<Header, 2> fields{
        {{"content-type", "application/grpc"}, {"grpc-status", "5"}}};
    stream_.SendTrailersOnly(fields);
  } else if (path_ == "/large") {
    stream_.SendHead(200, {}, number());
    Lend(Pattern(number()));
    stream_.Finish({});
  } else if (path_ == "/stream") {
    pieces_left_ = number();
    stream_.SendHead(200, {}, std::nullopt);
    SendPiece();
  } else if (path_ == "/chat") {
    stream_.Finish({});
  } else if (path_ == "/abort") {
    if (number() == 0) {
      stream_.Abort(AbortReason::kCancel);
    } else {
      stream_.SendHead(200, {}, std::nullopt);
      Lend(Pattern(number()));
    }
  } else if (path_ == "/short") {
    stream_.SendHead(200, {}, 100);
    stream_.SendBytes(Bytes("ten bytes."));
    stream_.Finish({});
  } else if (path_ != "/hold" && path_ != "/timer") {
    stream_.SendHead(404, {}, 0);
    stream_.Finish({});
  }
}

void TestExchange::OnClosed(bool answered) {
  shared_.Note("closed " + path_ + (answered ? " answered" : " not answered"));
  handler_.Remove(this);
}

TestServer::TestServer(const Limits& limits, int threads, const base::Clock* clock)
    : shared_(std::make_unique<Shared>()) {
  auto started = Server::Start(
      threads, limits,
      [this](int, base::Ref<base::Waker> waker) {
        const std::lock_guard lock(shared_->mutex);
        shared_->wakers.push_back(std::move(waker));
        return std::make_unique<TestHandler>(*shared_);
      },
      clock);
  SERVING_CHECK(started.ok(), "the test server does not start: is libnghttp2-14 installed?");
  server_ = started.Take();
}

TestServer::~TestServer() { Stop(); }

uint16_t TestServer::Listen(ListenerOptions options) {
  options.host = "127.0.0.1";
  if (RunsOverTls() && !options.tls) options.tls = ServerTls();
  const auto listening = server_->Listen(options);
  SERVING_CHECK(listening.ok(), "the test server does not listen");
  return listening.value().port;
}

void TestServer::Stop() { server_->Stop(); }

testing::AssertionResult TestServer::WaitFor(std::string_view entry, size_t times) {
  std::unique_lock lock(shared_->mutex);
  const auto count = [&] {
    return static_cast<size_t>(std::count(shared_->log.begin(), shared_->log.end(), entry));
  };
  if (shared_->changed.wait_for(lock, kPatience, [&] { return count() >= times; })) {
    return testing::AssertionSuccess();
  }
  auto failure = testing::AssertionFailure() << "no `" << entry << "` x" << times << " but:";
  for (const std::string& line : shared_->log) failure << "\n  " << line;
  return failure;
}

testing::AssertionResult TestServer::WaitForConnections(size_t count) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (server_->connections() != count) {
    if (std::chrono::steady_clock::now() > deadline) {
      return testing::AssertionFailure()
             << server_->connections() << " connections, expected " << count;
    }
    std::this_thread::yield();
  }
  return testing::AssertionSuccess();
}

size_t TestServer::Count(std::string_view entry) {
  const std::lock_guard lock(shared_->mutex);
  return static_cast<size_t>(std::count(shared_->log.begin(), shared_->log.end(), entry));
}

std::vector<std::string> TestServer::log() {
  const std::lock_guard lock(shared_->mutex);
  return shared_->log;
}

std::vector<std::pair<std::string, std::string>> TestServer::last_headers() {
  const std::lock_guard lock(shared_->mutex);
  return shared_->headers;
}

std::string TestServer::last_head() {
  const std::lock_guard lock(shared_->mutex);
  return shared_->head;
}

size_t TestServer::most_unsent() {
  const std::lock_guard lock(shared_->mutex);
  return shared_->most_unsent;
}

void TestServer::Answer() {
  const std::lock_guard lock(shared_->mutex);
  shared_->wants_answers = true;
  for (const base::Ref<base::Waker>& waker : shared_->wakers) waker->Wake();
}

void TestServer::Resume() {
  const std::lock_guard lock(shared_->mutex);
  shared_->wants_resume = true;
  for (const base::Ref<base::Waker>& waker : shared_->wakers) waker->Wake();
}

void TestServer::Unblock() {
  const std::lock_guard lock(shared_->mutex);
  shared_->is_blocked = false;
  shared_->changed.notify_all();
}

void TestServer::Wake() {
  // Twice: the first time a wake from before may be what is counted.
  for (int i = 0; i < 2; ++i) {
    std::unique_lock lock(shared_->mutex);
    const size_t wanted = shared_->turns_with_wake + shared_->wakers.size();
    for (const base::Ref<base::Waker>& waker : shared_->wakers) waker->Wake();
    EXPECT_TRUE(shared_->changed.wait_for(lock, kPatience,
                                          [&] { return shared_->turns_with_wake >= wanted; }));
  }
}

Client::Client(uint16_t port, int receive_buffer)
    : Client(port, receive_buffer, RunsOverTls() ? std::optional(TlsPeerOptions()) : std::nullopt) {
}

Client::Client(uint16_t port, const TlsPeerOptions& tls, int receive_buffer)
    : Client(port, receive_buffer, std::optional(tls)) {}

std::unique_ptr<Client> Client::Plain(uint16_t port) {
  return std::unique_ptr<Client>(new Client(port, 0, std::nullopt));
}

Client::Client(uint16_t port, int receive_buffer, const std::optional<TlsPeerOptions>& tls)
    : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  EXPECT_GE(fd_, 0) << std::strerror(errno);
  if (receive_buffer > 0)
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{kPatience.count(), 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0)
      << std::strerror(errno);
  if (tls) tls_ = std::make_unique<TlsPeer>(fd_, *tls);
}

Client::~Client() { Close(); }

void Client::Close() {
  tls_.reset();
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

void Client::Send(std::string_view bytes) {
  if (tls_) {
    if (!tls_->Send(bytes)) was_reset_ = true;
    return;
  }
  while (!bytes.empty()) {
    const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) {
      // The server has closed: what it said can still be read.
      was_reset_ = true;
      return;
    }
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

size_t Client::TrySend(std::string_view bytes) {
  if (tls_) return tls_->TrySend(bytes);
  const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return n > 0 ? static_cast<size_t>(n) : 0;
}

bool Client::AwaitRoom() {
  if (tls_ && !tls_->failure().empty()) return false;
  pollfd wanted{fd_, POLLOUT, 0};
  return poll(&wanted, 1, 5'000) > 0 && (wanted.revents & (POLLERR | POLLHUP)) == 0;
}

std::string Client::Receive(size_t most) {
  std::string text(most, '\0');
  const ssize_t n =
      tls_ ? tls_->Receive(text.data(), text.size()) : recv(fd_, text.data(), text.size(), 0);
  EXPECT_TRUE(n >= 0 || errno == ECONNRESET || tls_) << std::strerror(errno);
  if (n < 0) was_reset_ = true;
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

std::string Client::ReceiveExactly(size_t size) {
  std::string text;
  while (text.size() < size) {
    const std::string part = Receive(std::min<size_t>(size - text.size(), 1 << 20));
    if (part.empty()) break;
    text += part;
  }
  return text;
}

std::string Client::ReceiveUntil(std::string_view end) {
  std::string text;
  while (!text.ends_with(end)) {
    const std::string part = Receive(1);
    if (part.empty()) break;
    text += part;
  }
  return text;
}

std::string Client::ReceiveAll() {
  std::string text;
  for (std::string part = Receive(); !part.empty(); part = Receive()) text += part;
  return text;
}

bool Client::HasInput() {
  if (tls_ && tls_->HasInput()) return true;
  pollfd wanted{fd_, POLLIN, 0};
  return poll(&wanted, 1, 0) > 0;
}

void Client::EndSending() {
  if (tls_) tls_->EndSending();
  shutdown(fd_, SHUT_WR);
}

void Client::Reset() {
  const linger now{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  Close();
}

std::string RawFrame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
  std::string frame;
  for (const int shift : {16, 8, 0}) frame += static_cast<char>(payload.size() >> shift);
  frame += static_cast<char>(type);
  frame += static_cast<char>(flags);
  for (const int shift : {24, 16, 8, 0}) frame += static_cast<char>(stream >> shift);
  return frame + std::string(payload);
}

std::optional<Goaway> GoawayIn(std::string_view bytes) {
  const auto number = [&](size_t at, size_t size) {
    size_t value = 0;
    for (size_t i = at; i < at + size; ++i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
    return value;
  };
  while (bytes.size() >= 9) {
    const size_t length = number(0, 3);
    if (bytes[3] == 7 && bytes.size() >= 17) {
      return Goaway{static_cast<int>(number(13, 4)), std::string(bytes.substr(17, length - 8))};
    }
    bytes.remove_prefix(std::min(bytes.size(), 9 + length));
  }
  return std::nullopt;
}

Response ReadResponse(Client& client, bool to_head) {
  Response response;
  const std::string head = client.ReceiveUntil("\r\n\r\n");
  if (!head.starts_with("HTTP/1.1 ")) {
    ADD_FAILURE() << "not an answer: " << testing::PrintToString(head);
    return response;
  }
  response.status = std::atoi(head.c_str() + 9);
  for (size_t at = head.find("\r\n") + 2; at + 2 < head.size();) {
    const size_t end = head.find("\r\n", at);
    const size_t colon = head.find(": ", at);
    std::string name = head.substr(at, colon - at);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    response.headers[name] = head.substr(colon + 2, end - colon - 2);
    at = end + 2;
  }
  if (response.status == 100 || to_head) return response;
  if (response.headers.contains("content-length")) {
    response.body = client.ReceiveExactly(std::stoul(response.headers["content-length"]));
  } else if (response.headers.contains("transfer-encoding")) {
    while (true) {
      const size_t size = std::stoul("0" + client.ReceiveUntil("\r\n"), nullptr, 16);
      response.body += client.ReceiveExactly(size);
      EXPECT_EQ(client.ReceiveExactly(2), "\r\n");
      if (size == 0) break;
    }
  } else {
    response.body = client.ReceiveAll();
  }
  return response;
}

// Functions and layouts of nghttp2 that only a client needs.
struct Http2Client::Callbacks {
  struct GoawayFrame {
    nghttp2::Frame head;
    int32_t last_stream_id;
    uint32_t error;
  };
  static constexpr uint8_t kFrameGoaway = 7;

  static Http2Client& Self(void* user) { return *static_cast<Http2Client*>(user); }

  template <typename Function>
  static Function Find(const char* name) {
    auto const function = reinterpret_cast<Function>(nghttp2::FindSymbol(name));
    SERVING_CHECK(function != nullptr, name);
    return function;
  }

  static int OnHeader(nghttp2::Session*, const nghttp2::Frame* frame, const uint8_t* name,
                      size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                      void* user) {
    Response& response = Self(user).responses_[frame->stream_id];
    const std::string key(reinterpret_cast<const char*>(name), name_size);
    const std::string text(reinterpret_cast<const char*>(value), value_size);
    if (key == ":status") {
      response.status = std::stoi(text);
    } else if (response.is_complete) {
      response.trailers[key] = text;
    } else {
      response.headers[key] = text;
    }
    return 0;
  }
  static int OnFrame(nghttp2::Session*, const nghttp2::Frame* frame, void* user) {
    Http2Client& self = Self(user);
    if (frame->type == kFrameGoaway) {
      const auto* const goaway = reinterpret_cast<const GoawayFrame*>(frame);
      self.goaway_ = goaway->error;
      self.goaway_last_stream_ = goaway->last_stream_id;
    }
    return 0;
  }
  static int OnBeginHeaders(nghttp2::Session*, const nghttp2::Frame* frame, void* user) {
    // A second block is trailers.
    Response& response = Self(user).responses_[frame->stream_id];
    if (response.status != 0) response.is_complete = true;
    return 0;
  }
  static int OnData(nghttp2::Session*, uint8_t, int32_t stream, const uint8_t* data, size_t size,
                    void* user) {
    Self(user).responses_[stream].body.append(reinterpret_cast<const char*>(data), size);
    return 0;
  }
  static int OnClose(nghttp2::Session*, int32_t stream, uint32_t error, void* user) {
    Response& response = Self(user).responses_[stream];
    response.is_complete = true;
    response.reset = error;
    return 0;
  }
  static ssize_t OnReadBody(nghttp2::Session*, int32_t stream, uint8_t* to, size_t size,
                            uint32_t* flags, nghttp2::DataSource*, void* user) {
    Body& body = Self(user).bodies_[stream];
    const size_t n = std::min(size, body.text.size() - body.sent);
    std::memcpy(to, body.text.data() + body.sent, n);
    body.sent += n;
    if (body.sent == body.text.size() && body.ends) *flags |= nghttp2::kDataEof;
    if (n == 0 && !body.ends) {
      body.is_deferred = true;
      return nghttp2::kErrorDeferred;
    }
    return static_cast<ssize_t>(n);
  }
};

Http2Client::Http2Client(uint16_t port, std::optional<uint32_t> window, bool updates_windows)
    : Http2Client(std::make_unique<Client>(port), window, updates_windows) {}

Http2Client::Http2Client(std::unique_ptr<Client> client, std::optional<uint32_t> window,
                         bool updates_windows)
    : api_(*nghttp2::Load().value()), client_(std::move(client)) {
  nghttp2::Callbacks* callbacks = nullptr;
  api_.session_callbacks_new(&callbacks);
  api_.session_callbacks_set_on_begin_headers_callback(callbacks, &Callbacks::OnBeginHeaders);
  api_.session_callbacks_set_on_header_callback(callbacks, &Callbacks::OnHeader);
  api_.session_callbacks_set_on_frame_recv_callback(callbacks, &Callbacks::OnFrame);
  api_.session_callbacks_set_on_data_chunk_recv_callback(callbacks, &Callbacks::OnData);
  api_.session_callbacks_set_on_stream_close_callback(callbacks, &Callbacks::OnClose);
  nghttp2::Option* options = nullptr;
  api_.option_new(&options);
  api_.option_set_no_auto_window_update(options, updates_windows ? 0 : 1);
  using New = int (*)(nghttp2::Session**, const nghttp2::Callbacks*, void*, const nghttp2::Option*);
  Callbacks::Find<New>("nghttp2_session_client_new2")(&session_, callbacks, this, options);
  api_.option_del(options);
  api_.session_callbacks_del(callbacks);
  const nghttp2::Setting setting{nghttp2::kSettingInitialWindowSize, window.value_or(65'535)};
  api_.submit_settings(session_, nghttp2::kFlagNone, &setting, 1);
}

Http2Client::~Http2Client() { api_.session_del(session_); }

int32_t Http2Client::Request(std::string_view method, std::string_view path, std::string_view body,
                             const Fields& more, bool ends) {
  Fields fields{{":method", std::string(method)},
                {":scheme", "http"},
                {":authority", "test"},
                {":path", std::string(path)}};
  fields.insert(fields.end(), more.begin(), more.end());
  std::vector<nghttp2::Field> views;
  for (const auto& [name, value] : fields) {
    views.push_back({reinterpret_cast<const uint8_t*>(name.data()),
                     reinterpret_cast<const uint8_t*>(value.data()), name.size(), value.size(), 0});
  }
  using Submit = int32_t (*)(nghttp2::Session*, const void* priority, const nghttp2::Field*, size_t,
                             const nghttp2::DataProvider*, void*);
  const nghttp2::DataProvider provider{{.object = nullptr}, &Callbacks::OnReadBody};
  const bool has_body = !body.empty() || !ends;
  const int32_t stream = Callbacks::Find<Submit>("nghttp2_submit_request")(
      session_, nullptr, views.data(), views.size(), has_body ? &provider : nullptr, nullptr);
  EXPECT_GT(stream, 0);
  bodies_[stream] = {std::string(body), 0, ends, false};
  Flush();
  return stream;
}

void Http2Client::Continue(int32_t stream, std::string_view body, bool ends) {
  bodies_[stream].text += body;
  bodies_[stream].ends = ends;
  if (bodies_[stream].is_deferred) api_.session_resume_data(session_, stream);
  bodies_[stream].is_deferred = false;
  Flush();
}

void Http2Client::Reset(int32_t stream, uint32_t error) {
  api_.submit_rst_stream(session_, nghttp2::kFlagNone, stream, error);
  Flush();
}

void Http2Client::Update(int32_t stream, int32_t by) {
  using SubmitUpdate = int (*)(nghttp2::Session*, uint8_t, int32_t, int32_t);
  auto const submit = Callbacks::Find<SubmitUpdate>("nghttp2_submit_window_update");
  submit(session_, 0, 0, by);
  submit(session_, 0, stream, by);
  Flush();
}

void Http2Client::SendRaw(std::string_view bytes) { client_->Send(bytes); }

void Http2Client::Flush() {
  while (true) {
    const uint8_t* data = nullptr;
    while (output_.size() < 64 * 1024) {
      const ssize_t n = api_.session_mem_send(session_, &data);
      if (n <= 0) break;
      output_.append(reinterpret_cast<const char*>(data), static_cast<size_t>(n));
    }
    if (output_.empty()) return;
    const size_t sent = client_->TrySend(output_);
    if (sent == 0) return;
    output_.erase(0, sent);
  }
}

void Http2Client::Pump(int wait_ms) {
  Flush();
  pollfd wanted{client_->fd(), static_cast<short>(output_.empty() ? POLLIN : POLLIN | POLLOUT), 0};
  if (poll(&wanted, 1, wait_ms) <= 0 || (wanted.revents & ~POLLOUT) == 0) return;
  const std::string text = client_->Receive();
  if (text.empty()) {
    is_closed_ = true;
    return;
  }
  received_bytes_ += text.size();
  api_.session_mem_recv(session_, reinterpret_cast<const uint8_t*>(text.data()), text.size());
  Flush();
}

testing::AssertionResult Http2Client::Until(const std::function<bool()>& holds) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!holds()) {
    if (is_closed_) return testing::AssertionFailure() << "the server closed the connection";
    if (std::chrono::steady_clock::now() > deadline)
      return testing::AssertionFailure() << "waited too long";
    Pump(100);
  }
  return testing::AssertionSuccess();
}

testing::AssertionResult Http2Client::UntilClosed() {
  return Until([this] {
    if (!is_closed_) Pump(100);
    return is_closed_;
  });
}

Response Http2Client::Wait(int32_t stream) {
  EXPECT_TRUE(Until([&] { return responses_[stream].reset.has_value(); }));
  return responses_[stream];
}

size_t OpenDescriptors() {
  const std::filesystem::directory_iterator entries("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(entries), end(entries)));
}

}  // namespace serving::net
