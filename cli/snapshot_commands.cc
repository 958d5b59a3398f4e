// snapshot: backups saved from a cluster, and what is done with the files
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>

#include "cli/commands.h"
#include "src/base/address.h"
#include "src/offline/new_cluster.h"
#include "src/offline/snapshot.h"

namespace synod::cli {
namespace {

namespace json = boost::json;

struct SnapshotOptions {
  std::string file;
  bool force = false;
  std::string data_dir;
  uint32_t id = 0;
  std::string initial_cluster;
  std::string cluster_token = "synod";
};

int Fail(const std::string& why) {
  std::fprintf(stderr, "synod: %s\n", why.c_str());
  return kError;
}

std::string Mebibytes(uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MiB", static_cast<double>(bytes) / (1 << 20));
  return text;
}

// A line on the terminal that is written over, five times a second; nothing where nobody looks.
class ProgressLine {
 public:
  explicit ProgressLine(const char* what) : what_(what), shown_(::isatty(STDERR_FILENO) == 1) {}
  ~ProgressLine() {
    if (told_)
      std::fprintf(stderr, "\n");
  }
  void Tell(uint64_t bytes) {
    const auto now = std::chrono::steady_clock::now();
    if (!shown_ || now - last_ < std::chrono::milliseconds(200))
      return;
    last_ = now;
    told_ = true;
    std::fprintf(stderr, "\r%s %s ", what_, Mebibytes(bytes).c_str());
  }

 private:
  const char* what_;
  const bool shown_;
  bool told_ = false;
  std::chrono::steady_clock::time_point last_;
};

// FILE.part, which becomes FILE once it is whole and durable, and is removed if it does not.
class PartFile {
 public:
  explicit PartFile(std::string file) : file_(std::move(file)), part_(file_ + ".part") {}
  ~PartFile() {
    if (fd_ < 0)
      return;
    ::close(fd_);
    ::unlink(part_.c_str());
  }
  bool Open() {
    fd_ = ::open(part_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return fd_ >= 0;
  }
  bool Write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno != EINTR)
        return false;
      bytes.remove_prefix(n < 0 ? 0 : static_cast<size_t>(n));
    }
    return true;
  }
  bool Finish() {
    if (::fsync(fd_) != 0 || ::rename(part_.c_str(), file_.c_str()) != 0)
      return false;
    ::close(fd_);
    fd_ = -1;
    const size_t slash = file_.rfind('/');
    const std::string directory = slash == std::string::npos ? "." : file_.substr(0, slash + 1);
    const int dir = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool durable = dir >= 0 && ::fsync(dir) == 0;
    if (dir >= 0)
      ::close(dir);
    return durable;
  }
  std::string Complaint() const { return part_ + ": " + std::strerror(errno); }

 private:
  const std::string file_;
  const std::string part_;
  int fd_ = -1;
};

json::object HeaderJson(const storage::SnapshotInfo& info) {
  json::object out;
  out["id"] = info.id.Hex();
  out["cluster_id"] = info.header.cluster_id.Hex();
  out["slot"] = info.header.slot.value;
  out["revision"] = info.header.revision.value;
  out["time"] = info.header.time.value;
  out["digest"] = info.header.digest.sum.Hex();
  out["machine_version"] = info.header.machine_version;
  out["records"] = info.records;
  out["bytes"] = info.stream_bytes;
  return out;
}

