// ListChildren: all children of a node of the tree, page by page, from a cluster that serves.
//
// Errors        std::runtime_error if the node does not answer within half a minute.
#ifndef SYNOD_TESTS_HISTORIES_TREE_H_
#define SYNOD_TESTS_HISTORIES_TREE_H_

#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <string>

#include "tests/histories/client.h"

namespace synod::histories {

struct Listing {
  int64_t called = 0;
  int64_t returned = 0;
  std::map<std::string, boost::json::value> nodes;  // by path
};

// `target` as in "/v1/kv/a". A node that is absent has no children.
Listing ListChildren(Client& client, size_t node, const std::string& target);

}  // namespace synod::histories

#endif  // SYNOD_TESTS_HISTORIES_TREE_H_
