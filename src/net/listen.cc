#include "src/net/listen.h"

#include <utility>

namespace synod::net {

Result<Acceptor> ListenOn(asio::io_context& io, const std::string& host, uint16_t port) {
  const std::string where = host + ":" + std::to_string(port);
  const auto failed = [&where](const char* what, const error_code& why) {
    return Error{Errc::kInternal, Outcome::kNotApplied,
                 std::string("cannot ") + what + " " + where + ": " + why.message()};
  };
  error_code ec;
  Tcp::endpoint endpoint(asio::ip::address_v4::any(), port);
  if (!host.empty()) {
    asio::ip::basic_resolver<Tcp, Executor> resolver(io);
    const auto found =
        resolver.resolve(host, std::to_string(port), asio::ip::resolver_base::passive, ec);
    if (ec)
      return failed("resolve", ec);
    endpoint = found.begin()->endpoint();
  }
  Acceptor acceptor(io);
  acceptor.open(endpoint.protocol(), ec);
  if (!ec)
    acceptor.set_option(Acceptor::reuse_address(true), ec);
  if (!ec)
    acceptor.bind(endpoint, ec);
  if (!ec)
    acceptor.listen(asio::socket_base::max_listen_connections, ec);
  if (ec)
    return failed("listen on", ec);
  return acceptor;
}

}  // namespace synod::net
