#include "tests/integration/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <cctype>
#include <cerrno>
#include <cstring>

namespace synod::integration {
namespace {

using Clock = std::chrono::steady_clock;

std::string ErrnoText(const char* what) { return std::string(what) + ": " + std::strerror(errno); }

// Waits until `fd` is ready for `events`; false at the deadline.
bool Await(int fd, short events, Clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::duration_cast<Milliseconds>(deadline - Clock::now()).count();
    pollfd p{fd, events, 0};
    const int n = poll(&p, 1, static_cast<int>(std::clamp<int64_t>(left + 1, 0, 60'000)));
    if (n > 0)
      return true;
    if (n == 0 && Clock::now() >= deadline)
      return false;
    if (n < 0 && errno != EINTR)
      throw HttpFailure(ErrnoText("poll"));
  }
}

std::string Lower(std::string s) {
  std::transform(s.begin(), s.end(), s.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return s;
}

std::string Trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return std::string(s);
}

boost::json::value ParseJson(const std::string& text) {
  boost::system::error_code ec;
  boost::json::value v = boost::json::parse(text, ec);
  if (ec)
    throw HttpFailure("not JSON (" + ec.message() + "): " + text.substr(0, 500));
  return v;
}

}  // namespace

std::string Answer::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name)
      return value;
  }
  return {};
}

bool Answer::Has(std::string_view name) const {
  return std::any_of(headers.begin(), headers.end(),
                     [&](const auto& h) { return h.first == name; });
}

boost::json::value Answer::Json() const { return ParseJson(body); }

std::string Answer::Text(std::string_view member) const {
  const boost::json::value v = Json();
  const boost::json::value* m = v.is_object() ? v.get_object().if_contains(member) : nullptr;
  return m != nullptr && m->is_string() ? std::string(m->get_string()) : std::string();
}

int64_t Answer::Number(std::string_view member) const {
  const boost::json::value v = Json();
  const boost::json::value* m = v.is_object() ? v.get_object().if_contains(member) : nullptr;
  if (m == nullptr || !m->is_number())
    throw HttpFailure("no number '" + std::string(member) + "' in " + body.substr(0, 500));
  return m->to_number<int64_t>();
}

uint64_t Answer::Revision() const {
  const std::string text = Header("synod-revision");
  if (text.empty())
    throw HttpFailure("no Synod-Revision; status " + std::to_string(status) + " " + body);
  return std::stoull(text);
}

Connection::Connection(uint16_t port, int receive_buffer) {
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (receive_buffer != 0)
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    const std::string why = ErrnoText("connect");
    close(fd_);
    throw HttpFailure(why);
  }
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Connection::~Connection() { Close(); }

void Connection::Close() {
  if (fd_ >= 0)
    close(fd_);
  fd_ = -1;
}

void Connection::CloseSending() { shutdown(fd_, SHUT_WR); }

bool Connection::Send(std::string_view bytes, Milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  while (!bytes.empty()) {
    const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      bytes.remove_prefix(static_cast<size_t>(n));
    } else if (errno == EAGAIN) {
      if (!Await(fd_, POLLOUT, deadline))
        throw HttpFailure("the peer took no more bytes until the deadline");
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

void Connection::Request(std::string_view method,
                         std::string_view target,
                         std::string_view body,
                         const Headers& headers) {
  std::string text(method);
  text.append(" ").append(target).append(" HTTP/1.1\r\n");
  bool host = false;
  for (const auto& [name, value] : headers) {
    text += name + ": " + value + "\r\n";
    host |= Lower(name) == "host";
  }
  if (!host)
    text += "Host: localhost\r\n";
  if (!body.empty() || method == "PUT" || method == "POST")
    text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  text += "\r\n";
  text += body;
  if (!Send(text) && buffer_.empty() && !Fill(Clock::now() + Milliseconds(100)))
    throw HttpFailure("the peer closed before it took the request");
}

bool Connection::Fill(Time deadline) {
  char chunk[16384];
  while (true) {
    if (!Await(fd_, POLLIN, deadline))
      throw HttpFailure("no answer until the deadline; so far: " + buffer_.substr(0, 200));
    const ssize_t n = recv(fd_, chunk, sizeof chunk, MSG_DONTWAIT);
    if (n > 0) {
      buffer_.append(chunk, static_cast<size_t>(n));
      return true;
    }
    if (n == 0)
      return false;
    if (errno != EAGAIN && errno != EINTR)
      throw HttpFailure(ErrnoText("recv"));
  }
}

std::string Connection::Line(Time deadline) {
  size_t end = 0;
  while ((end = buffer_.find("\r\n")) == std::string::npos) {
    if (!Fill(deadline))
      throw HttpFailure("the peer closed in the middle of a line: " + buffer_.substr(0, 200));
  }
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return line;
}

std::string Connection::Exactly(size_t n, Time deadline) {
  while (buffer_.size() < n) {
    if (!Fill(deadline))
      throw HttpFailure("the peer closed in the middle of a body");
  }
  std::string bytes = buffer_.substr(0, n);
  buffer_.erase(0, n);
  return bytes;
}

Answer Connection::ReadHead(Milliseconds timeout) {
  const Time deadline = Clock::now() + timeout;
  Answer answer;
  const std::string status_line = Line(deadline);
  if (!status_line.starts_with("HTTP/1.1 ") || status_line.size() < 12)
    throw HttpFailure("not a status line: " + status_line);
  answer.status = std::stoi(status_line.substr(9, 3));
  for (std::string line = Line(deadline); !line.empty(); line = Line(deadline)) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos)
      throw HttpFailure("not a header: " + line);
    answer.headers.emplace_back(Lower(line.substr(0, colon)), Trim(line.substr(colon + 1)));
  }
  if (answer.status == 100)  // only announces the real one
    return ReadHead(timeout);
  return answer;
}

