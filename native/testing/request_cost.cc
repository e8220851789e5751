// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// Serves a fixed count of small infer requests from one client over loopback, one in flight (with
// grpc-8 eight, on streams of one connection), and ends: net, protocol, frontend, engine and the
// identity model without TypeScript. To be run twice under `valgrind --tool=callgrind`, with two
// counts: the difference is what requests cost in instructions, whatever else the machine does.
// bench/instructions.ts does so.
//
// Usage: request_cost http-json|http-binary|grpc|grpc-8|grpc-hit|grpc-miss COUNT
//
// The last two stand before a response cache: the same request each time, or never the same.

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "backend/identity/identity.h"
#include "base/check.h"
#include "engine/engine.h"
#include "frontend/frontend.h"
#include "frontend/route_table.h"

namespace serving::testing {
namespace {

using frontend::ControlCall;
using frontend::ControlPort;
using frontend::Frontend;
using frontend::Service;

constexpr size_t kElements = 16;
constexpr size_t kTensorBytes = kElements * sizeof(float);

// No request of this program is answered by TypeScript.
class NoControl final : public ControlPort {
 public:
  bool Post(std::unique_ptr<ControlCall>) override { return false; }
};

core::ModelPlan IdentityPlan() {
  core::ModelPlan plan;
  plan.name = "identity";
  plan.backend = "identity";
  plan.max_batch_size = 64;
  plan.inputs.resize(1);
  plan.inputs[0].tensor.name = "INPUT0";
  plan.inputs[0].tensor.data_type = tensor::DataType::kFp32;
  plan.inputs[0].tensor.dims.Append(-1);
  plan.outputs = plan.inputs;
  plan.outputs[0].tensor.name = "OUTPUT0";
  return plan;
}

class Client {
 public:
  explicit Client(uint16_t port) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int result = connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address));
    SERVING_CHECK(result == 0, "the server is not there");
  }
  ~Client() { close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void Send(std::string_view bytes) {
    const ssize_t sent = send(socket_, bytes.data(), bytes.size(), 0);
    SERVING_CHECK(sent == static_cast<ssize_t>(bytes.size()), "the server does not read");
  }
  // Appends what comes next.
  void Receive(std::string& bytes) {
    char buffer[4096];
    const ssize_t received = recv(socket_, buffer, sizeof(buffer), 0);
    SERVING_CHECK(received > 0, "the server closed the connection");
    bytes.append(buffer, static_cast<size_t>(received));
  }

 private:
  const int socket_;
};

std::string Tensor() {
  float values[kElements];
  for (size_t i = 0; i < kElements; ++i) values[i] = static_cast<float>(i) * 0.731f - 4.1f;
  return {reinterpret_cast<const char*>(values), sizeof(values)};
}

