// The machine's records: what of the state is kept, fingerprinted and loaded again.
#include <utility>

#include "src/base/check.h"
#include "src/base/codec.h"
#include "src/base/path.h"
#include "src/machine/core.h"
#include "src/store/record_codec.h"

namespace synod::machine {
namespace {

constexpr std::string_view kClockName = "clock";
constexpr std::string_view kSettingsName = "settings";
constexpr std::string_view kMembershipName = "membership";
constexpr std::string_view kRemovedName = "removed";
constexpr std::string_view kVersionName = "version";
constexpr std::string_view kDigestCheckName = "digests";
constexpr std::string_view kFenceFloorName = "fence-floor";

Error Damaged(std::string what) { return {Errc::kInternal, Outcome::kNotApplied, std::move(what)}; }

Bytes MetaKey(std::string_view name) { return session::RecordKey(RecordTag::kMeta, name); }

Bytes MemberKey(NodeId id) {
  return session::RecordKey(RecordTag::kMember, session::BigEndian(id.value));
}

Bytes MemberValue(const MemberView& member) {
  Bytes out;
  Writer w(&out);
  w.String(member.uuid);
  w.String(member.name);
  w.String(member.peer_address);
  w.String(member.client_url);
  w.Varint(member.machine_version);
  return out;
}

Bytes VersionValue(uint32_t version) {
  Bytes out;
  Writer(&out).Varint(version);
  return out;
}

Bytes FenceFloorValue(FenceToken floor) {
  Bytes out;
  Writer(&out).Number(floor);
  return out;
}

Bytes DigestCheckValue(const DigestCheck& check) {
  Bytes out;
  Writer w(&out);
  w.Number(check.slot);
  w.Bool(check.agreed);
  w.Fixed64(check.digest.sum.hi);
  w.Fixed64(check.digest.sum.lo);
  w.Varint(check.diverged.size());
  for (const NodeId id : check.diverged) w.Number(id);
  return out;
}

DigestCheck ReadDigestCheck(Reader& r) {
  DigestCheck check;
  check.slot = r.Number<Slot>();
  check.agreed = r.Bool();
  check.digest.sum.hi = r.Fixed64();
  check.digest.sum.lo = r.Fixed64();
  const uint64_t n = r.Count(1);
  for (uint64_t i = 0; i < n && r.ok(); ++i) check.diverged.insert(r.Number<NodeId>());
  return check;
}

Bytes SettingsValue(const auth::Settings& settings) {
  Bytes out;
  Writer w(&out);
  auth::Write(w, settings);
  return out;
}

Bytes RemovedValue(const std::set<std::string, std::less<>>& uuids) {
  Bytes out;
  Writer w(&out);
  w.Varint(uuids.size());
  for (const std::string& uuid : uuids) w.String(uuid);
  return out;
}

void AddTo(Digest* sum, const Digest& part) { sum->Add(part.sum); }

}  // namespace

// What moves with every entry. It counts in the digest like all the rest: at equal slots it is
// equal.
Bytes Machine::Core::ClockRecord() const {
  Bytes out;
  Writer w(&out);
  w.Number(applied);
  w.Number(revision);
  w.Number(time);
  w.Write(leader_start);
  w.Number(leases.last_id());
  w.Number(locks.last_token());
  return out;
}

Digest Machine::Core::digest() const {
  Digest sum = tree.digest();
  AddTo(&sum, leases.digest());
  AddTo(&sum, idempotency.digest());
  AddTo(&sum, locks.digest());
  AddTo(&sum, fences.digest());
  AddTo(&sum, member_tally_.digest());
  AddTo(&sum, directory_tally_.digest());
  AddTo(&sum, quota_tally_.digest());
  sum.Add(HashOfRecord(MetaKey(kClockName), ClockRecord()));
  sum.Add(HashOfRecord(MetaKey(kSettingsName), SettingsValue(settings)));
  if (membership.version > 0)
    sum.Add(HashOfRecord(MetaKey(kMembershipName), membership.Encode()));
  if (!removed_uuids_.empty())
    sum.Add(HashOfRecord(MetaKey(kRemovedName), RemovedValue(removed_uuids_)));
  if (version > 1)
    sum.Add(HashOfRecord(MetaKey(kVersionName), VersionValue(version)));
  if (digest_check.slot > Slot())
    sum.Add(HashOfRecord(MetaKey(kDigestCheckName), DigestCheckValue(digest_check)));
  if (fences.floor() > FenceToken())
    sum.Add(HashOfRecord(MetaKey(kFenceFloorName), FenceFloorValue(fences.floor())));
  return sum;
}

Records Machine::Core::TakeDirty() {
  Records records;
  records.push_back({MetaKey(kClockName), ClockRecord()});
  if (settings_dirty_)
    records.push_back({MetaKey(kSettingsName), SettingsValue(settings)});
  if (std::exchange(version_dirty_, false))
    records.push_back({MetaKey(kVersionName), VersionValue(version)});
  if (std::exchange(digest_check_dirty_, false))
    records.push_back({MetaKey(kDigestCheckName), DigestCheckValue(digest_check)});
  settings_dirty_ = false;
  if (membership_dirty_) {
    records.push_back({MetaKey(kMembershipName), membership.Encode()});
    if (!removed_uuids_.empty())
      records.push_back({MetaKey(kRemovedName), RemovedValue(removed_uuids_)});
  }
  membership_dirty_ = false;
  tree.TakeDirty(&records);
  leases.tally().TakeDirty(&records);
  idempotency.tally().TakeDirty(&records);
  locks.tally().TakeDirty(&records);
  fences.tally().TakeDirty(&records);
  member_tally_.TakeDirty(&records);
  directory_tally_.TakeDirty(&records);
  quota_tally_.TakeDirty(&records);
  return records;
}

uint64_t Machine::Core::dirty_bytes() const {
  return tree.dirty_bytes() + leases.tally().dirty_bytes() + idempotency.tally().dirty_bytes() +
         locks.tally().dirty_bytes() + fences.tally().dirty_bytes() + member_tally_.dirty_bytes() +
         directory_tally_.dirty_bytes() + quota_tally_.dirty_bytes() +
         (membership_dirty_ ? 64 : 0) + (version_dirty_ || digest_check_dirty_ ? 64 : 0) +
         (settings_dirty_ && revision > Revision() ? 64 : 0);
}

void Machine::Core::ForEachRecord(
    const std::function<void(std::string_view key, std::string_view value)>& each) const {
  each(MetaKey(kClockName), ClockRecord());
  each(MetaKey(kSettingsName), SettingsValue(settings));
  if (membership.version > 0)
    each(MetaKey(kMembershipName), membership.Encode());
  if (!removed_uuids_.empty())
    each(MetaKey(kRemovedName), RemovedValue(removed_uuids_));
  if (version > 1)
    each(MetaKey(kVersionName), VersionValue(version));
  if (digest_check.slot > Slot())
    each(MetaKey(kDigestCheckName), DigestCheckValue(digest_check));
  if (fences.floor() > FenceToken())
    each(MetaKey(kFenceFloorName), FenceFloorValue(fences.floor()));
  tree.ForEachRecord(each);
  leases.ForEachRecord(each);
  idempotency.ForEachRecord(each);
  locks.ForEachRecord(each);
  fences.ForEachRecord(each);
  for (const auto& [id, member] : members) each(MemberKey(id), MemberValue(member));
  ForEachDirectoryRecord(each);
  ForEachQuotaRecord(each);
}

void Machine::Core::SaveMember(MemberView member) {
  const NodeId id = member.id;
  member_tally_.Set(MemberKey(id), MemberValue(member), &member_hashes_[id]);
  members[id] = std::move(member);
}

void Machine::Core::DropMember(NodeId id) {
  member_tally_.Remove(MemberKey(id), member_hashes_[id]);
  member_hashes_.erase(id);
  members.erase(id);
}

void Machine::Core::ForgetMembers() {
  while (!members.empty()) DropMember(members.begin()->first);
  membership = Membership();
  removed_uuids_.clear();
  digest_check = DigestCheck();
}

Status Machine::Core::LoadRecord(std::string_view key, std::string_view value) {
  if (key.empty())
    return Damaged("record: bad key");
  switch (static_cast<RecordTag>(key[0])) {
    case RecordTag::kMeta:
      return LoadMeta(key.substr(1), value);
    case RecordTag::kNode: {
      Result<store::EntryOwner> node = store::DecodeNode(key, value);
      return node ? LoadNode(std::move(*node)) : node.error();
    }
    case RecordTag::kHistory:
      return tree.LoadRecord(key, value);
    case RecordTag::kLease:
      return leases.LoadRecord(key, value);
    case RecordTag::kIdempotency:
      return idempotency.LoadRecord(key, value);
    case RecordTag::kContender:
    case RecordTag::kLock:
      return locks.LoadRecord(key, value);
    case RecordTag::kMember:
      return LoadMember(key, value);
    case RecordTag::kFence:
      return fences.LoadRecord(key, value);
    case RecordTag::kRole:
    case RecordTag::kUser:
    case RecordTag::kToken:
      return LoadDirectoryRecord(key, value);
    case RecordTag::kQuota:
      return LoadQuota(key, value);
  }
  return Damaged("record: unknown tag");
}

Status Machine::Core::LoadMeta(std::string_view name, std::string_view value) {
  Reader r(value);
  if (name == kSettingsName) {
    settings = auth::ReadSettings(r);
    settings_dirty_ = false;
  } else if (name == kClockName) {
    applied = r.Number<Slot>();
    revision = r.Number<Revision>();
    time = r.Number<ClusterTime>();
    leader_start = r.ReadBallot();
    leases.set_last_id(r.Number<LeaseId>());
    locks.set_last_token(r.Number<FenceToken>());
  } else if (name == kMembershipName) {
    Result<Membership> loaded = Membership::Decode(value);
    if (!loaded || loaded->version == 0)
      return Damaged("membership record: malformed");
    membership = std::move(*loaded);
    return Done();
  } else if (name == kRemovedName) {
    const uint64_t n = r.Count(1);
    for (uint64_t i = 0; i < n && r.ok(); ++i) removed_uuids_.emplace(r.String());
  } else if (name == kVersionName) {
    version = static_cast<uint32_t>(r.Varint());
  } else if (name == kDigestCheckName) {
    digest_check = ReadDigestCheck(r);
  } else if (name == kFenceFloorName) {
    fences.set_floor(r.Number<FenceToken>());
  } else {
    return Damaged("meta record: unknown name");
  }
  if (!r.Complete())
    return Damaged("meta record: malformed");
  return Done();
}

Status Machine::Core::LoadMember(std::string_view key, std::string_view value) {
  const std::optional<uint64_t> id = session::FromBigEndian(key.substr(1));
  Reader r(value);
  MemberView member;
  member.uuid = r.String();
  member.name = r.String();
  member.peer_address = r.String();
  member.client_url = r.String();
  const uint64_t supported = r.Varint();
  member.machine_version = static_cast<uint32_t>(supported);
  if (!r.Complete() || supported == 0 || supported > UINT32_MAX || !id.has_value() || *id == 0 ||
      *id > UINT32_MAX)
    return Damaged("member record: malformed");
  member.id = NodeId(static_cast<uint32_t>(*id));
  if (members.contains(member.id))
    return Damaged("member record: twice");
  member_tally_.Loaded(key, value, &member_hashes_[member.id]);
  members[member.id] = std::move(member);
  return Done();
}

Status Machine::Core::LoadNode(store::EntryOwner node) {
  if (node->current->lease.value != 0)
    loaded_with_lease_.emplace_back(node->path());
  return tree.LoadNode(std::move(node));
}

Status Machine::Core::TieNodes() {
  for (const std::string& path : std::exchange(loaded_with_lease_, {})) {
    const store::NodeRef node = tree.Find(path);
    if (leases.Find(node->lease) == nullptr)
      return Damaged("a node whose lease is not there: " + path);
    leases.Tie(node->lease, path, path.size() + node->value.size());
  }
  return Done();
}

Status Machine::Core::FinishLoad() {
  if (version > supports)
    return Damaged("the state is of machine version " + std::to_string(version) +
                   ", and this build knows " + std::to_string(supports) +
                   ": it was written by a newer version of synod. Start that version, or a later "
                   "one; nothing was changed");
  if (Status loaded = tree.FinishLoad(); loaded.has_error())
    return loaded;
  CountLoadedQuotas();
  if (Status loaded = locks.FinishLoad(); loaded.has_error())
    return loaded;
  if (Status tied = TieNodes(); tied.has_error())
    return tied;
  if (Status loaded = FinishDirectory(); loaded.has_error())
    return loaded;
  for (const auto& [id, member] : members)
    if (membership.version > 0 && !membership.IsMember(id))
      return Damaged("a member record of somebody who is no member");
  if (tree.last_revision() > revision)
    return Damaged("the tree is ahead of the clock record");
  for (const auto& [path, lock] : locks.locks()) {
    for (const auto* queue : {&lock.holders, &lock.waiters}) {
      for (const auto& [number, contender] : *queue) {
        const store::NodeRef node = tree.Find(lock::KeyOf({path, number}));
        if (node == nullptr || node->lease != contender.lease)
          return Damaged("a contender without its node: " + path);
        const session::IdempotencyRecord* record =
            contender.request_key.empty() ? nullptr : idempotency.Find(contender.request_key, time);
        if (!contender.request_key.empty() && (record == nullptr || !record->pending))
          return Damaged("a contender without its idempotency record: " + path);
      }
    }
  }
  return Done();
}

void Machine::Core::CheckInvariants() const {
  tree.CheckInvariants();
  leases.CheckInvariants();
  idempotency.CheckInvariants();
  locks.CheckInvariants();
  fences.CheckInvariants();
  directory.CheckInvariants();
  for (const auto& [path, kept] : quotas) {
    SYNOD_CHECK(!kept.quota.none());
    SYNOD_CHECK(auth::Validate(path, kept.quota).has_value());
  }
  SYNOD_CHECK_EQ(directory_hashes_.size(),
                 directory.roles().size() + directory.users().size() + directory.tokens().size());
  SYNOD_CHECK_LE(tree.last_revision(), revision);
  for (const auto& [id, member] : members) {
    SYNOD_CHECK(membership.version == 0 || membership.IsMember(id));
    SYNOD_CHECK(!WasRemoved(member.uuid));
  }
  // Those over an entry's bounds are dead already; what follows from their end is still to come.
  const bool settled = leases.FirstDue(time) == nullptr && !locks.FirstWaitDue(time).has_value() &&
                       !locks.FirstDelayDue(time).has_value();
  for (const auto& [path, lock] : locks.locks()) {
    if (settled)
      SYNOD_CHECK(!locks.NextGrant(path, time, leases).has_value());
    for (const auto* queue : {&lock.holders, &lock.waiters}) {
      for (const auto& [number, contender] : *queue) {
        const store::NodeRef node = tree.Find(lock::KeyOf({path, number}));
        SYNOD_CHECK(node != nullptr);
        SYNOD_CHECK(node->lease == contender.lease);
        SYNOD_CHECK_EQ(node->value.size(), contender.value_bytes);
        SYNOD_CHECK(leases.Find(contender.lease) != nullptr);
      }
    }
  }
}

}  // namespace synod::machine