std::string Connection::ReadBytes(size_t n, Milliseconds timeout) {
  return Exactly(n, Clock::now() + timeout);
}

std::string Connection::ReadChunk(Milliseconds timeout) {
  const Time deadline = Clock::now() + timeout;
  const size_t n = std::stoull(Line(deadline), nullptr, 16);
  std::string chunk = Exactly(n, deadline);
  if (!Line(deadline).empty())
    throw HttpFailure("a chunk does not end where it says");
  return chunk;
}

Answer Connection::Read(Milliseconds timeout, bool head) {
  const Time deadline = Clock::now() + timeout;
  Answer answer = ReadHead(timeout);
  if (head || answer.status == 204 || answer.status == 304)
    return answer;
  if (answer.Header("transfer-encoding") == "chunked") {
    for (std::string chunk = ReadChunk(timeout); !chunk.empty(); chunk = ReadChunk(timeout))
      answer.body += chunk;
  } else if (answer.Has("content-length")) {
    answer.body = Exactly(std::stoull(answer.Header("content-length")), deadline);
  }
  return answer;
}

bool Connection::AwaitClose(Milliseconds timeout) {
  const Time deadline = Clock::now() + timeout;
  char chunk[16384];
  while (Await(fd_, POLLIN, deadline)) {
    const ssize_t n = recv(fd_, chunk, sizeof chunk, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
      return true;
  }
  return false;
}

Answer Http(uint16_t port, std::string_view method, std::string_view target, const Call& call) {
  Connection connection(port);
  connection.Request(method, target, call.body, call.headers);
  return connection.Read(call.timeout, method == "HEAD");
}

std::optional<Answer> TryHttp(uint16_t port,
                              std::string_view method,
                              std::string_view target,
                              const Call& call) {
  try {
    return Http(port, method, target, call);
  } catch (const HttpFailure&) {
    return std::nullopt;
  }
}

boost::json::value Message::Json() const { return ParseJson(data); }

Stream::Stream(uint16_t port, std::string_view target, const Headers& headers, int receive_buffer)
    : connection_(port, receive_buffer) {
  connection_.Request("GET", target, {}, headers);
  head_ = connection_.ReadHead();
  sse_ = head_.Header("content-type").starts_with("text/event-stream");
  if (head_.Header("transfer-encoding") == "chunked")
    return;
  // A refusal: there is no stream, and the body is the answer's.
  ended_ = true;
  const size_t n = head_.Has("content-length") ? std::stoull(head_.Header("content-length")) : 0;
  head_.body = connection_.ReadBytes(n);
}

std::optional<std::string> Stream::Line(Clock::time_point deadline) {
  size_t end = 0;
  while ((end = text_.find('\n')) == std::string::npos) {
    if (ended_)
      return std::nullopt;
    const std::string chunk =
        connection_.ReadChunk(std::chrono::duration_cast<Milliseconds>(deadline - Clock::now()));
    ended_ = chunk.empty();
    text_ += chunk;
  }
  std::string line = text_.substr(0, end);
  text_.erase(0, end + 1);
  return line;
}

std::optional<Message> Stream::Next(Milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  Message message;
  while (std::optional<std::string> line = Line(deadline)) {
    if (!sse_) {
      message.data = *line;
      const boost::json::value v = message.Json();
      if (const auto* type = v.is_object() ? v.get_object().if_contains("type") : nullptr)
        message.event = std::string(type->get_string());
      return message;
    }
    if (line->empty()) {
      if (!message.data.empty())
        return message;
    } else if (line->starts_with(":")) {
      ++comments_;
    } else {
      const size_t colon = std::min(line->find(':'), line->size());
      const std::string field = line->substr(0, colon);
      std::string value = line->substr(std::min(colon + 1, line->size()));
      if (value.starts_with(' '))
        value.erase(0, 1);
      if (field == "event")
        message.event = value;
      else if (field == "id")
        message.id = value;
      else if (field == "data")
        message.data += (message.data.empty() ? "" : "\n") + value;
    }
  }
  return std::nullopt;
}

}  // namespace synod::integration
