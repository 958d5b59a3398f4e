// Client: one of the recorded clients, with a connection to every node.
//
// Contract      One request at a time, each with the times of its call and its end. A change whose
//               answer does not come, or says so, is unknown; one that is promised not to have been
//               applied is not_applied; all else is answered. `keyed` changes are repeated at other
//               nodes under one Idempotency-Key until they are settled or tries run out.
// Thread        One.   Errors: none; what cannot be reached is an outcome.
#ifndef SYNOD_TESTS_HISTORIES_CLIENT_H_
#define SYNOD_TESTS_HISTORIES_CLIENT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "src/base/random.h"
#include "tests/integration/http_client.h"

namespace synod::histories {

// Nanoseconds of one clock that all clients share.
int64_t Now();

struct Reply {
  enum class Outcome : uint8_t { kAnswered, kNotApplied, kUnknown };

  Outcome outcome = Outcome::kUnknown;
  integration::Answer answer;  // the last one; status 0: none came
  int64_t called = 0;
  int64_t returned = 0;
  bool answered() const { return outcome == Outcome::kAnswered; }
  bool Is(int status) const { return answered() && answer.status == status; }
};

struct Request {
  std::string method = "GET";
  std::string target;
  std::string body = {};
  integration::Headers headers = {};
};

class Client {
 public:
  Client(int number, std::vector<uint16_t> ports, uint64_t seed);
  ~Client();

  Random& random() { return random_; }
  size_t nodes() const { return ports_.size(); }
  size_t AnyNode() { return random_.Below(ports_.size()); }
  // A text that no other call of any client gives.
  std::string UniqueText();

  Reply Read(size_t node, const std::string& target);
  Reply Change(const Request& request, bool keyed);
  // The highest revision that an answer named to this client.
  uint64_t revision() const { return revision_; }

 private:
  Reply Try(size_t node, const Request& request);

  int number_;
  std::vector<uint16_t> ports_;
  Random random_;
  std::vector<std::unique_ptr<integration::Connection>> connections_;
  uint64_t texts_ = 0;
  uint64_t revision_ = 0;
};

}  // namespace synod::histories

#endif  // SYNOD_TESTS_HISTORIES_CLIENT_H_