int RunSave(Session& session, const SnapshotOptions& o) {
  struct stat found {};
  if (!o.force && ::stat(o.file.c_str(), &found) == 0)
    return session.Explain(Error{Errc::kInvalidRequest, Outcome::kNotApplied,
                                 o.file + " exists already; --force replaces it"});
  PartFile part(o.file);
  if (!part.Open())
    return Fail(part.Complaint());
  client::Call call;
  call.target = "/v1/snapshot";
  call.timeout = session.timeout();
  offline::SnapshotCheck check;
  uint64_t bytes = 0;
  std::string complaint;
  ProgressLine progress("saved");
  const Result<client::Answer> answer =
      session.client().Stream(std::move(call), [&](std::string_view some) {
        if (!complaint.empty())
          return;
        bytes += some.size();
        if (const Status fits = check.Add(some); !fits)
          complaint = fits.error().detail;
        else if (!part.Write(some))
          complaint = part.Complaint();
        progress.Tell(bytes);
      });
  if (!complaint.empty())
    return Fail(complaint);
  if (!answer && bytes > 0)
    return Fail("the backup broke off after " + std::to_string(bytes) +
                " bytes: " + answer.error().detail);
  if (!answer)
    return session.Explain(answer.error());
  if (!answer->ok())
    return session.Explain(*answer);
  const Result<storage::SnapshotInfo> info = check.Finish();
  if (!info)
    return Fail(info.error().detail);
  if (!part.Finish())
    return Fail(part.Complaint());
  if (session.json())
    PrintJson(HeaderJson(*info));
  else
    std::printf("saved revision %llu to %s: %s, %llu records\n",
                static_cast<unsigned long long>(info->header.revision.value), o.file.c_str(),
                Mebibytes(info->stream_bytes).c_str(),
                static_cast<unsigned long long>(info->records));
  return kOk;
}

Result<offline::SnapshotSummary> Summarize(const SnapshotOptions& o) {
  ProgressLine progress("read");
  return offline::SummarizeSnapshot(o.file, [&](uint64_t bytes) { progress.Tell(bytes); });
}

int RunVerify(Session& session, const SnapshotOptions& o) {
  const Result<offline::SnapshotSummary> summary = Summarize(o);
  if (!summary)
    return Fail(o.file + ": " + summary.error().detail);
  if (session.json()) {
    json::object out = HeaderJson(summary->info);
    out["ok"] = true;
    PrintJson(out);
  } else {
    std::printf("ok: revision %llu, %llu records, digest %s\n",
                static_cast<unsigned long long>(summary->info.header.revision.value),
                static_cast<unsigned long long>(summary->info.records),
                summary->info.header.digest.sum.Hex().c_str());
  }
  return kOk;
}

int RunInfo(Session& session, const SnapshotOptions& o) {
  const Result<offline::SnapshotSummary> summary = Summarize(o);
  if (!summary)
    return Fail(o.file + ": " + summary.error().detail);
  json::object out = HeaderJson(summary->info);
  out["nodes"] = summary->counts.nodes;
  out["leases"] = summary->counts.leases;
  out["locks"] = summary->counts.locks;
  out["fences"] = summary->counts.fences;
  out["idempotency_records"] = summary->counts.idempotency_records;
  out["logical_bytes"] = summary->counts.logical_bytes;
  out["compact_revision"] = summary->counts.floor.value;
  json::array members;
  for (const machine::MemberView& member : summary->members)
    members.push_back({{"id", member.id.value},
                       {"name", member.name},
                       {"peer_url", member.peer_address},
                       {"client_url", member.client_url}});
  out["members"] = std::move(members);
  if (session.json()) {
    PrintJson(out);
    return kOk;
  }
  Table table({"FIELD", "VALUE"});
  for (const auto& field : out) table.Add({std::string(field.key()), Text(out, field.key())});
  table.Print();
  return kOk;
}

Result<std::map<NodeId, std::string>> ParseMembers(const std::string& list) {
  std::map<NodeId, std::string> members;
  const auto bad = [](const std::string& what) {
    return Error{Errc::kInvalidRequest, Outcome::kNotApplied, "--initial-cluster: " + what};
  };
  for (size_t begin = 0; begin < list.size();) {
    const size_t comma = std::min(list.find(',', begin), list.size());
    const std::string one = list.substr(begin, comma - begin);
    begin = comma + 1;
    const size_t equals = one.find('=');
    unsigned long id = 0;
    if (equals != std::string::npos && one.find_first_not_of("0123456789") == equals && equals < 8)
      id = std::stoul(one.substr(0, equals));
    const Result<HostPort> address =
        ParseHostPort(equals == std::string::npos ? "" : one.substr(equals + 1));
    if (id == 0 || id > 1'000'000 || !address)
      return bad("must be ID=HOST:PEERPORT,ID=HOST:PEERPORT,...; '" + one + "' is not");
    if (!members.emplace(NodeId(static_cast<uint32_t>(id)), address->ToString()).second)
      return bad("lists member " + std::to_string(id) + " twice");
  }
  if (members.empty() || members.size() > 7)
    return bad("must list 1 to 7 members");
  return members;
}

