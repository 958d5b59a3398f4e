// watch: changes as they happen, across the death of nodes
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <cstdio>
#include <memory>

#include "cli/commands.h"

namespace synod::cli {
namespace {

namespace json = boost::json;

struct WatchOptions {
  std::string path;
  std::string scope = "node";
  std::string filter;
  int64_t from = 0;
  int64_t count = 0;
  bool prev = false;
};

constexpr std::chrono::seconds kSilenceMax{30};  // a live stream says something every 10 s

class Watcher {
 public:
  Watcher(Session& session, const WatchOptions& o) : session_(session), o_(o), next_(o.from) {}

  // Follows the stream until `count` revisions were printed or it cannot go on.
  int Run() {
    while (true) {
      client::Call call;
      call.target = Target();
      call.headers = {{"Accept", "application/x-ndjson"}};
      call.timeout = session_.timeout();
      Result<client::Answer> answer = session_.client().Open(call);
      if (!answer)
        return session_.Explain(answer.error());
      if (!answer->ok())
        return session_.Explain(*answer);
      buffer_.clear();
      if (const int code = Follow(); code >= 0)
        return code;
    }
  }

 private:
  static constexpr int kAgain = -1;

  std::string Target() const {
    std::string target =
        "/v1/watch/" + client::EncodePath(o_.path.substr(1)) + "?scope=" + o_.scope;
    if (next_ > 0)
      target += "&from_revision=" + std::to_string(next_);
    if (o_.prev)
      target += "&prev=true";
    if (!o_.filter.empty())
      target += "&filter=" + o_.filter;
    return target;
  }

  // Reads until the stream ends: kAgain to resume elsewhere.
  int Follow() {
    while (true) {
      const Result<std::string> chunk =
          session_.client().stream().ReadSome(client::Clock::now() + kSilenceMax);
      if (!chunk || chunk->empty())
        return kAgain;
      buffer_ += *chunk;
      for (size_t end = buffer_.find('\n'); end != std::string::npos; end = buffer_.find('\n')) {
        const std::string line = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        if (line.empty())
          continue;
        if (const int code = OnMessage(line); code != kOk || done_)
          return code;
      }
    }
  }

  int OnMessage(const std::string& line) {
    boost::system::error_code error;
    const json::value parsed = json::parse(line, error);
    if (error || !parsed.is_object())
      return kAgain;
    const json::object& message = parsed.as_object();
    const std::string type = Text(message, "type");
    if (type == "compacted") {
      std::fprintf(stderr, "synod: compacted: the history before revision %s is gone\n",
                   Text(message, "compact_revision").c_str());
      return kNotFound;
    }
    if (type == "overflow")
      next_ = Number(message, "resume_from");
    if (type == "overflow" || type == "shutting_down")
      return kAgain;
    if (type == "created" && next_ == 0)
      next_ = Number(message, "revision") + 1;
    if (type == "progress")
      next_ = Number(message, "revision") + 1;
    if (type != "change")
      return kOk;
    next_ = Number(message, "revision") + 1;
    Print(line, message);
    done_ = o_.count > 0 && ++printed_ >= o_.count;
    return kOk;
  }

  void Print(const std::string& line, const json::object& message) {
    if (session_.json()) {
      std::printf("%s\n", line.c_str());
    } else {
      for (const json::value& item : message.at("events").as_array()) {
        const json::object& event = item.as_object();
        std::string value;
        if (const json::value* node = event.if_contains("node");
            node != nullptr && node->is_object())
          ValueOf(node->as_object(), &value);
        std::printf("%s %s %s%s%s\n", Text(message, "revision").c_str(),
                    Text(event, "type").c_str(), Text(event, "path").c_str(),
                    value.empty() ? "" : " ", Printable(value).c_str());
      }
    }
    std::fflush(stdout);
  }

  Session& session_;
  const WatchOptions& o_;
  int64_t next_;
  int64_t printed_ = 0;
  bool done_ = false;
  std::string buffer_;
};

}  // namespace

void AddWatchCommand(CLI::App* app, Run* run) {
  const auto o = std::make_shared<WatchOptions>();
  CLI::App* c = app->add_subcommand("watch", "print changes as they happen");
  c->add_option("path", o->path, "the node; it need not exist")->required();
  c->add_flag_callback(
      "-r,--recursive", [o] { o->scope = "subtree"; }, "and everything below");
  c->add_flag_callback(
      "--children", [o] { o->scope = "children"; }, "its direct children");
  c->add_option("--from", o->from, "first revision; default: the next change");
  c->add_option("--filter", o->filter, "put or delete; default both");
  c->add_option("-n,--count", o->count, "end after so many revisions");
  c->add_flag("--prev", o->prev, "with -o json: also what was there before");
  c->footer(
      "Resumes by itself, on another node if need be; no change is lost or shown twice.\n"
      "Example:\n  synod watch -r /app");
  c->callback([=] {
    *run = [=](Session& session) {
      if (o->path.empty() || o->path[0] != '/') {
        std::fprintf(stderr, "synod: a path begins with '/'\n");
        return static_cast<int>(kUsage);
      }
      return Watcher(session, *o).Run();
    };
  });
}

}  // namespace synod::cli
