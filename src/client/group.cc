#include "src/client/group.h"

#include "src/client/core.h"

namespace synod::client {

void Group::Join(const std::string& name,
                 std::string value,
                 LeaseOptions lease,
                 Callback<Lease> done) {
  const std::string path = path_ + "/" + name;
  lease.name = path;
  Lease::Grant(client_, std::move(lease),
               [&client = client_, path, value = std::move(value),
                done = std::move(done)](Result<Lease> granted) {
                 if (!granted)
                   return done(granted.error());
                 // Shared, since functions are copied; it is ours alone.
                 const auto held = std::make_shared<Lease>(*std::move(granted));
                 WriteOptions write;
                 write.lease = held->id();
                 Tree(client).Put(path, value, write, [held, done](const Result<Node>& node) {
                   done(node ? Result<Lease>(std::move(*held)) : Result<Lease>(node.error()));
                 });
               });
}
Result<Lease> Group::Join(const std::string& name, std::string value, LeaseOptions lease) {
  return Await<Lease>(client_, [&](auto done) { Join(name, value, lease, std::move(done)); });
}

void Group::Members(Callback<std::vector<Member>> done) {
  Tree(client_).List(
      path_, Scope::kChildren, 0, [done = std::move(done)](const Result<Listing>& list) {
        if (!list)
          return done(list.error());
        std::vector<Member> members;
        for (const Node& node : list->nodes)
          members.push_back({node.path.substr(node.path.rfind('/') + 1), node.value});
        done(std::move(members));
      });
}
Result<std::vector<Group::Member>> Group::Members() {
  return Await<std::vector<Member>>(client_, [&](auto done) { Members(std::move(done)); });
}

}  // namespace synod::client
