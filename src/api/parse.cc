// ParseCall: the order in which a request is judged.
#include "src/api/call.h"
#include "src/api/policy.h"
#include "src/api/problem.h"
#include "src/api/render.h"
#include "src/api/request.h"
#include "src/api/routes.h"

namespace synod::api {
namespace {

bool CouldChange(std::string_view method) {
  return method == "POST" || method == "PUT" || method == "PATCH" || method == "DELETE";
}

Status CheckMethod(Request& request, const Route& route) {
  const std::string_view method = request.http.method;
  if (Offers(route.methods, method))
    return Done();
  // RFC 9110, section 9.1: 501 for what this server implements nowhere, 405 for what it does not
  // implement here.
  if (!Offers("GET, HEAD, POST, PUT, PATCH, DELETE", method))
    return Error{Errc::kNotImplemented, Outcome::kNotApplied, "the method is not known"};
  request.allow = route.methods;
  return Error{Errc::kMethodNotAllowed, Outcome::kNotApplied,
               "this resource has " + std::string(route.methods)};
}

net::HttpResponse AnswerOptions(const Request& request,
                                const Route& route,
                                const Context& context) {
  net::HttpResponse response;
  response.status = 204;
  response.headers.emplace_back("Allow", route.methods);
  if (!request.render.origin.empty() && request.headers.requested_method) {
    response.headers.emplace_back("Access-Control-Allow-Methods", route.methods);
    response.headers.emplace_back(
        "Access-Control-Allow-Headers",
        "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, "
        "Synod-Fence, Synod-Not-After, traceparent, tracestate");
    response.headers.emplace_back("Access-Control-Max-Age", "600");
  }
  AddContextHeaders(request.render, context, &response);
  return response;
}

// HEAD of something that never ends: its head, at once.
std::optional<net::HttpResponse> AnswerStreamHead(const Call& call, const Context& context) {
  std::optional<net::HttpResponse> head;
  if (const auto* observe = std::get_if<ObserveCall>(&call))
    head = RenderStreamHead(observe->render, context, observe->format);
  if (const auto* watch = std::get_if<WatchCall>(&call)) {
    if (watch->format == StreamFormat::kLongPoll) {
      head.emplace().content_type = "application/json";
      AddContextHeaders(watch->render, context, &*head);
    } else {
      head = RenderStreamHead(watch->render, context, watch->format);
    }
  }
  if (head)
    head->no_length = true;
  return head;
}

using Judged = std::variant<Call, net::HttpResponse>;

// Makes it the call, or an answer that needs no call; errors are left to the caller.
Status Judge(Request& request, const HttpPolicy& policy, const Context& context, Judged* judged) {
  if (Status s = request.Open(); !s)
    return s;
  // Browsers first: a page that is not let in learns nothing more.
  if (request.headers.origin)
    if (Status s = CheckOrigin(policy, *request.headers.origin); !s)
      return s;
  const Result<Route> route = FindRoute(&request);
  if (!route || !route->health)
    if (Status s = CheckHost(policy, request.headers.host); !s)
      return s;
  if (request.http.method == "OPTIONS" && (route || request.path == "*")) {
    *judged = AnswerOptions(
        request, route ? *route : Route{"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"}, context);
    return Done();
  }
  if (!route)
    return route.error();
  if (Status s = CheckMethod(request, *route); !s)
    return s;
  Result<Call> call = route->parse(request);
  if (!call)
    return call.error();
  if (request.http.method == "HEAD")
    if (std::optional<net::HttpResponse> head = AnswerStreamHead(*call, context)) {
      *judged = std::move(*head);
      return Done();
    }
  judged->emplace<Call>(std::move(*call));
  return Done();
}

}  // namespace

RenderOptions OptionsOf(const net::HttpRequest& http, const HttpPolicy& policy) {
  RenderOptions options;
  options.could_change = CouldChange(http.method);
  if (const std::string_view origin = http.Header("origin");
      !origin.empty() && CheckOrigin(policy, origin))
    options.origin = origin;
  return options;
}

std::variant<Call, net::HttpResponse> ParseCall(const net::HttpRequest& http,
                                                const Limits& limits,
                                                const HttpPolicy& policy,
                                                const Context& context) {
  Request request(http, limits);
  request.render = OptionsOf(http, policy);
  Judged judged(std::in_place_type<net::HttpResponse>);
  const Status status = Judge(request, policy, context, &judged);
  if (status)
    return judged;
  machine::Refusal refusal;
  refusal.error = status.error();
  refusal.limit = request.limit;
  judged = RenderRefusal(request.render, context, refusal);
  std::vector<std::pair<std::string, std::string>>& headers =
      std::get<net::HttpResponse>(judged).headers;
  if (!request.allow.empty())
    headers.emplace_back("Allow", request.allow);
  if (request.other_socket_version)
    headers.emplace_back("Sec-WebSocket-Version", "13");
  return judged;
}

}  // namespace synod::api
