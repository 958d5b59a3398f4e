#include "src/client/tree.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <charconv>
#include <memory>

#include "src/client/core.h"
#include "src/client/nodes.h"

namespace synod::client {
namespace {

uint64_t RevisionOf(const HttpReply& reply) {
  const std::string_view text = reply.Header("synod-revision");
  uint64_t revision = 0;
  std::from_chars(text.data(), text.data() + text.size(), revision);
  return revision;
}

Call ToCall(const std::string& method, const std::string& path, const WriteOptions& options) {
  Call call;
  call.method = method;
  call.target = "/v1/kv" + EncodePath(path);
  if (options.lease != 0)
    call.target += "?lease=" + std::to_string(options.lease);
  else if (options.recursive)
    call.target += "?recursive=true";
  for (const Fence& fence : options.fences)
    call.headers.emplace_back("Synod-Fence", fence.Header());
  if (options.if_revision == 0U)
    call.headers.emplace_back("If-None-Match", "*");
  else if (options.if_revision)
    call.headers.emplace_back("If-Match", "\"" + std::to_string(*options.if_revision) + "\"");
  return call;
}

Node ReadNode(const Answer& answer) {
  return ToNode(JsonObject(answer.reply.body), RevisionOf(answer.reply));
}
uint64_t ReadRevision(const Answer& answer) {
  return NumberOf(JsonObject(answer.reply.body), "revision");
}
std::string ReadBody(const Answer& answer) { return answer.reply.body; }

// Page after page of one list.
struct Pages : std::enable_shared_from_this<Pages> {
  Client& client;
  std::string target;
  size_t limit;
  Callback<Listing> done;
  Listing all;

  Pages(Client& c, std::string t, size_t l, Callback<Listing> d)
      : client(c), target(std::move(t)), limit(l), done(std::move(d)) {}

  void Next(const std::string& after) {
    Call call;
    call.target = target;
    if (limit > 0)
      call.target += "&limit=" + std::to_string(std::min<size_t>(limit - all.nodes.size(), 10'000));
    if (!after.empty())
      call.target +=
          "&after=" + EncodeQuery(after) + "&at_revision=" + std::to_string(all.revision);
    client.Send(std::move(call), [self = shared_from_this()](Result<Answer> result) {
      // What does not exist has nothing below it, and the answer says as of which revision.
      if (result && result->ProblemCode() == "not_found" && self->all.nodes.empty())
        return self->done(Listing{{}, RevisionOf(result->reply)});
      const Result<Answer> answer = OkOrError(std::move(result));
      if (!answer)
        return self->done(answer.error());
      self->OnPage(JsonObject(answer->reply.body));
    });
  }
  void OnPage(const boost::json::object& page) {
    all.revision = NumberOf(page, "revision");
    if (const auto* nodes = page.if_contains("nodes"); nodes != nullptr && nodes->is_array())
      for (const auto& node : nodes->get_array())
        if (node.is_object())
          all.nodes.push_back(ToNode(node.get_object(), all.revision));
    const std::string after = TextOf(page, "next");
    if (after.empty() || (limit > 0 && all.nodes.size() >= limit))
      return done(std::move(all));
    Next(after);
  }
};

}  // namespace

std::string Fence::Header() const { return EncodePath(path) + "=" + std::to_string(token); }

Node ToNode(const boost::json::object& json, uint64_t revision) {
  Node node;
  node.path = TextOf(json, "path");
  ValueOf(json, &node.value);
  node.version = NumberOf(json, "version");
  node.create_revision = NumberOf(json, "create_revision");
  node.mod_revision = NumberOf(json, "mod_revision");
  node.num_children = NumberOf(json, "num_children");
  node.lease = NumberOf(json, "lease");
  node.revision = revision;
  return node;
}

void Tree::Get(const std::string& path, Callback<Node> done) {
  Send(client_, ToCall("GET", path, {}), ReadNode, std::move(done));
}
void Tree::Put(const std::string& path,
               std::string value,
               const WriteOptions& options,
               Callback<Node> done) {
  Write("PUT", path, std::move(value), options, std::move(done));
}
void Tree::Append(const std::string& prefix,
                  std::string value,
                  const WriteOptions& options,
                  Callback<Node> done) {
  Write("POST", prefix, std::move(value), options, std::move(done));
}
void Tree::Write(const char* method,
                 const std::string& path,
                 std::string value,
                 const WriteOptions& options,
                 Callback<Node> done) {
  Call call = ToCall(method, path, options);
  call.body = std::move(value);
  Send(client_, std::move(call), ReadNode, std::move(done));
}
void Tree::Delete(const std::string& path, const WriteOptions& options, Callback<uint64_t> done) {
  Send(client_, ToCall("DELETE", path, options), ReadRevision, std::move(done));
}
void Tree::List(const std::string& path, Scope scope, size_t limit, Callback<Listing> done) {
  const char* name = scope == Scope::kSubtree ? "subtree" : "children";
  std::make_shared<Pages>(client_, "/v1/kv" + EncodePath(path) + "?list=" + name, limit,
                          std::move(done))
      ->Next("");
}
void Tree::Transact(const std::string& json, Callback<std::string> done) {
  Call call;
  call.method = "POST";
  call.target = "/v1/txn";
  call.headers = {{"Content-Type", "application/json"}};
  call.body = json;
  Send(client_, std::move(call), ReadBody, std::move(done));
}

Result<Node> Tree::Get(const std::string& path) {
  return Await<Node>(client_, [&](auto done) { Get(path, std::move(done)); });
}
Result<Node> Tree::Put(const std::string& path, std::string value, const WriteOptions& options) {
  return Await<Node>(client_, [&](auto done) { Put(path, value, options, std::move(done)); });
}
Result<Node> Tree::Append(const std::string& prefix,
                          std::string value,
                          const WriteOptions& options) {
  return Await<Node>(client_, [&](auto done) { Append(prefix, value, options, std::move(done)); });
}
Result<uint64_t> Tree::Delete(const std::string& path, const WriteOptions& options) {
  return Await<uint64_t>(client_, [&](auto done) { Delete(path, options, std::move(done)); });
}
Result<Listing> Tree::List(const std::string& path, Scope scope, size_t limit) {
  return Await<Listing>(client_, [&](auto done) { List(path, scope, limit, std::move(done)); });
}
Result<std::string> Tree::Transact(const std::string& json) {
  return Await<std::string>(client_, [&](auto done) { Transact(json, std::move(done)); });
}

}  // namespace synod::client
