// Founding, joining, and following the membership: whom this node dials, and what its directory
// remembers.
#include <algorithm>
#include <utility>

#include "src/base/check.h"
#include "src/node/credentials.h"
#include "src/node/log.h"
#include "src/node/process.h"
#include "src/node/server.h"

namespace synod::node {
namespace {

constexpr int64_t kFollowEveryMs = 100;
// A removed member has had its chance to learn of it; else its next Hello is refused with the news.
constexpr int64_t kLeavingMs = 3'000;
// So long a removed member waits for answers to what it had sent before.
constexpr int64_t kLastAnswersMs = 2'000;
constexpr int64_t kAnnounceAgainMs = 1'000;
constexpr int64_t kAnnounceTimeoutMs = 5'000;

std::string Join(const std::vector<NodeId>& ids) {
  std::string text;
  for (const NodeId id : ids) text += (text.empty() ? "" : ",") + std::to_string(id.value);
  return text.empty() ? "none" : text;
}

const machine::MemberView* RowOf(NodeId id, const std::vector<machine::MemberView>& rows) {
  const auto row =
      std::find_if(rows.begin(), rows.end(), [&](const auto& r) { return r.id == id; });
  return row == rows.end() ? nullptr : &*row;
}

}  // namespace

// --- which cluster -------------------------------------------------------------------------------

void Server::StartFounding() {
  if (!founding_->decided())
    LogInfo("belongs to no cluster yet: asking the listed members",
            {{"members", addresses_.size()}, {"needed", founding_->needed()}});
  DialMembers();
  if (founding_->FoundAlone())
    SaveIdentity();
  if (founding_->decided())
    BeginCluster();
}

void Server::StartJoining() {
  joining_ = std::make_unique<Joining>(
      io_, config_.join,
      client::Credentials{config_.auth_join, config_.client_tls.ca_file,
                          config_.client_tls.cert_file, config_.client_tls.key_file},
      Joining::Self{data_dir_->identity().node_uuid.Hex(), config_.name, config_.advertise_peer,
                    config_.advertise_client},
      [this](Joining::Joined joined) { OnJoined(std::move(joined)); });
  LogInfo("empty, and to join a cluster", {{"peer", config_.advertise_peer}});
}

// From here on it is a learner, whatever happens to it: the number is on disk before a peer hears
// of it, or a crash would leave a member that nobody is.
void Server::OnJoined(Joining::Joined joined) {
  self_ = joined.id;
  SetLog(config_.log_level, config_.log_format, self_.value);
  for (const auto& [id, member] : joined.cluster.members) addresses_[id] = member.peer;
  membership_ = std::move(joined.membership);
  name_ = joined.cluster.members.at(self_).name;
  Founding::Self self;
  self.id = self_;
  self.uuid = data_dir_->identity().node_uuid.Hex();
  self.cluster_id = joined.cluster.cluster_id;
  for (const auto& [id, address] : addresses_) self.members.insert(id);
  founding_ = std::make_unique<Founding>(std::move(self));
  SaveIdentity();
  LogInfo("entered the cluster as a learner",
          {{"member", self_.value}, {"cluster", joined.cluster.cluster_id}});
  peers_->SetSelf(MakeHello());
  DialMembers();
  BeginCluster();
}

storage::Identity::Advertised Server::Advertised() const {
  return {config_.advertise_peer, config_.advertise_client, config_.name};
}

void Server::SaveIdentity() {
  if (!founding_->decided())
    return;
  storage::Identity identity = data_dir_->identity();
  identity.cluster_id = Hash128::FromHex(founding_->cluster_id()).value();
  identity.member_id = self_;
  identity.membership = membership_;
  identity.members.clear();
  for (const auto& [id, address] : addresses_) identity.members[id] = address.ToString();
  identity.peers.clear();
  for (const auto& [id, uuid] : founding_->bound())
    if (const std::optional<Hash128> parsed = Hash128::FromHex(uuid))
      identity.peers[id] = *parsed;
  if (announced_)
    identity.advertised = Advertised();
  const bool over = lease_over_ms_ != 0 && MonotonicMs() >= lease_over_ms_;
  identity.lease_ms =
      over ? config_.leader_lease_ms : std::max(config_.leader_lease_ms, identity.lease_ms);
  if (identity == data_dir_->identity())
    return;
  if (const Status s = data_dir_->Save(identity); !s)
    fatal_(Ending::kDiskError, "the identity cannot be written: " + s.error().detail);
}

std::string Server::HowToComeBack(const net::Hello& theirs) const {
  const std::string url = theirs.client_url.empty() ? "URL" : theirs.client_url;
  return "start it as a new member: synodd --data-dir " + config_.data_dir + " --client " +
         config_.client.ToString() + " --peer " + config_.peer.ToString() + " --join " + url +
         " ; and once it has caught up, put it in the place of the old one: synod --endpoints " +
         url + " member replace " + std::to_string(self_.value) + " --with NEW_NUMBER";
}

// --- following the membership --------------------------------------------------------------------

void Server::FollowMembers(int64_t now_ms) {
  const Membership& membership = engine_->replica().membership();
  const bool changed = membership.version != followed_version_;
  if (removed_ || (!changed && now_ms - followed_ms_ < kFollowEveryMs))
    return;
  followed_ms_ = now_ms;
  if (changed) {
    followed_version_ = membership.version;
    LogInfo("the members are", {{"version", membership.version},
                                {"voters", Join(membership.voters)},
                                {"learners", Join(membership.learners)}});
  }
  FollowAddresses(membership, now_ms);
  KeepMembership();
  AnnounceSelf(now_ms);
  PromoteSelf(now_ms);
  SetUpAuth(now_ms);
  FollowRemoval(membership, now_ms);
}

// Before the log has named the members those of the directory stand.
void Server::FollowAddresses(const Membership& membership, int64_t now_ms) {
  const std::vector<machine::MemberView> rows = engine_->machine().members();
  std::map<NodeId, HostPort> addresses;
  std::set<NodeId> members;
  const auto add = [&](NodeId id) {
    members.insert(id);
    const machine::MemberView* row = RowOf(id, rows);
    const Result<HostPort> address = ParseHostPort(row == nullptr ? "" : row->peer_address);
    if (address)
      addresses[id] = *address;
    else if (const auto known = addresses_.find(id); known != addresses_.end())
      addresses[id] = known->second;
  };
  std::for_each(membership.voters.begin(), membership.voters.end(), add);
  std::for_each(membership.learners.begin(), membership.learners.end(), add);
  for (const auto& [id, address] : addresses_)
    if (!members.contains(id) && id != self_)
      leaving_[id].address = address;
  const bool settled = engine_->MembershipSettled();
  for (auto& [id, leaving] : leaving_)
    if (!settled || leaving.until_ms == 0)
      leaving.until_ms = now_ms + kLeavingMs;
  std::erase_if(leaving_, [&](const auto& leaving) {
    return now_ms >= leaving.second.until_ms || !peers_->IsUp(leaving.first);
  });
  addresses_ = std::move(addresses);
  const NodeId removed_below = settled ? membership.next_member : NodeId();
  std::erase_if(moved_, [&](const auto& moved) {
    const auto known = addresses_.find(moved.first);
    return known == addresses_.end() ? moved.first < removed_below : known->second == moved.second;
  });
  founding_->SetMembers(std::move(members), removed_below);
  for (const machine::MemberView& row : rows)
    if (row.id != self_ && !row.uuid.empty() && addresses_.contains(row.id))
      founding_->Bind(row.id, row.uuid);
  if (const machine::MemberView* own = RowOf(self_, rows); own != nullptr && !own->name.empty())
    name_ = own->name;
  DialMembers();
}

// What the directory remembers must be final, also after a crash: a membership above what this
// node's log holds would have it count votes for older slots by the wrong members.
void Server::KeepMembership() {
  if (!engine_->MembershipDurable())
    return;
  const Membership& applied = engine_->machine().membership();
  if (applied.version > membership_.version)
    membership_ = applied;
  SaveIdentity();
}

// The member table stands over the flags, unless the flags were changed since the last start: then
// that is what the operator wants, and the table is changed.
void Server::AnnounceSelf(int64_t now_ms) {
  if (announced_)
    return;
  const std::vector<machine::MemberView> rows = engine_->machine().members();
  const machine::MemberView* own = RowOf(self_, rows);
  if (own != nullptr && own->peer_address == config_.advertise_peer &&
      own->client_url == config_.advertise_client &&
      (config_.name.empty() || own->name == config_.name)) {
    announced_ = true;
    SaveIdentity();
    return;
  }
  if (own == nullptr || !engine_->Ready() || now_ms - announced_ms_ < kAnnounceAgainMs)
    return;
  announced_ms_ = now_ms;
  machine::Command command;
  command.principal = auth::OfNode();
  command.operation =
      machine::UpdateMember{self_, config_.name, config_.advertise_peer, config_.advertise_client};
  // Whether it was applied shows in the table.
  if (const Result<CallId> call = engine_->Change(std::move(command), kAnnounceTimeoutMs); call)
    LogInfo("telling the cluster the new name or addresses of this node",
            {{"peer", config_.advertise_peer}, {"client", config_.advertise_client}});
}

// What it lacks is for the leader to judge, which refuses it until it is near enough.
void Server::PromoteSelf(int64_t now_ms) {
  if (!config_.joins_as_voter || !engine_->machine().membership().IsLearner(self_) ||
      !engine_->Ready() || now_ms - promotion_asked_ms_ < kAnnounceAgainMs)
    return;
  promotion_asked_ms_ = now_ms;
  machine::ChangeMembers change;
  change.kind = machine::ChangeMembers::Kind::kPromote;
  change.ids = {self_};
  machine::Command command;
  command.principal = auth::OfNode();
  command.operation = std::move(change);
  // Whether it was promoted shows in the membership.
  if (const Result<CallId> call = engine_->Change(std::move(command), kAnnounceTimeoutMs); call)
    LogInfo("has caught up and asks to be a voter (join_as)");
}

// The first administrator of a cluster that knows nobody. All nodes with the file ask for it, as
// often as it takes; only the first entry does anything.
void Server::SetUpAuth(int64_t now_ms) {
  const machine::Machine& machine = engine_->machine();
  if (config_.auth_bootstrap.empty() || machine.settings().auth_enabled != 0 ||
      !machine.directory().empty() || !engine_->Ready() ||
      now_ms - auth_asked_ms_ < kAnnounceAgainMs)
    return;
  auth_asked_ms_ = now_ms;
  machine::Command command;
  command.principal = auth::OfNode();
  command.operation = machine::SetUpAuth{HashOfToken(config_.auth_bootstrap)};
  if (const Result<CallId> call = engine_->Change(std::move(command), kAnnounceTimeoutMs); call)
    LogInfo("authentication is switched on, with the token of auth.bootstrap_token_file");
}

// Until a majority of those who are left has it on disk this node may be the last one that knows.
void Server::FollowRemoval(const Membership& membership, int64_t now_ms) {
  if (membership.WasRemoved(self_) && engine_->MembershipSettled() && removed_since_ms_ == 0)
    removed_since_ms_ = now_ms;
  // A leader hands over first; what was sent before the removal gets its answer.
  if (removed_since_ms_ == 0 || engine_->replica().IsLeader())
    return;
  if (engine_->pending_calls() == 0 || now_ms - removed_since_ms_ >= kLastAnswersMs)
    BecomeRemoved();
}

void Server::BecomeRemoved() {
  removed_ = true;
  LogError(Info().refuses);
  engine_->Shutdown();
  Pump(MonotonicUs());
  service_.EndStreams();
  // Without its ticks the engine does nothing more; nobody is to wait for it either.
  leaving_.clear();
  dialed_.clear();
  peers_->SetPeers({});
}

void Server::DialMembers() {
  std::vector<net::PeerAddress> peers;
  for (const auto& [id, address] : addresses_) {
    const auto moved = moved_.find(id);
    const HostPort& at = moved == moved_.end() ? address : moved->second;
    if (id != self_)
      peers.push_back({id, at.host, at.port});
  }
  for (const auto& [id, leaving] : leaving_)
    peers.push_back({id, leaving.address.host, leaving.address.port});
  for (const auto& [id, at] : moved_)
    if (!addresses_.contains(id) && !leaving_.contains(id))
      peers.push_back({id, at.host, at.port});
  if (peers == dialed_)
    return;
  dialed_ = peers;
  peers_->SetPeers(std::move(peers));
}

}  // namespace synod::node
