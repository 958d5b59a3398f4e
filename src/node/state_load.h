// From what is on disk to a state machine that is proven to be that state.
//
// Contract      LoadState: the last checkpoint of `state`, which is in `dir`. Two threads of its
//               own read and decode, half each, while the caller's loads. LoadSnapshot: the whole
//               part that a node was sent, into *machine (which is empty), with each record given
//               to `also`. Either state must fit together, and have the slot and the digest that
//               stand beside it.
// Errors        kInternal with what is wrong; *machine is worth nothing then. What `also` fails
//               with.
// Thread        Any, one at a time.
#ifndef SYNOD_NODE_STATE_LOAD_H_
#define SYNOD_NODE_STATE_LOAD_H_

#include <cstdint>
#include <string>

#include "src/base/error.h"
#include "src/machine/machine.h"
#include "src/storage/snapshot_store.h"
#include "src/storage/state_store.h"

namespace synod::node {

Result<machine::Machine> LoadState(storage::StateStore& state,
                                   const std::string& dir,
                                   uint32_t machine_version);

Result<storage::SnapshotHeader> LoadSnapshot(storage::SnapshotStore& store,
                                             const Hash128& cluster_id,
                                             const storage::RecordVisitor& also,
                                             machine::Machine* machine);

}  // namespace synod::node

#endif  // SYNOD_NODE_STATE_LOAD_H_
