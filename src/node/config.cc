#include "src/node/config.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <functional>
#include <regex>
#include <set>
#include <sstream>

#include "src/client/client.h"
#include "src/node/credentials.h"

namespace synod::node {
namespace {

Error Bad(std::string detail) {
  return {Errc::kInvalidRequest, Outcome::kNotApplied, std::move(detail)};
}

template <typename T>
Status SetNumber(const std::string& text, T low, T high, T* out) {
  T v{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc() || end != text.data() + text.size() || v < low || v > high)
    return Bad("must be an integer from " + std::to_string(low) + " to " + std::to_string(high));
  *out = v;
  return Done();
}

Status SetBool(const std::string& text, bool* out) {
  if (text != "true" && text != "false")
    return Bad("must be true or false");
  *out = text == "true";
  return Done();
}

Status SetHostPort(const std::string& text, HostPort* out) {
  Result<HostPort> parsed = ParseHostPort(text);
  if (!parsed)
    return parsed.error();
  *out = *std::move(parsed);
  return Done();
}

Status SetUrl(const std::string& text, std::string* out) {
  if (Status s = ValidateUrl(text); !s)
    return s;
  *out = text;
  return Done();
}

Status SetName(const std::string& text, std::string* out) {
  if (Status s = ValidateMemberName(text); !s)
    return s;
  *out = text;
  return Done();
}

std::vector<std::string> SplitCommas(const std::string& text) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t comma = std::min(text.find(',', begin), text.size());
    if (comma > begin)
      parts.push_back(text.substr(begin, comma - begin));
    begin = comma + 1;
  }
  return parts;
}

Status SetInitialCluster(const std::string& text, std::map<uint32_t, HostPort>* out) {
  std::map<uint32_t, HostPort> cluster;
  for (const std::string& part : SplitCommas(text)) {
    const size_t equals = part.find('=');
    uint32_t id = 0;
    HostPort address;
    if (equals == std::string::npos ||
        !SetNumber<uint32_t>(part.substr(0, equals), 1, 1'000'000, &id) ||
        !SetHostPort(part.substr(equals + 1), &address))
      return Bad("must be ID=HOST:PEERPORT,ID=HOST:PEERPORT,...; '" + part + "' is not");
    if (!cluster.emplace(id, address).second)
      return Bad("lists member " + std::to_string(id) + " twice");
  }
  if (cluster.size() > 7)
    return Bad("lists more than 7 members");
  *out = std::move(cluster);
  return Done();
}

Status SetJoin(const std::string& text, std::vector<std::string>* out) {
  std::vector<std::string> urls = SplitCommas(text);
  if (urls.empty())
    return Bad("must be URL,URL,...: the clients' addresses of members");
  if (Result<std::vector<client::Endpoint>> parsed = client::ParseEndpoints(text); !parsed)
    return parsed.error();
  *out = std::move(urls);
  return Done();
}

Status SetJoinAs(const std::string& text, bool* voter) {
  if (text != "learner" && text != "voter")
    return Bad("must be learner or voter");
  *voter = text == "voter";
  return Done();
}

Status SetLogLevel(const std::string& text, LogLevel* out) {
  static const std::map<std::string, LogLevel> kNames = {{"debug", LogLevel::kDebug},
                                                         {"info", LogLevel::kInfo},
                                                         {"warn", LogLevel::kWarn},
                                                         {"error", LogLevel::kError}};
  const auto it = kNames.find(text);
  if (it == kNames.end())
    return Bad("must be debug, info, warn or error");
  *out = it->second;
  return Done();
}

Status SetLogFormat(const std::string& text, LogFormat* out) {
  if (text != "text" && text != "json")
    return Bad("must be text or json");
  *out = text == "json" ? LogFormat::kJson : LogFormat::kText;
  return Done();
}

Status SetString(const std::string& text, std::string* out) {
  if (text.empty())
    return Bad("must not be empty");
  *out = text;
  return Done();
}

Status SetAdvertisedPeer(const std::string& text, std::string* out) {
  if (Result<HostPort> parsed = ParseHostPort(text); !parsed)
    return parsed.error();
  *out = text;
  return Done();
}

using Setter = std::function<Status(NodeConfig*, const std::string&)>;