int RunRestore(Session& session, const SnapshotOptions& o) {
  offline::RestoreOptions options;
  Result<std::map<NodeId, std::string>> members = ParseMembers(o.initial_cluster);
  if (!members)
    return session.Explain(members.error());
  options.snapshot = o.file;
  options.data_dir = o.data_dir;
  options.member = NodeId(o.id);
  options.members = *std::move(members);
  options.cluster_token = o.cluster_token;
  std::random_device random;
  const auto draw = [&] { return (uint64_t{random()} << 32) | random(); };
  options.entropy = {draw() | 1, draw()};
  Result<offline::NewNode> node = [&] {
    ProgressLine progress("restored");
    return offline::Restore(options, [&](uint64_t bytes) { progress.Tell(bytes); });
  }();
  if (!node)
    return node.error().code == Errc::kInvalidRequest ? session.Explain(node.error())
                                                      : Fail(node.error().detail);
  if (session.json())
    PrintJson({{"cluster_id", node->cluster_id.Hex()},
               {"member", node->member.value},
               {"revision", node->revision.value},
               {"time", node->time.value},
               {"digest", node->digest.sum.Hex()}});
  else
    std::printf(
        "restored member %u of the new cluster %s to %s, at revision %llu, digest %s\n"
        "Restore the others from the same file with the same --initial-cluster and "
        "--cluster-token, then start them all.\n",
        node->member.value, node->cluster_id.Hex().c_str(), o.data_dir.c_str(),
        static_cast<unsigned long long>(node->revision.value), node->digest.sum.Hex().c_str());
  return kOk;
}

}  // namespace

void AddSnapshotCommands(CLI::App* app, Run* run) {
  auto o = std::make_shared<SnapshotOptions>();
  auto* group = app->add_subcommand("snapshot", "backups: save, verify, info, restore");
  group->require_subcommand(1);
  group->footer(
      "Examples:\n"
      "  synod snapshot save backup.snap\n"
      "  synod snapshot verify backup.snap\n"
      "  synod snapshot restore backup.snap --data-dir /var/lib/synod --id 1 \\\n"
      "    --initial-cluster 1=10.0.0.1:7302,2=10.0.0.2:7302,3=10.0.0.3:7302\n"
      "Exit codes: 0 done, 1 the file is damaged or cannot be read or written, 2 bad usage (also a "
      "file or directory that is there already), 6 nobody answered.");

  auto* save = group->add_subcommand("save", "write a backup of the whole state to a file");
  save->add_option("file", o->file, "file to write")->required();
  save->add_flag("--force", o->force, "replace the file if it is there");
  save->callback([=] { *run = [o](Session& s) { return RunSave(s, *o); }; });

  auto* verify = group->add_subcommand("verify", "check every byte and the digest of a backup");
  verify->add_option("file", o->file, "file to read")->required();
  verify->callback([=] { *run = [o](Session& s) { return RunVerify(s, *o); }; });

  auto* info = group->add_subcommand("info", "what a backup holds");
  info->add_option("file", o->file, "file to read")->required();
  info->callback([=] { *run = [o](Session& s) { return RunInfo(s, *o); }; });

  auto* restore = group->add_subcommand(
      "restore", "make the data directory of one node of a new cluster; once on each node");
  restore->add_option("file", o->file, "file to read")->required();
  restore->add_option("--data-dir", o->data_dir, "directory to make; must be empty or absent")
      ->required();
  restore->add_option("--id", o->id, "member number of this node")->required();
  restore
      ->add_option("--initial-cluster", o->initial_cluster,
                   "1=HOST:PEERPORT,2=HOST:PEERPORT,...: all members, the same on all of them")
      ->required();
  restore->add_option("--cluster-token", o->cluster_token,
                      "another one for another cluster from the same file; default synod");
  restore->callback([=] { *run = [o](Session& s) { return RunRestore(s, *o); }; });
}

}  // namespace synod::cli
