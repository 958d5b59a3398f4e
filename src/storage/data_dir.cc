#include "src/storage/data_dir.h"

#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <optional>

#include "src/base/check.h"
#include "src/base/crc32c.h"
#include "src/storage/small_file.h"

namespace synod::storage {
namespace {

constexpr std::string_view kMagic = "synod-identity ";
constexpr uint32_t kIdentityFormat = 2;  // 1 had no membership
constexpr size_t kIdentityBytesMax = 64 << 10;
constexpr size_t kCrcLineBytes = 16;  // "crc32c " + 8 digits + newline
constexpr size_t kPidBytes = 20;

Error Refused(std::string what) {
  return Error{Errc::kInternal, Outcome::kNotApplied, std::move(what)};
}

std::string CrcLine(std::string_view text) {
  char line[32];
  std::snprintf(line, sizeof line, "crc32c %08x\n", Crc32c(text));
  return line;
}

std::optional<uint32_t> ParseNumber(std::string_view digits) {
  uint32_t n = 0;
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
  if (ec != std::errc() || end != digits.data() + digits.size())
    return std::nullopt;
  return n;
}

// "NUMBER REST", or a number alone.
struct Numbered {
  NodeId id;
  std::string_view rest;
};

std::optional<Numbered> ParseNumbered(std::string_view value) {
  const size_t space = value.find(' ');
  const std::optional<uint32_t> id = ParseNumber(value.substr(0, space));
  if (!id)
    return std::nullopt;
  return Numbered{NodeId(*id), space == std::string_view::npos ? "" : value.substr(space + 1)};
}

// Lines of the membership. Those of one role come in ascending order.
bool ParseRole(std::string_view value, std::vector<NodeId>* role) {
  const std::optional<uint32_t> id = ParseNumber(value);
  if (!id || *id == 0 || (!role->empty() && role->back().value >= *id))
    return false;
  role->push_back(NodeId(*id));
  return true;
}

bool ParseAdvertised(std::string_view value, Identity::Advertised* advertised) {
  const size_t first = value.find(' ');
  const size_t second = first == std::string_view::npos ? first : value.find(' ', first + 1);
  if (second == std::string_view::npos)
    return false;
  advertised->peer = value.substr(0, first);
  advertised->client = value.substr(first + 1, second - first - 1);
  advertised->name = value.substr(second + 1);
  return true;
}

// A line that begins with a number.
bool ParseNumberedLine(std::string_view key, std::string_view value, Identity* identity) {
  const std::optional<Numbered> line = ParseNumbered(value);
  if (!line)
    return false;
  if (key == "member_id" || key == "next_member") {
    (key == "member_id" ? identity->member_id : identity->membership.next_member) = line->id;
    return line->rest.empty();
  }
  if (key == "member")
    return !line->rest.empty() && identity->members.emplace(line->id, line->rest).second;
  const std::optional<Hash128> uuid = Hash128::FromHex(line->rest);
  return uuid && identity->peers.emplace(line->id, *uuid).second;
}

// One "key value" line of the identity; false if it is none.
bool ParseLine(std::string_view line, Identity* identity) {
  const size_t space = line.find(' ');
  if (space == std::string_view::npos)
    return false;
  const std::string_view key = line.substr(0, space);
  const std::string_view value = line.substr(space + 1);
  if (key == "member_id" || key == "next_member" || key == "member" || key == "peer")
    return ParseNumberedLine(key, value, identity);
  if (key == "voter")
    return ParseRole(value, &identity->membership.voters);
  if (key == "learner")
    return ParseRole(value, &identity->membership.learners);
  if (key == "advertised")
    return ParseAdvertised(value, &identity->advertised);
  if (key == "membership" || key == "lease_ms") {
    uint64_t& number = key == "membership" ? identity->membership.version : identity->lease_ms;
    const auto [end, ec] = std::from_chars(value.data(), value.data() + value.size(), number);
    return ec == std::errc() && end == value.data() + value.size();
  }
  const std::optional<Hash128> hash = Hash128::FromHex(value);
  if (!hash || (key != "cluster_id" && key != "node_uuid"))
    return false;
  (key == "cluster_id" ? identity->cluster_id : identity->node_uuid) = *hash;
  return true;
}

std::string RoleLines(const char* role, const std::vector<NodeId>& ids) {
  std::string lines;
  for (const NodeId id : ids) lines += role + (" " + std::to_string(id.value)) + "\n";
  return lines;
}

}  // namespace

std::string Identity::Encode() const {
  std::string text(kMagic);
  text += std::to_string(kIdentityFormat) + "\n";
  text += "cluster_id " + cluster_id.Hex() + "\n";
  text += "node_uuid " + node_uuid.Hex() + "\n";
  text += "member_id " + std::to_string(member_id.value) + "\n";
  for (const auto& [id, address] : members)
    text += "member " + std::to_string(id.value) + " " + address + "\n";
  for (const auto& [id, uuid] : peers)
    text += "peer " + std::to_string(id.value) + " " + uuid.Hex() + "\n";
  if (!membership.voters.empty()) {
    text += "membership " + std::to_string(membership.version) + "\n";
    text += "next_member " + std::to_string(membership.next_member.value) + "\n";
    text += RoleLines("voter", membership.voters) + RoleLines("learner", membership.learners);
  }
  if (advertised != Advertised())
    text +=
        "advertised " + advertised.peer + " " + advertised.client + " " + advertised.name + "\n";
  if (lease_ms != 0)
    text += "lease_ms " + std::to_string(lease_ms) + "\n";
  return text + CrcLine(text);
}

Result<Identity> Identity::Decode(std::string_view text) {
  const Error damaged = Refused("it is damaged");
  if (!text.starts_with(kMagic) || text.size() < kCrcLineBytes)
    return damaged;
  const std::string_view body = text.substr(0, text.size() - kCrcLineBytes);
  if (text.substr(body.size()) != CrcLine(body))
    return damaged;
  // The first line and the last are the same in every format.
  std::string_view rest = body.substr(kMagic.size());
  const size_t first_end = rest.find('\n');
  const std::optional<uint32_t> format = ParseNumber(rest.substr(0, first_end));
  if (!format || first_end == std::string_view::npos)
    return damaged;
  if (*format > kIdentityFormat)
    return Refused(
        "it was written by a newer version of synod. Start that version, or a later one");
  rest.remove_prefix(first_end + 1);
  Identity identity;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    if (end == std::string_view::npos || !ParseLine(rest.substr(0, end), &identity))
      return damaged;
    rest.remove_prefix(end + 1);
  }
  if (identity.node_uuid == Hash128{})
    return damaged;
  // Before format 2 all members were voters for ever.
  if (*format == 1)
    for (const auto& [id, address] : identity.members) identity.membership.voters.push_back(id);
  return identity;
}

