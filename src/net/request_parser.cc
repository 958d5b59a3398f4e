#include "src/net/request_parser.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/field.hpp>
#include <memory>
#include <utility>

#include "src/base/check.h"

namespace synod::net {
namespace {

namespace http = boost::beast::http;
using BeastView = boost::beast::string_view;

// Room for the method, the version and the spaces of a request line.
constexpr size_t kRequestLineSlack = 64;
// A chunk's size line with its extensions, or the trailer.
constexpr size_t kChunkLineMax = 4096;
// The shortest end of a chunked body, "0\r\n\r\n". Beast asserts that it has as much when it looks
// at the last chunk a second time, so a shorter rest waits for more.
constexpr size_t kChunkedEndBytes = 5;
constexpr size_t kBodyReserveMax = size_t{64} << 10;

std::string_view View(BeastView s) { return {s.data(), s.size()}; }

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// True for a request line whose only fault is its version: "GET / HTTP/2.0".
bool NamesOtherVersion(std::string_view in) {
  const std::string_view line = in.substr(0, in.find("\r\n"));
  if (line.size() < 9)
    return false;
  const std::string_view v = line.substr(line.size() - 9);
  return v.starts_with(" HTTP/") && IsDigit(v[6]) && v[7] == '.' && IsDigit(v[8]) &&
         v != " HTTP/1.0" && v != " HTTP/1.1";
}

}  // namespace

// Beast's parser, filling the request of its owner.
class RequestParser::Sink : public http::basic_parser<true> {
 public:
  explicit Sink(RequestParser* owner) : owner_(*owner) {
    const RequestLimits& limits = owner_.limits_;
    eager(true);
    body_limit(limits.body_bytes_max);
    // The exact limits are judged below, piece by piece; this one bounds what is never finished.
    header_limit(static_cast<uint32_t>(limits.header_bytes_max + limits.target_bytes_max +
                                       kRequestLineSlack));
  }

  bool line_seen() const { return line_seen_; }

 private:
  using Ec = boost::system::error_code;

  // Remembers the refusal; the parser then stops with an error that nobody looks at.
  void Refuse(Errc code, const char* detail, Ec& ec) {
    owner_.Refuse(code, detail);
    ec = http::error::bad_value;
  }

  void on_request_impl(
      http::verb, BeastView method, BeastView target, int version, Ec& ec) override {
    line_seen_ = true;
    if (target.size() > owner_.limits_.target_bytes_max)
      return Refuse(Errc::kUriTooLong, "the request target is too long", ec);
    HttpRequest& request = owner_.request_;
    request.http_1_0 = version == 10;
    request.method = View(method);
    request.target = View(target);
    request.head = request.method == "HEAD";
    request.headers.reserve(8);
    owner_.held_ += method.size() + target.size();
  }

  void on_response_impl(int, BeastView, int, Ec&) override {}

  void on_field_impl(http::field field, BeastView name, BeastView value, Ec& ec) override {
    field_bytes_ += name.size() + value.size() + 4;  // with ": " and the end of the line
    if (field_bytes_ > owner_.limits_.header_bytes_max)
      return Refuse(Errc::kRequestHeaderFieldsTooLarge, "the header fields are too large", ec);
    if (header_seen_)
      return;  // a trailer: nothing here uses one, and it must not change what was judged
    switch (field) {
      case http::field::host:
        if (hosts_++ > 0)
          return Refuse(Errc::kInvalidRequest, "more than one Host", ec);
        break;
      case http::field::content_length:
        if (lengths_++ > 0 || View(value).find(',') != std::string_view::npos)
          return Refuse(Errc::kInvalidRequest, "more than one Content-Length", ec);
        break;
      case http::field::transfer_encoding:
        if (!EqualsNoCase(View(value), "chunked"))
          return Refuse(Errc::kNotImplemented, "only the transfer coding chunked is known", ec);
        if (owner_.http_1_0())
          return Refuse(Errc::kInvalidRequest, "a transfer coding in HTTP/1.0", ec);
        break;
      case http::field::expect:
        if (!EqualsNoCase(View(value), "100-continue"))
          return Refuse(Errc::kExpectationFailed, "only 100-continue can be expected", ec);
        owner_.expects_continue_ = !owner_.http_1_0();
        break;
      case http::field::upgrade:
        owner_.upgrade_ = true;
        break;
      default:
        break;
    }
    auto& [key, kept] = owner_.request_.headers.emplace_back();
    key.resize(name.size());
    std::transform(name.begin(), name.end(), key.begin(), Lower);
    kept = View(value);
    owner_.held_ += name.size() + value.size() + sizeof(std::pair<std::string, std::string>);
  }

