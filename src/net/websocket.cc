#include "src/net/websocket.h"

#include <array>
#include <boost/asio/associated_executor.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <type_traits>
#include <utility>

#include "src/base/check.h"
#include "src/net/read_ahead.h"

namespace synod::net {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace websocket = boost::beast::websocket;

constexpr char kCloseFrame = static_cast<char>(0x88);
constexpr size_t kSmallFrame = 125;
constexpr size_t kMediumFrame = 0xFFFF;

// The stream that Beast believes to be a socket. What is fed is there to be read, what is written
// goes to the owner at once and as a whole, so that frames of both never mix.
class Pipe {
 public:
  using executor_type = Executor;

  Pipe(Executor executor, WebSocket::Owner* owner) : executor_(executor), owner_(owner) {}

  executor_type get_executor() const { return executor_; }

  template <typename Buffers, typename Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    SYNOD_CHECK(read_ == nullptr);
    read_ = std::make_unique<ReadOf<Buffers, std::decay_t<Handler>>>(
        buffers, std::forward<Handler>(handler));
    GiveInput();
  }
  template <typename Buffers, typename Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    error_code ec;
    const size_t n = write_some(buffers, ec);
    asio::post(executor_, beast::bind_front_handler(std::forward<Handler>(handler), ec, n));
  }
  template <typename Buffers>
  size_t write_some(const Buffers& buffers, error_code& ec) {
    ec = {};
    size_t n = 0;
    for (auto it = asio::buffer_sequence_begin(buffers); it != asio::buffer_sequence_end(buffers);
         ++it) {
      const asio::const_buffer piece(*it);
      const std::string_view bytes(static_cast<const char*>(piece.data()), piece.size());
      // A handshake's answer is ASCII, and a control frame comes in one piece.
      close_sent_ |= bytes.starts_with(kCloseFrame);
      n += bytes.size();
      if (owner_ != nullptr)
        owner_->OnSocketBytes(bytes);
    }
    return n;
  }
  // Beast's synchronous accept() wants a stream that can be read synchronously, too.
  template <typename Buffers>
  size_t read_some(const Buffers&, error_code& ec) {
    ec = asio::error::would_block;
    return 0;
  }
  template <typename Buffers>
  size_t read_some(const Buffers& buffers) {
    error_code ec;
    return read_some(buffers, ec);
  }
  template <typename Buffers>
  size_t write_some(const Buffers& buffers) {
    error_code ec;
    return write_some(buffers, ec);
  }

  void Feed(std::string_view bytes) {
    input_.Append(bytes);
    GiveInput();
  }
  void Detach() { owner_ = nullptr; }

  WebSocket::Owner* owner() const { return owner_; }
  bool close_sent() const { return close_sent_; }
  size_t held() const { return input_.held(); }

 private:
  // A read that waits for input.
  class PendingRead {
   public:
    virtual ~PendingRead() = default;
    virtual size_t Fill(std::string_view in) = 0;
    virtual void Complete(const Executor& executor, size_t n) = 0;
  };
  template <typename Buffers, typename Handler>
  class ReadOf final : public PendingRead {
   public:
    template <typename H>
    ReadOf(const Buffers& buffers, H&& handler)
        : buffers_(buffers), handler_(std::forward<H>(handler)) {}
    size_t Fill(std::string_view in) override {
      return asio::buffer_copy(buffers_, asio::buffer(in.data(), in.size()));
    }
    void Complete(const Executor& executor, size_t n) override {
      asio::post(executor, beast::bind_front_handler(std::move(handler_), error_code(), n));
    }

   private:
    Buffers buffers_;
    Handler handler_;
  };

  void GiveInput() {
    if (read_ == nullptr || input_.empty())
      return;
    const size_t n = read_->Fill(input_.view());
    input_.Use(n);
    if (input_.empty() && owner_ != nullptr)
      owner_->OnSocketRoom();
    std::exchange(read_, nullptr)->Complete(executor_, n);
  }

  Executor executor_;
  WebSocket::Owner* owner_;
  std::unique_ptr<PendingRead> read_;
  ReadAhead input_;
  bool close_sent_ = false;
};

// What Beast asks of a stream besides: the owner ends the connection when it hears of the end.
template <typename Handler>
void async_teardown(beast::role_type, Pipe& pipe, Handler&& handler) {
  asio::post(pipe.get_executor(),
             beast::bind_front_handler(std::forward<Handler>(handler), error_code()));
}

