// LoadSnapshot: from the file of a snapshot to a state machine that is proven to be that state.
//
// Contract      Reads the whole part that a node was sent, checks it, loads every record into
//               *machine (which is empty) and gives each to `also`; then the state must fit
//               together, be that of the header's slot, and have its digest.
// Errors        kInternal with what is wrong; *machine is worth nothing then. What `also` fails
//               with.
// Thread        Any, one at a time.
#ifndef SYNOD_NODE_STATE_LOAD_H_
#define SYNOD_NODE_STATE_LOAD_H_

#include "src/base/error.h"
#include "src/machine/machine.h"
#include "src/storage/snapshot_store.h"

namespace synod::node {

Result<storage::SnapshotHeader> LoadSnapshot(storage::SnapshotStore& store,
                                             const Hash128& cluster_id,
                                             const storage::RecordVisitor& also,
                                             machine::Machine* machine);

}  // namespace synod::node

#endif  // SYNOD_NODE_STATE_LOAD_H_