std::map<std::string, Setter> NodeSetters() {
  return {
      {"data_dir", [](NodeConfig* c, const std::string& v) { return SetString(v, &c->data_dir); }},
      {"id", [](NodeConfig* c,
                const std::string& v) { return SetNumber<uint32_t>(v, 1, 1'000'000, &c->id); }},
      {"name", [](NodeConfig* c, const std::string& v) { return SetName(v, &c->name); }},
      {"client", [](NodeConfig* c, const std::string& v) { return SetHostPort(v, &c->client); }},
      {"peer", [](NodeConfig* c, const std::string& v) { return SetHostPort(v, &c->peer); }},
      {"advertise_client",
       [](NodeConfig* c, const std::string& v) { return SetUrl(v, &c->advertise_client); }},
      {"advertise_peer",
       [](NodeConfig* c, const std::string& v) {
         return SetAdvertisedPeer(v, &c->advertise_peer);
       }},
      {"initial_cluster",
       [](NodeConfig* c, const std::string& v) {
         return SetInitialCluster(v, &c->initial_cluster);
       }},
      {"join", [](NodeConfig* c, const std::string& v) { return SetJoin(v, &c->join); }},
      {"join_as",
       [](NodeConfig* c, const std::string& v) { return SetJoinAs(v, &c->joins_as_voter); }},
      {"cluster_token",
       [](NodeConfig* c, const std::string& v) { return SetString(v, &c->cluster_token); }},
      {"insecure_open",
       [](NodeConfig* c, const std::string& v) { return SetBool(v, &c->insecure_open); }},
      {"auth.required",
       [](NodeConfig* c, const std::string& v) { return SetBool(v, &c->auth_required); }},
      {"auth.bootstrap_token_file",
       [](NodeConfig* c, const std::string& v) { return SetString(v, &c->auth_bootstrap_file); }},
      {"auth.join_token_file",
       [](NodeConfig* c, const std::string& v) { return SetString(v, &c->auth_join_file); }},
      {"metrics.open",
       [](NodeConfig* c, const std::string& v) { return SetBool(v, &c->metrics_open); }},
      {"heartbeat_ms",
       [](NodeConfig* c, const std::string& v) {
         return SetNumber<int64_t>(v, 10, 10'000, &c->heartbeat_ms);
       }},
      {"election_timeout_ms",
       [](NodeConfig* c, const std::string& v) {
         return SetNumber<int64_t>(v, 50, 60'000, &c->election_timeout_ms);
       }},
      {"http.allowed_hosts",
       [](NodeConfig* c, const std::string& v) -> Status {
         c->allowed_hosts = SplitCommas(v);
         return Done();
       }},
      {"http.allowed_origins",
       [](NodeConfig* c, const std::string& v) -> Status {
         c->allowed_origins = SplitCommas(v);
         return Done();
       }},
  };
}

template <typename T>
Setter NumberSetter(T low, T high, T NodeConfig::*member) {
  return [low, high, member](NodeConfig* c, const std::string& v) {
    return SetNumber<T>(v, low, high, &(c->*member));
  };
}

// What a node takes from its clients, and how much of it. The limits of single requests are at
// their highest by default: entries, frames and buffers are made for those.
std::map<std::string, Setter> LimitSetters() {
  using C = NodeConfig;
  constexpr uint64_t kKiB = 1024;
  constexpr int64_t kDayMs = 86'400'000;
  return {
      {"http.connections_max", NumberSetter<uint32_t>(1, 1'000'000, &C::connections_max)},
      {"http.body_bytes_max", NumberSetter<uint64_t>(kKiB, 2048 * kKiB, &C::body_bytes_max)},
      {"http.header_bytes_max", NumberSetter<uint64_t>(kKiB, 64 * kKiB, &C::header_bytes_max)},
      {"http.header_timeout_ms", NumberSetter<int64_t>(1000, kDayMs, &C::header_timeout_ms)},
      {"http.body_timeout_ms", NumberSetter<int64_t>(1000, kDayMs, &C::body_timeout_ms)},
      {"http.idle_timeout_ms", NumberSetter<int64_t>(1000, kDayMs, &C::idle_timeout_ms)},
      {"http.memory_bytes_max",
       NumberSetter<uint64_t>(16 * kKiB * kKiB, kKiB * kKiB * kKiB * kKiB, &C::memory_bytes_max)},
      {"http.rate_per_second", NumberSetter<uint32_t>(0, 1'000'000, &C::rate_per_second)},
      {"http.rate_burst", NumberSetter<uint32_t>(0, 1'000'000, &C::rate_burst)},
      {"overload.calls_max", NumberSetter<uint64_t>(1, 1'000'000, &C::overload_calls_max)},
      {"overload.delay_ms", NumberSetter<int64_t>(1, 60'000, &C::overload_delay_ms)},
      {"txn.comparisons_max", NumberSetter<uint64_t>(1, 128, &C::txn_comparisons_max)},
      {"txn.operations_max", NumberSetter<uint64_t>(1, 128, &C::txn_operations_max)},
      {"list.nodes_max", NumberSetter<uint64_t>(1, 10'000, &C::list_nodes_max)},
      {"watch.per_socket_max", NumberSetter<uint64_t>(1, 10'000, &C::socket_watches_max)},
  };
}

std::map<std::string, Setter> TlsSetters() {
  std::map<std::string, Setter> setters;
  const auto add = [&](const char* name, net::TlsFiles NodeConfig::*files,
                       std::string net::TlsFiles::*file) {
    setters.emplace(name, [files, file](NodeConfig* c, const std::string& v) {
      return SetString(v, &(c->*files.*file));
    });
  };
  add("tls.client.cert_file", &NodeConfig::client_tls, &net::TlsFiles::cert_file);
  add("tls.client.key_file", &NodeConfig::client_tls, &net::TlsFiles::key_file);
  add("tls.client.ca_file", &NodeConfig::client_tls, &net::TlsFiles::ca_file);
  add("tls.peer.cert_file", &NodeConfig::peer_tls, &net::TlsFiles::cert_file);
  add("tls.peer.key_file", &NodeConfig::peer_tls, &net::TlsFiles::key_file);
  add("tls.peer.ca_file", &NodeConfig::peer_tls, &net::TlsFiles::ca_file);
  setters.emplace("tls.client.require_certificate", [](NodeConfig* c, const std::string& v) {
    return SetBool(v, &c->client_tls.require_certificate);
  });
  return setters;
}

std::map<std::string, Setter> DiskAndLogSetters() {
  return {
      {"reads.leader_lease_ms",
       [](NodeConfig* c, const std::string& v) {
         return SetNumber<uint64_t>(v, 0, 10'000, &c->leader_lease_ms);
       }},
      {"acceptor_log.keep_bytes",
       [](NodeConfig* c, const std::string& v) {
         return SetNumber<uint64_t>(v, 0, uint64_t{1} << 40, &c->acceptor_log_keep_bytes);
       }},
      {"acceptor_log.segment_bytes",
       [](NodeConfig* c, const std::string& v) {
         return SetNumber<uint64_t>(v, 64 << 10, uint64_t{1} << 30, &c->acceptor_log_segment_bytes);
       }},
      {"disk.soft_limit_bytes",
       [](NodeConfig* c, const std::string& v) {
         return SetNumber<uint64_t>(v, 1, uint64_t{1} << 50, &c->disk.soft_bytes);
       }},
      {"disk.hard_limit_bytes",
       [](NodeConfig* c, const std::string& v) {
         return SetNumber<uint64_t>(v, 1, uint64_t{1} << 50, &c->disk.hard_bytes);
       }},
      {"disk.reserve_bytes",
       [](NodeConfig* c, const std::string& v) {
         return SetNumber<uint64_t>(v, 0, uint64_t{1} << 40, &c->disk.reserve_bytes);
       }},
      {"debug_no_checkpoints",
       [](NodeConfig* c, const std::string& v) { return SetBool(v, &c->debug_no_checkpoints); }},
      {"debug_clock_permille",
       [](NodeConfig* c, const std::string& v) {
         return SetNumber<int64_t>(v, 100, 1000, &c->debug_clock_permille);
       }},
      {"scrub.interval_ms",
       [](NodeConfig* c, const std::string& v) {
         return SetNumber<int64_t>(v, 0, int64_t{1} << 40, &c->scrub_interval_ms);
       }},
      {"log.level",
       [](NodeConfig* c, const std::string& v) { return SetLogLevel(v, &c->log_level); }},
      {"log.format",
       [](NodeConfig* c, const std::string& v) { return SetLogFormat(v, &c->log_format); }},
      {"log.slow_request_ms",
       [](NodeConfig* c, const std::string& v) {
         return SetNumber<int64_t>(v, 0, 3'600'000, &c->slow_request_ms);
       }},
  };
}

// Also those of settings that are replicated.
std::map<std::string, Setter> AllSetters() {
  std::map<std::string, Setter> setters = NodeSetters();
  setters.merge(LimitSetters());
  setters.merge(DiskAndLogSetters());
  setters.merge(TlsSetters());
  for (const auth::SettingField& field : auth::SettingFields()) {
    if (field.is_flag())
      continue;  // auth.enabled: a cluster begins with it by auth.bootstrap_token_file
    setters.emplace(field.name, [&field](NodeConfig* c, const std::string& v) -> Status {
      uint64_t value = 0;
      if (Status s = SetNumber(v, field.lowest, field.highest, &value); !s)
        return s;
      field.Set(&c->first_settings, value);
      return Done();
    });
  }
  return setters;
}

const std::map<std::string, Setter>& Setters() {
  static const std::map<std::string, Setter> kSetters = AllSetters();
  return kSetters;
}

// A scalar as it stands, a list as its items joined by commas.
Result<std::string> ScalarOrList(const YAML::Node& node) {
  if (node.IsScalar())
    return node.Scalar();
  if (!node.IsSequence())
    return Bad("must be a value or a list of values");
  std::string joined;
  for (const auto& item : node) {
    if (!item.IsScalar() || item.Scalar().find(',') != std::string::npos)
      return Bad("must be a list of plain values");
    joined += (joined.empty() ? "" : ",") + item.Scalar();
  }
  return joined;
}

// Is there a setting below it? A map that contains itself is none: an alias can make one.
bool IsSection(const std::string& key) {
  const auto it = Setters().lower_bound(key + ".");
  return it != Setters().end() && it->first.starts_with(key + ".");
}

Status TakeLimits(const YAML::Node& map, auth::QuotaChange* quota) {
  if (!map.IsMap() || map.size() == 0)
    return Bad("must be a map of limits");
  for (const auto& pair : map) {
    const auto limit =
        std::ranges::find(auth::kQuotaLimits, pair.first.Scalar(), &auth::QuotaLimit::name);
    if (limit == auth::kQuotaLimits.end())
      return Bad(pair.first.Scalar() + ": there is no such limit");
    std::optional<uint64_t>& value =
        quota->limits[static_cast<size_t>(limit - auth::kQuotaLimits.begin())];
    if (value.has_value())
      return Bad(pair.first.Scalar() + ": is set twice");
    const std::string text = pair.second.IsScalar() ? pair.second.Scalar() : "";
    if (Status s = SetNumber(text, uint64_t{0}, auth::kQuotaLimitMax, &value.emplace()); !s)
      return Bad(std::string(limit->name) + ": " + s.error().detail);
  }
  return Done();
}

// The one setting whose keys are not ours: a map from paths to limits.
Status TakeQuotas(const YAML::Node& map, const std::string& file, NodeConfig* config) {
  for (const auto& pair : map) {
    const std::string path = pair.first.IsScalar() ? pair.first.Scalar() : "";
    const std::string at =
        file + ":" + std::to_string(pair.first.Mark().line + 1) + ": quotas." + path + ": ";
    if (Status s = auth::ValidateQuotaPath(path); !s)
      return Bad(at + s.error().detail);
    const auto [quota, added] = config->first_quotas.try_emplace(path);
    if (!added)
      return Bad(at + "is set twice");
    quota->second.path = path;
    if (Status s = TakeLimits(pair.second, &quota->second); !s)
      return Bad(at + s.error().detail);
  }
  if (config->first_quotas.size() > auth::kQuotaChangesMax)
    return Bad(file + ": quotas: at most " + std::to_string(auth::kQuotaChangesMax) +
               " paths; set the others once the cluster is there");
  return Done();
}

Status Walk(const YAML::Node& map,
            const std::string& prefix,
            const std::string& file,
            std::set<std::string>* seen,
            NodeConfig* config) {
  for (const auto& pair : map) {
    const std::string at = file + ":" + std::to_string(pair.first.Mark().line + 1) + ": ";
    if (!pair.first.IsScalar())
      return Bad(at + "keys are plain words");
    const std::string key = prefix + pair.first.Scalar();
    if (!seen->insert(key).second)
      return Bad(at + key + ": is set twice");
    if (key == "quotas" && pair.second.IsMap()) {
      if (Status s = TakeQuotas(pair.second, file, config); !s)
        return s;
      continue;
    }
    if (pair.second.IsMap()) {
      if (!IsSection(key))
        return Bad(at + key + ": there is no such setting");
      if (Status s = Walk(pair.second, key + ".", file, seen, config); !s)
        return s;
      continue;
    }
    Result<std::string> value = ScalarOrList(pair.second);
    if (!value)
      return Bad(at + key + ": " + value.error().detail);
    if (Status s = SetOption(config, key, *value); !s)
      return Bad(at + key + ": " + s.error().detail);
  }
  return Done();
}

constexpr std::string_view kPrefix = "SYNOD_";

std::string VariableOf(const std::string& key) {
  std::string name = std::string(kPrefix) + key;
  std::transform(name.begin(), name.end(), name.begin(), [](char c) {
    return c == '.' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  });
  return name;
}

// Variables that are not this program's: those of the command line client, of the commands that it
// runs under a lock and of scripts; and what Kubernetes tells every pod of the services beside it,
// whose names may begin with "synod" ("service links").
bool IsOfOthers(const std::string& name) {
  static const std::regex kPrograms(
      "SYNOD_(ENDPOINTS|AUTH_TOKEN|CACERT|CERT|KEY|COMPLETE|PATH|TOKEN|FENCE|LEASE|BIN|FULL_SIZE|"
      "DEV_[A-Z]+)");
  static const std::regex kServiceLink(
      "SYNOD(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|"
      "PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)");
  return std::regex_match(name, kPrograms) || std::regex_match(name, kServiceLink);
}

// Peers say all that clients do: one port in the clear would give away what the other hides.
Status CheckTls(NodeConfig* config) {
  const net::TlsFiles& client = config->client_tls;
  net::TlsFiles& peer = config->peer_tls;
  if (client.cert_file.empty() != client.key_file.empty())
    return Bad("tls.client.cert_file and tls.client.key_file belong together");
  if (peer.cert_file.empty() != peer.key_file.empty() ||
      peer.cert_file.empty() != peer.ca_file.empty())
    return Bad("tls.peer.cert_file, tls.peer.key_file and tls.peer.ca_file belong together");
  if (client.cert_file.empty() != peer.cert_file.empty())
    return Bad("tls.client and tls.peer belong together: TLS is on for both ports or for neither");
  if (client.cert_file.empty() && !client.ca_file.empty())
    return Bad("tls.client.ca_file needs tls.client.cert_file");
  if (client.ca_file.empty() && client.require_certificate)
    return Bad("tls.client.require_certificate needs tls.client.ca_file");
  peer.require_certificate = true;
  return Done();
}

}  // namespace

Status SetOption(NodeConfig* config, const std::string& key, const std::string& value) {
  const auto it = Setters().find(key);
  if (it == Setters().end())
    return Bad("there is no such setting");
  return it->second(config, value);
}

std::vector<std::string> OptionNames() {
  std::vector<std::string> names;
  for (const auto& [name, setter] : Setters()) names.push_back(name);
  return names;
}

Status LoadConfigFile(const std::string& path, NodeConfig* config) {
  std::ifstream in(path);
  std::ostringstream text;
  // To copy nothing counts as a failure, and an empty file is none. A directory fails at peek().
  if (in.peek() != std::ifstream::traits_type::eof())
    text << in.rdbuf();
  if (!in.is_open() || in.bad() || !text)
    return Bad(path + ": cannot be read");
  return LoadConfigText(text.str(), path, config);
}

Status LoadConfigText(const std::string& text, const std::string& file, NodeConfig* config) {
  // yaml-cpp reports by exceptions; they end here.
  try {
    const YAML::Node root = YAML::Load(text);
    if (root.IsNull())
      return Done();
    if (!root.IsMap())
      return Bad(file + ": must be a map of settings");
    std::set<std::string> seen;
    return Walk(root, "", file, &seen, config);
  } catch (const YAML::Exception& e) {
    return Bad(file + ":" + std::to_string(e.mark.line + 1) + ": " + e.msg);
  }
}

Status LoadEnvironment(const std::map<std::string, std::string>& environment, NodeConfig* config) {
  std::map<std::string, std::string> keys;
  for (const std::string& key : OptionNames()) keys.emplace(VariableOf(key), key);
  for (const auto& [name, value] : environment) {
    if (!name.starts_with(kPrefix) || IsOfOthers(name))
      continue;
    const auto key = keys.find(name);
    const Status set =
        key == keys.end() ? Bad("there is no such setting") : SetOption(config, key->second, value);
    if (!set)
      return Bad(name + ": " + set.error().detail);
  }
  return Done();
}

Status ReadTokenFiles(NodeConfig* config) {
  const std::string& join =
      config->auth_join_file.empty() ? config->auth_bootstrap_file : config->auth_join_file;
  const std::pair<const std::string&, std::string*> files[] = {
      {config->auth_bootstrap_file, &config->auth_bootstrap}, {join, &config->auth_join}};
  for (const auto& [path, token] : files) {
    if (path.empty())
      continue;
    Result<std::string> read = ReadTokenFile(path);
    if (!read)
      return read.error();
    *token = *std::move(read);
  }
  return Done();
}

Status FinishConfig(NodeConfig* config) {
  if (config->data_dir.empty())
    return Bad("--data-dir is needed: the directory that keeps this node's data");
  if (Status s = CheckTls(config); !s)
    return s;
  if (config->advertise_client.empty())
    config->advertise_client =
        (config->client_tls.cert_file.empty() ? "http://" : "https://") + config->client.ToString();
  if (config->advertise_peer.empty())
    config->advertise_peer = config->peer.ToString();
  // With both, all nodes have one command line: the founders found, whoever comes later joins.
  if (!config->initial_cluster.empty() && !config->join.empty()) {
    if (config->initial_cluster.contains(config->id))
      config->join.clear();
    else
      config->initial_cluster.clear();
  }
  if (!config->initial_cluster.empty() && !config->initial_cluster.contains(config->id))
    return Bad("--initial-cluster does not list this node's id " + std::to_string(config->id));
  if (config->election_timeout_ms < 4 * config->heartbeat_ms)
    return Bad("election_timeout_ms must be at least four times heartbeat_ms");
  if (config->leader_lease_ms != 0 &&
      config->leader_lease_ms < static_cast<uint64_t>(4 * config->heartbeat_ms))
    return Bad("reads.leader_lease_ms must be 0 or at least four times heartbeat_ms");
  if (config->disk.soft_bytes != 0 && config->disk.hard_bytes > config->disk.soft_bytes)
    return Bad("disk.hard_limit_bytes must not be above disk.soft_limit_bytes");
  if (Result<auth::Settings> settings = auth::Changed(config->first_settings, {}); !settings)
    return settings.error();
  for (const auto& [path, quota] : config->first_quotas)
    if (Status s = auth::Validate(path, auth::Changed({}, quota)); !s)
      return s;
  config->auth_required |= !config->auth_bootstrap_file.empty();
  if (!config->insecure_open && !config->auth_required && !IsLoopback(config->client.host))
    return Bad(
        "authentication is off, so this node listens on loopback addresses only; set "
        "auth.bootstrap_token_file or auth.required, or insecure_open to true if it is meant to be "
        "open to whoever can reach it");
  if (!config->insecure_open && config->peer_tls.cert_file.empty() &&
      !IsLoopback(config->peer.host))
    return Bad(
        "without tls.peer nothing is authenticated between nodes, so this node listens for the "
        "others on loopback addresses only; set tls.peer, or insecure_open to true if it is meant "
        "to be open to whoever can reach that port");
  return Done();
}

}  // namespace synod::node