std::string HttpRequest(bool is_json) {
  std::string body = R"({"inputs":[{"name":"INPUT0","shape":[1,16],"datatype":"FP32",)";
  std::string type = "application/json";
  std::string length;
  if (is_json) {
    body += R"("data":[)";
    for (size_t i = 0; i < kElements; ++i) {
      char digits[32];
      std::snprintf(digits, sizeof(digits), "%.7g", static_cast<double>(i) * 0.731 - 4.1);
      body += (i == 0 ? "" : ",") + std::string(digits);
    }
    body += "]}]}";
  } else {
    body += R"("parameters":{"binary_data_size":64}}],"outputs":[{"name":"OUTPUT0",)";
    body += R"("parameters":{"binary_data":true}}]})";
    type = "application/octet-stream";
    length = "inference-header-content-length: " + std::to_string(body.size()) + "\r\n";
    body += Tensor();
  }
  return "POST /v2/models/identity/infer HTTP/1.1\r\nHost: 127.0.0.1\r\nuser-agent: "
         "request_cost\r\n"
         "content-type: " +
         type + "\r\n" + length + "content-length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

// One request after the other; every answer must be as long as the first.
void RunHttp(Client& client, bool is_json, size_t count) {
  const std::string request = HttpRequest(is_json);
  size_t answer_size = 0;
  std::string answer;
  for (size_t i = 0; i < count; ++i) {
    client.Send(request);
    answer.clear();
    do {
      client.Receive(answer);
    } while (answer.size() < answer_size || (i == 0 && answer.find("OUTPUT0") == answer.npos));
    if (i == 0) answer_size = answer.size();
    SERVING_CHECK(answer.starts_with("HTTP/1.1 200") && answer.size() == answer_size,
                  "a wrong answer");
  }
}

// Fewer than 128 bytes, behind their count.
std::string Sized(std::string_view content) {
  return static_cast<char>(content.size()) + std::string(content);
}

std::string Field(char tag, std::string_view content) { return tag + Sized(content); }

std::string Frame(size_t size, char type, char flags, uint32_t stream) {
  const uint32_t id = htonl(stream);
  return std::string{0, static_cast<char>(size >> 8), static_cast<char>(size), type, flags} +
         std::string(reinterpret_cast<const char*>(&id), sizeof(id));
}

struct GrpcRequests {
  std::string first_head;  // puts every header into HPACK's table
  std::string head;        // takes them from there
  std::string body;
};

GrpcRequests MakeGrpcRequests() {
  const std::pair<std::string_view, std::string_view> headers[] = {
      {":method", "POST"},
      {":scheme", "http"},
      {":authority", "127.0.0.1"},
      {":path", "/inference.GRPCInferenceService/ModelInfer"},
      {"user-agent", "request_cost"},
      {"content-type", "application/grpc"},
      {"te", "trailers"}};
  GrpcRequests requests;
  for (size_t i = 0; i < std::size(headers); ++i) {
    // Literal with incremental indexing; the newest entry of the table is number 62.
    const auto& [name, value] = headers[i];
    requests.first_head += '\x40' + Sized(name) + Sized(value);
    requests.head += static_cast<char>(0x80 | (62 + std::size(headers) - 1 - i));
  }
  const std::string input = Field('\x0a', "INPUT0") + Field('\x12', "FP32") +
                            Field('\x1a', std::string_view("\x01\x10", 2));
  const std::string message =
      Field('\x0a', "identity") + Field('\x2a', input) + Field('\x3a', Tensor());
  requests.body = std::string(4, '\0') + static_cast<char>(message.size()) + message;
  return requests;
}

// `streams` requests are sent in one piece and answered before the next; with `differs` each has a
// tensor of its own.
void RunGrpc(Client& client, size_t streams, bool differs, size_t count) {
  GrpcRequests requests = MakeGrpcRequests();
  constexpr char kSettings = 4;
  constexpr char kWindowUpdate = 8;
  constexpr char kEndStream = 1;
  constexpr char kEndHeaders = 4;
  client.Send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(0, kSettings, 0, 0) +
              Frame(4, kWindowUpdate, 0, 0) + std::string("\x3f\0\0\0", 4));
  std::string bytes;
  std::string sent;
  for (size_t i = 0; i < count; i += streams) {
    sent.clear();
    for (size_t k = i; k < i + streams; ++k) {
      const auto stream = static_cast<uint32_t>(2 * k + 1);
      const std::string& head = k == 0 ? requests.first_head : requests.head;
      if (differs) std::memcpy(&requests.body[requests.body.size() - sizeof(k)], &k, sizeof(k));
      sent += Frame(head.size(), 1, kEndHeaders, stream) + head;
      sent += Frame(requests.body.size(), 0, kEndStream, stream) + requests.body;
    }
    client.Send(sent);
    size_t at = 0;
    size_t tensors = 0;
    for (size_t open = streams; open > 0;) {
      while (bytes.size() - at < 9) client.Receive(bytes);
      const auto byte = [&](size_t index) { return static_cast<uint8_t>(bytes[at + index]); };
      const size_t size = static_cast<size_t>(byte(1)) << 8 | byte(2);
      const uint8_t type = byte(3);
      while (bytes.size() - at < 9 + size) client.Receive(bytes);
      if (type == kSettings && byte(4) == 0) client.Send(Frame(0, kSettings, 1, 0));
      tensors += type == 0 && size > kTensorBytes;
      open -= type <= 1 && (byte(4) & kEndStream) != 0;
      at += 9 + size;
    }
    SERVING_CHECK(tensors == streams, "an answer without a tensor");
    bytes.erase(0, at);
  }
}

void Run(std::string_view protocol, size_t count) {
  const bool is_cached = protocol == "grpc-hit" || protocol == "grpc-miss";
  // So small that every answer soon takes the place of an older one.
  const size_t cache_bytes = is_cached ? 256 << 10 : 0;
  engine::Engine engine({.memory_limit_bytes = 256 << 20, .response_cache_bytes = cache_bytes});
  engine.Register(backend::MakeIdentityBackend());
  core::ModelPlan plan = IdentityPlan();
  plan.response_cache = is_cached;
  const auto handle = engine.Load(std::move(plan));
  SERVING_CHECK(handle.ok(), "the model does not load");
  NoControl control;
  Frontend frontend({}, engine, control);
  const bool is_grpc = protocol.starts_with("grpc");
  const auto service = static_cast<uint16_t>(is_grpc ? Service::kGrpc : Service::kHttp);
  net::ListenerOptions options;
  options.host = "127.0.0.1";
  options.service = service;
  const auto listening = frontend.Listen(options);
  SERVING_CHECK(listening.ok(), "no port to listen on");
  auto table = base::MakeRef<engine::DispatchTable>();
  table->is_ready = true;
  const base::Ref<model::Servable> model = engine.Find(handle.value());
  engine::DispatchModel entry;
  entry.versions.push_back({.version = 1, .model = model, .is_ready = true});
  table->Add("identity", std::move(entry));
  std::promise<void> seen;
  frontend.Publish(table, [&seen] { seen.set_value(); });
  seen.get_future().wait();
  {
    Client client(listening.value().port);
    if (is_grpc) {
      RunGrpc(client, protocol == "grpc-8" ? 8 : 1, protocol == "grpc-miss", count);
    } else {
      RunHttp(client, protocol == "http-json", count);
    }
  }
  frontend.Stop();
  engine.SetTable(base::MakeRef<engine::DispatchTable>());
  engine.Stop();
}

}  // namespace
}  // namespace serving::testing

int main(int argc, char** argv) {
  constexpr std::string_view kProtocols[] = {"http-json", "http-binary", "grpc",
                                             "grpc-8",    "grpc-hit",    "grpc-miss"};
  const std::string_view protocol = argc == 3 ? argv[1] : "";
  if (std::ranges::find(kProtocols, protocol) == std::end(kProtocols)) {
    std::fprintf(stderr, "usage: request_cost");
    for (const std::string_view known : kProtocols)
      std::fprintf(stderr, "%c%s", known == kProtocols[0] ? ' ' : '|', known.data());
    std::fprintf(stderr, " COUNT\n");
    return 2;
  }
  serving::testing::Run(protocol, std::strtoul(argv[2], nullptr, 10));
  return 0;
}
