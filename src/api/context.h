// Context and RenderOptions: what an answer needs besides its content.
//
// Contract      Context is the answering node's view at the moment of the answer; every answer
//               carries it in Synod-* headers. RenderOptions come out of ParseCall() and go back
//               into the Render functions as they are.
#ifndef SYNOD_API_CONTEXT_H_
#define SYNOD_API_CONTEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "src/base/types.h"
#include "src/net/http_types.h"

namespace synod::api {

struct Context {
  Revision revision;  // that the answer reflects; an Answer's own revision beats it
  ClusterTime time;   // of a linearizable answer: the leader's clock at its quorum round
  NodeId node;
  std::optional<NodeId> leader;  // as this node knows it
};

// How the events of a watch travel; the numbers are the slots of watch::Message::rendered.
enum class StreamFormat : uint8_t { kSse = 0, kNdjson = 1, kLongPoll = 2 };

struct EntityTags {  // If-None-Match of a GET
  bool any = false;  // "*"
  std::vector<uint64_t> revisions;
  bool empty() const { return !any && revisions.empty(); }
};

struct RenderOptions {
  bool could_change = false;  // failures carry "outcome"
  bool raw = false;           // the value's bytes as they are
  bool base64 = false;        // every value as value_base64
  bool keys_only = false;     // lists without values
  bool bulk = false;          // keepalive of many leases: a list, also of one
  bool sequential = false;    // a read from this replica alone: remaining times are left out
  bool location = false;      // 201 names the new node in Location
  Revision at;                // at_revision; 0: now
  EntityTags if_none_match;
  std::string secret;  // of the token that the call makes: shown in its first answer
  std::string origin;  // an allowed Origin: CORS headers go with the answer
};

// Synod-Revision, -Time, -Node, -Leader, Cache-Control, and CORS headers where asked for.
void AddContextHeaders(const RenderOptions& options,
                       const Context& context,
                       net::HttpResponse* response);

}  // namespace synod::api

#endif  // SYNOD_API_CONTEXT_H_