Result<std::unique_ptr<DataDir>> DataDir::Open(FileSystem& fs,
                                               const std::string& path,
                                               const Hash128& entropy,
                                               const AcceptorLogOptions& log) {
  if (Status ok = fs.MakeDirectory(path); !ok)
    return ok.error();
  std::unique_ptr<DataDir> dir(new DataDir(fs, path));
  if (Status ok = dir->TakeLock(); !ok)
    return ok.error();
  const bool exists = fs.Exists(dir->identity_path());
  if (Status ok = exists ? dir->Load(log) : dir->Create(entropy, log); !ok)
    return ok.error();
  if (Status ok = dir->ReadQuarantine(); !ok)
    return ok.error();
  dir->unconfirmed_ = fs.Exists(dir->unconfirmed_path());
  if (Status ok = dir->states_.Open(); !ok)
    return ok.error();
  return dir;
}

Result<std::unique_ptr<DataDir>> DataDir::OpenEmpty(FileSystem& fs,
                                                    const std::string& path,
                                                    const Hash128& uuid) {
  if (Status ok = fs.MakeDirectory(path); !ok)
    return ok.error();
  std::unique_ptr<DataDir> dir(new DataDir(fs, path));
  if (Status ok = dir->TakeLock(); !ok)
    return ok.error();
  Result<std::vector<std::string>> names = fs.List(path);
  if (!names)
    return names.error();
  for (const std::string& name : names.value())
    if (name != "lock" && name != "lost+found")
      return Error{Errc::kInvalidRequest, Outcome::kNotApplied,
                   "the data directory " + path + " is not empty: it holds '" + name + "'"};
  dir->identity_.node_uuid = uuid;
  return dir;
}

