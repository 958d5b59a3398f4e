#include "src/node/state_load.h"

namespace synod::node {
namespace {

Error Bad(std::string what) {
  return Error{Errc::kInternal, Outcome::kNotApplied, "the snapshot " + std::move(what)};
}

}  // namespace

Result<storage::SnapshotHeader> LoadSnapshot(storage::SnapshotStore& store,
                                             const Hash128& cluster_id,
                                             const storage::RecordVisitor& also,
                                             machine::Machine* machine) {
  const Result<storage::SnapshotInfo> info =
      store.VisitPart([&](std::string_view key, std::string_view value) {
        if (Status ok = machine->LoadRecord(key, value); !ok)
          return ok;
        return also(key, value);
      });
  if (!info)
    return info.error();
  const storage::SnapshotHeader& header = info->header;
  if (header.cluster_id != cluster_id)
    return Bad("is of another cluster");
  if (Status ok = machine->FinishLoad(); !ok)
    return Bad("does not fit together: " + ok.error().detail);
  if (machine->applied() != header.slot || machine->digest() != header.digest)
    return Bad("is not the state that it says: slot or digest differ");
  return header;
}

}  // namespace synod::node
