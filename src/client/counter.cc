#include "src/client/counter.h"

#include <charconv>

#include "src/client/core.h"

namespace synod::client {
namespace {

struct Reading {
  int64_t value = 0;
  uint64_t revision = 0;  // 0: there is no node
};

void Read(Client& client, const std::string& path, const Callback<Reading>& done) {
  Tree(client).Get(path, [done](const Result<Node>& node) {
    if (!node)
      return done(node.error().code == Errc::kNotFound ? Result<Reading>(Reading{})
                                                       : Result<Reading>(node.error()));
    Reading reading{0, node->mod_revision};
    const char* end = node->value.data() + node->value.size();
    const auto parsed = std::from_chars(node->value.data(), end, reading.value);
    if (parsed.ec != std::errc() || parsed.ptr != end)
      return done(
          Error{Errc::kPreconditionFailed, Outcome::kNotApplied, node->path + " holds no number"});
    done(reading);
  });
}

void AddOnce(Client& client,
             const std::string& path,
             int64_t delta,
             const std::vector<Fence>& fences,
             const Callback<int64_t>& done) {
  Read(client, path, [=, &client](const Result<Reading>& reading) {
    if (!reading)
      return done(reading.error());
    const int64_t sum = reading->value + delta;
    WriteOptions write;
    write.fences = fences;
    write.if_revision = reading->revision;
    Tree(client).Put(path, std::to_string(sum), write, [=, &client](const Result<Node>& node) {
      // Somebody was faster: so one of us has come further.
      if (!node && node.error().code == Errc::kPreconditionFailed)
        return AddOnce(client, path, delta, fences, done);
      done(node ? Result<int64_t>(sum) : Result<int64_t>(node.error()));
    });
  });
}

}  // namespace

void Counter::Get(Callback<int64_t> done) {
  Read(client_, path_, [done = std::move(done)](const Result<Reading>& reading) {
    done(reading ? Result<int64_t>(reading->value) : Result<int64_t>(reading.error()));
  });
}
void Counter::Add(int64_t delta, const std::vector<Fence>& fences, Callback<int64_t> done) {
  AddOnce(client_, path_, delta, fences, done);
}
Result<int64_t> Counter::Get() {
  return Await<int64_t>(client_, [&](auto done) { Get(std::move(done)); });
}
Result<int64_t> Counter::Add(int64_t delta, const std::vector<Fence>& fences) {
  return Await<int64_t>(client_, [&](auto done) { Add(delta, fences, std::move(done)); });
}

}  // namespace synod::client