  void on_header_impl(Ec& ec) override {
    header_seen_ = true;
    if (hosts_ == 0 && !owner_.http_1_0())
      return Refuse(Errc::kInvalidRequest, "no Host", ec);
    owner_.keep_alive_ = keep_alive();
  }

  void on_body_init_impl(const boost::optional<uint64_t>& length, Ec&) override {
    if (length)
      owner_.request_.body.reserve(std::min<uint64_t>(*length, kBodyReserveMax));
  }

  size_t on_body_impl(BeastView body, Ec&) override {
    owner_.request_.body.append(body.data(), body.size());
    owner_.held_ += body.size();
    return body.size();
  }

  void on_chunk_header_impl(uint64_t, BeastView, Ec&) override {}

  size_t on_chunk_body_impl(uint64_t, BeastView body, Ec& ec) override {
    return on_body_impl(body, ec);
  }

  void on_finish_impl(Ec&) override {}

  RequestParser& owner_;
  size_t field_bytes_ = 0;
  uint32_t hosts_ = 0;
  uint32_t lengths_ = 0;
  bool line_seen_ = false;
  bool header_seen_ = false;
};

RequestParser::RequestParser(const RequestLimits& limits) : limits_(limits) {}
RequestParser::~RequestParser() = default;

void RequestParser::Refuse(Errc code, std::string detail) {
  state_ = State::kRefused;
  refusal_ = {code, Outcome::kNotApplied, std::move(detail)};
}

// RFC 9112, section 2.2: empty lines before a request are ignored. True if `in` goes on after them.
bool RequestParser::SkipEmptyLines(std::string_view in, size_t* used) {
  while (in.substr(*used).starts_with("\r\n")) *used += 2;
  const std::string_view rest = in.substr(*used);
  return !rest.empty() && rest != "\r";
}

void RequestParser::OnParserError(std::string_view in, const std::string& what, bool bad_version) {
  if (state_ == State::kRefused)
    return;
  if (bad_version && NamesOtherVersion(in)) {
    Refuse(Errc::kHttpVersionNotSupported, "this is HTTP/1.1");
  } else {
    Refuse(Errc::kInvalidRequest, "malformed request: " + what);
  }
}

void RequestParser::AfterPut(bool header_done, bool done) {
  if (done) {
    state_ = State::kDone;
  } else if (header_done) {
    state_ = State::kBody;
  }
}

size_t RequestParser::Feed(std::string_view in) {
  SYNOD_CHECK(state_ != State::kDone && state_ != State::kRefused);
  size_t used = 0;
  if (state_ == State::kIdle) {
    if (!SkipEmptyLines(in, &used))
      return used;
    state_ = State::kHead;
    if (sink_) {
      std::destroy_at(sink_.get());
      std::construct_at(sink_.get(), this);
    } else {
      sink_ = std::make_unique<Sink>(this);
    }
  }
  const std::string_view rest = in.substr(used);
  if (state_ == State::kBody && sink_->chunked() && rest.size() < kChunkedEndBytes)
    return used;

  boost::system::error_code ec;
  const size_t put = sink_->put(boost::asio::const_buffer(rest.data(), rest.size()), ec);
  used += put;
  if (ec == http::error::need_more) {
    if (sink_->is_header_done() && in.size() - used > kChunkLineMax)
      Refuse(Errc::kInvalidRequest, "a chunk's size or the trailer is too long");
  } else if (ec == http::error::body_limit) {
    Refuse(Errc::kTooLarge,
           "the request body is larger than " + std::to_string(limits_.body_bytes_max) + " bytes");
  } else if (ec == http::error::header_limit) {
    const bool line_fits =
        sink_->line_seen() || rest.find("\r\n") <= limits_.target_bytes_max + kRequestLineSlack;
    if (line_fits) {
      Refuse(Errc::kRequestHeaderFieldsTooLarge, "the header fields are too large");
    } else {
      Refuse(Errc::kUriTooLong, "the request target is too long");
    }
  } else if (ec) {
    OnParserError(rest, ec.message(), ec == http::error::bad_version);
  }
  if (state_ != State::kRefused)
    AfterPut(sink_->is_header_done(), sink_->is_done());
  return used;
}

void RequestParser::Drop() {
  const bool head = request_.head;
  request_ = HttpRequest{};
  request_.head = head;
  held_ = 0;
}

HttpRequest RequestParser::Take() {
  SYNOD_CHECK(state_ == State::kDone);
  state_ = State::kIdle;
  held_ = 0;
  keep_alive_ = true;
  expects_continue_ = false;
  upgrade_ = false;
  return std::exchange(request_, HttpRequest{});
}

}  // namespace synod::net
