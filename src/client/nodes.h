// How nodes of the tree are read from JSON.
//
// Contract      As json.h: what is absent is empty or 0.
// Thread        Any.
#ifndef SYNOD_CLIENT_NODES_H_
#define SYNOD_CLIENT_NODES_H_

#include "src/client/json.h"
#include "src/client/tree.h"

namespace synod::client {

Node ToNode(const boost::json::object& json, uint64_t revision);

}  // namespace synod::client

#endif  // SYNOD_CLIENT_NODES_H_