Status DataDir::TakeLock() {
  const std::string path = path_ + "/lock";
  Result<std::unique_ptr<File>> lock = fs_.Lock(path);
  if (!lock) {
    Error e = lock.error();
    if (e.code != Errc::kNotReady)
      return e;
    // The holder wrote its pid; it may not have come to that yet.
    std::string pid;
    if (const Result<std::string> text = ReadFile(fs_, path, kPidBytes))
      pid = text.value().substr(0, text.value().find(' '));
    e.detail = "the data directory " + path_ + " is in use by " +
               (pid.empty() ? "another process" : "process " + pid);
    return e;
  }
  lock_ = std::move(lock.value());
  std::string pid = std::to_string(::getpid());
  pid.resize(kPidBytes - 1, ' ');
  return lock_->Write(0, pid + "\n");
}

Status DataDir::Load(const AcceptorLogOptions& log) {
  const Result<std::string> text = ReadFile(fs_, identity_path(), kIdentityBytesMax);
  if (!text)
    return text.error();
  Result<Identity> identity = Identity::Decode(text.value());
  if (!identity)
    return Refused("the identity file " + identity_path() +
                   " cannot be used: " + identity.error().detail +
                   ". Restore it, or replace this node by a new member "
                   "with an empty data directory.");
  identity_ = std::move(identity.value());
  if (AcceptorLogExists(fs_, log_dir()))
    return Done();
  if (!log.accept_data_loss)
    return Refused(
        "the acceptor log in " + log_dir() +
        " is missing. This node may have forgotten a "
        "promise or a vote, so it must not vote again under this identity: replace it by "
        "a new member with an empty data directory. Only a cluster of one may go on "
        "without it, with --accept-data-loss.");
  return FormatAcceptorLog(fs_, log_dir(), log);
}

Status DataDir::Create(const Hash128& entropy, const AcceptorLogOptions& log) {
  SYNOD_CHECK(entropy != Hash128{});
  // A log without a record may be what a first start left that did not get as far as the identity.
  bool used = states_.Any();
  if (AcceptorLogExists(fs_, log_dir())) {
    consensus::Recovered recovered;
    AcceptorLogOptions options = log;
    options.spare_thread = false;
    Result<std::unique_ptr<AcceptorLog>> opened =
        AcceptorLog::Open(fs_, log_dir(), options, Slot(0), &recovered);
    if (!opened)
      return opened.error();
    used = used || recovered.gen > 0;
  } else if (!used) {
    if (Status ok = FormatAcceptorLog(fs_, log_dir(), log); !ok)
      return ok;
  }
  if (used)
    return Refused("the data directory " + path_ +
                   " holds data of a node, but its identity file is "
                   "missing. Restore " +
                   identity_path() +
                   ", or start with an empty directory as a "
                   "new member.");
  identity_.node_uuid = entropy;
  return WriteIdentity(identity_);
}

Status DataDir::Save(const Identity& identity) {
  SYNOD_CHECK(identity.node_uuid == identity_.node_uuid);
  SYNOD_CHECK(!identity_.HasCluster() || identity.cluster_id == identity_.cluster_id);
  SYNOD_CHECK(identity_.member_id == NodeId(0) || identity.member_id == identity_.member_id);
  if (identity == identity_)
    return Done();
  if (Status ok = WriteIdentity(identity); !ok)
    return ok;
  identity_ = identity;
  return Done();
}

Status DataDir::WriteIdentity(const Identity& identity) {
  return ReplaceFile(fs_, identity_path(), identity.Encode());
}

Status DataDir::ReadQuarantine() {
  if (!fs_.Exists(quarantine_path()))
    return Done();
  const Result<std::string> text = ReadFile(fs_, quarantine_path(), kIdentityBytesMax);
  if (!text)
    return text.error();
  quarantine_ = text.value().substr(0, text.value().find('\n'));
  // That the file exists is what counts.
  if (quarantine_.empty())
    quarantine_ = "the data directory is marked so";
  return Done();
}

Status DataDir::Quarantine(const std::string& why) {
  quarantine_ = why;
  return ReplaceFile(fs_, quarantine_path(), why + "\n");
}

Status DataDir::SetUnconfirmed(bool unconfirmed) {
  if (unconfirmed == unconfirmed_)
    return Done();
  if (unconfirmed) {
    if (Status ok = ReplaceFile(fs_, unconfirmed_path(), "no majority has confirmed the state\n");
        !ok)
      return ok;
  } else {
    if (Status ok = fs_.Remove(unconfirmed_path()); !ok)
      return ok;
    if (Status ok = fs_.SyncDirectory(path_); !ok)
      return ok;
  }
  unconfirmed_ = unconfirmed;
  return Done();
}

}  // namespace synod::storage