void beast_close_socket(Pipe&) {}

}  // namespace

struct WebSocket::Core {
  Core(Executor executor, Owner* owner) : stream(executor, owner) {}

  websocket::stream<Pipe, /*deflateSupported=*/false> stream;
  beast::flat_buffer message;
  bool closing = false;  // by Close()
};

std::string TextFrameHead(size_t size) {
  std::string head(1, static_cast<char>(0x81));  // the only frame of its message; text
  const auto append_number = [&](int bytes) {
    for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8)
      head.push_back(static_cast<char>(size >> shift & 0xFF));
  };
  if (size <= kSmallFrame) {
    append_number(1);
  } else if (size <= kMediumFrame) {
    head.push_back(126);
    append_number(2);
  } else {
    head.push_back(127);
    append_number(8);
  }
  return head;
}

WebSocket::WebSocket(Executor executor, Owner* owner, size_t message_bytes_max)
    : core_(std::make_unique<Core>(executor, owner)) {
  core_->stream.read_message_max(message_bytes_max);
}
WebSocket::~WebSocket() = default;

Status WebSocket::Start(const HttpRequest& request,
                        const HttpResponse& head,
                        std::string_view date) {
  http::request<http::empty_body> handshake;
  handshake.method(http::verb::get);
  handshake.target(request.target);
  handshake.version(11);
  handshake.set(http::field::host, request.Header("host"));
  // As it was judged by others; Beast would look at the first field of several.
  handshake.set(http::field::connection, "Upgrade");
  handshake.set(http::field::upgrade, "websocket");
  for (const char* name : {"sec-websocket-key", "sec-websocket-version"})
    handshake.set(name, request.Header(name));
  core_->stream.set_option(
      websocket::stream_base::decorator([&](websocket::response_type& response) {
        response.set(http::field::server, "synod");  // else Beast puts its own name there
        if (!date.empty())
          response.set(http::field::date, date);
        for (const auto& [name, value] : head.headers) response.insert(name, value);
      }));
  error_code ec;
  core_->stream.accept(handshake, ec);
  // What the decorator refers to ends here.
  core_->stream.set_option(websocket::stream_base::decorator([](websocket::response_type&) {}));
  if (ec)
    return Error{Errc::kInvalidRequest, Outcome::kNotApplied, ec.message()};
  Read();
  return Done();
}

void WebSocket::Read() {
  core_->stream.async_read(core_->message, [weak = weak_from_this()](const error_code& ec, size_t) {
    if (const auto self = weak.lock())
      self->OnRead(ec);
  });
}

void WebSocket::OnRead(const error_code& ec) {
  Owner* owner = core_->stream.next_layer().owner();
  if (owner == nullptr || core_->closing)
    return;
  if (ec) {
    owner->OnSocketClosed();
    return;
  }
  if (!core_->stream.got_text()) {
    Close(kCloseUnsupportedData, "messages are text: JSON in UTF-8");
    return;
  }
  const auto bytes = core_->message.cdata();
  std::string text(static_cast<const char*>(bytes.data()), bytes.size());
  core_->message.clear();
  core_->message.shrink_to_fit();  // most sockets are idle
  owner->OnSocketMessage(std::move(text));
  // What the owner did may have ended it.
  if (core_->stream.next_layer().owner() != nullptr && !core_->closing)
    Read();
}

void WebSocket::Feed(std::string_view bytes) { core_->stream.next_layer().Feed(bytes); }

void WebSocket::Ping() {
  if (may_send())
    core_->stream.async_ping({}, [](const error_code&) {});
}

void WebSocket::Close(uint16_t code, const std::string& reason) {
  if (!may_send())
    return;
  core_->closing = true;
  core_->stream.async_close(
      websocket::close_reason(static_cast<websocket::close_code>(code), reason),
      [weak = weak_from_this()](const error_code&) {
        const auto self = weak.lock();
        if (self == nullptr)
          return;
        if (Owner* owner = self->core_->stream.next_layer().owner())
          owner->OnSocketClosed();
      });
}

void WebSocket::Detach() { core_->stream.next_layer().Detach(); }

bool WebSocket::may_send() const {
  return !core_->closing && !core_->stream.next_layer().close_sent();
}

size_t WebSocket::held() const { return waiting() + core_->message.size(); }

size_t WebSocket::waiting() const { return core_->stream.next_layer().held(); }

}  // namespace synod::net
