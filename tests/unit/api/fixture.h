// Requests and answers in the shape that tests of the API need.
//
// Contract      Parse() runs a request as a browserless client on loopback would send it; the
//               accessors fail the test where the answer is of another kind.
#ifndef SYNOD_TESTS_UNIT_API_FIXTURE_H_
#define SYNOD_TESTS_UNIT_API_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "src/api/call.h"
#include "src/api/render.h"

namespace synod::api {

using HeaderList = std::vector<std::pair<std::string, std::string>>;
using Parsed = std::variant<Call, net::HttpResponse>;

inline Context TestContext() { return {Revision(41), ClusterTime(9000), NodeId(2), NodeId(1)}; }

inline net::HttpRequest Http(std::string method,
                             std::string target,
                             HeaderList headers = {},
                             std::string body = {}) {
  net::HttpRequest request;
  request.head = method == "HEAD";
  request.method = std::move(method);
  request.target = std::move(target);
  request.headers = std::move(headers);
  request.headers.emplace_back("host", "localhost:7301");
  request.body = std::move(body);
  return request;
}

inline Parsed Parse(const net::HttpRequest& request, const Limits& limits = {}) {
  HttpPolicy policy;
  policy.loopback_only = true;
  return ParseCall(request, limits, policy, TestContext());
}

inline Parsed Parse(std::string method,
                    std::string target,
                    HeaderList headers = {},
                    std::string body = {}) {
  return Parse(Http(std::move(method), std::move(target), std::move(headers), std::move(body)));
}

// The value of a header, or "<absent>".
inline std::string HeaderOf(const net::HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers)
    if (key == name)
      return value;
  return "<absent>";
}

// "200", or "400 invalid_path" of a problem.
inline std::string Verdict(const net::HttpResponse& response) {
  std::string verdict = std::to_string(response.status);
  const size_t at = response.body.find("\"code\":\"");
  if (at == std::string::npos)
    return verdict;
  const size_t begin = at + 8;
  return verdict + " " + response.body.substr(begin, response.body.find('"', begin) - begin);
}

// "call" if the request passed, else the verdict of its answer.
inline std::string Verdict(const Parsed& parsed) {
  const auto* response = std::get_if<net::HttpResponse>(&parsed);
  return response == nullptr ? "call" : Verdict(*response);
}

// The call of a request that must pass.
template <typename T>
T Expect(Parsed parsed) {
  if (auto* call = std::get_if<Call>(&parsed))
    if (auto* wanted = std::get_if<T>(call))
      return std::move(*wanted);
  if (const auto* response = std::get_if<net::HttpResponse>(&parsed))
    ADD_FAILURE() << "refused: " << response->status << " " << response->body;
  else
    ADD_FAILURE() << "another kind of call";
  return T{};
}

// The operation of a change that must pass.
template <typename T>
T Operation(Parsed parsed) {
  ChangeCall call = Expect<ChangeCall>(std::move(parsed));
  if (auto* operation = std::get_if<T>(&call.command.operation))
    return std::move(*operation);
  ADD_FAILURE() << "another kind of operation";
  return T{};
}

template <typename T>
T QueryOf(Parsed parsed) {
  ReadCall call = Expect<ReadCall>(std::move(parsed));
  if (auto* query = std::get_if<T>(&call.query))
    return std::move(*query);
  ADD_FAILURE() << "another kind of query";
  return T{};
}

inline net::HttpResponse Refused(Parsed parsed) {
  if (auto* response = std::get_if<net::HttpResponse>(&parsed))
    return std::move(*response);
  ADD_FAILURE() << "the request passed";
  return {};
}

inline store::NodeView MakeNode(std::string path, std::string value, uint64_t mod_revision = 17) {
  store::NodeState node;
  node.value = store::Value(value);
  node.version = 3;
  node.create_revision = Revision(5);
  node.mod_revision = Revision(mod_revision);
  node.children_revision = Revision(9);
  node.num_children = 2;
  node.lease = LeaseId(0);
  return {std::move(path), store::Publish(std::move(node))};
}

// One request and what becomes of it.
struct RequestCase {
  std::string method;
  std::string target;
  HeaderList headers;
  std::string body;
  std::string verdict;
};

inline void ExpectVerdicts(const std::vector<RequestCase>& cases) {
  for (const RequestCase& c : cases)
    EXPECT_EQ(Verdict(Parse(c.method, c.target, c.headers, c.body)), c.verdict)
        << c.method << " " << c.target << " " << (c.headers.empty() ? "" : c.headers[0].first)
        << ": " << (c.headers.empty() ? "" : c.headers[0].second) << " " << c.body.substr(0, 300);
}

}  // namespace synod::api

#endif  // SYNOD_TESTS_UNIT_API_FIXTURE_H_
