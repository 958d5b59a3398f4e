#include "src/net/http_types.h"

#include <algorithm>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/rfc7230.hpp>

namespace synod::net {

bool HttpRequest::HasToken(std::string_view name, std::string_view token) const {
  return std::any_of(headers.begin(), headers.end(), [&](const auto& header) {
    return header.first == name &&
           boost::beast::http::token_list(header.second).exists({token.data(), token.size()});
  });
}

bool EqualsNoCase(std::string_view a, std::string_view b) {
  return boost::beast::iequals({a.data(), a.size()}, {b.data(), b.size()});
}

}  // namespace synod::net
