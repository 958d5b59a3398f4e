// Routes: which endpoint a path and method mean.
//
// Contract      FindRoute() looks at the path alone; the methods of what it finds are for 405 and
//               OPTIONS. Paths of nodes, locks and elections are decoded into request->resource.
// Thread        Any.   Errors: kNotFound, kInvalidPath.
#ifndef SYNOD_API_ROUTES_H_
#define SYNOD_API_ROUTES_H_

#include <string_view>

#include "src/api/request.h"

namespace synod::api {

struct Route {
  std::string_view methods;  // as in Allow: "GET, HEAD, OPTIONS"
  Result<Call> (*parse)(Request& request) = nullptr;
  bool health = false;  // let in whatever the Host
};

Result<Route> FindRoute(Request* request);
bool Offers(std::string_view methods, std::string_view method);

}  // namespace synod::api

#endif  // SYNOD_API_ROUTES_H_
