#include "src/client/stream.h"

#include <algorithm>

#include "src/client/json.h"

namespace synod::client {
namespace {

// How long one opening is tried before it is judged; it is tried again.
constexpr Milliseconds kOpenTimeout{10'000};

}  // namespace

Stream::Stream(Runtime& runtime, Calls& calls, std::string target, uint64_t from, Handlers handlers)
    : runtime_(runtime),
      calls_(calls),
      target_(std::move(target)),
      next_(from),
      handlers_(std::make_shared<Handlers>(std::move(handlers))) {}

void Stream::Open() {
  timer_.reset();
  buffer_.clear();
  Call call;
  call.target = target_;
  call.headers = {{"Accept", "application/x-ndjson"}};
  if (next_ > 0)
    call.headers.emplace_back("Last-Event-ID", std::to_string(next_ - 1));
  call.timeout = kOpenTimeout;
  const std::weak_ptr<Stream> weak = weak_from_this();
  call_ = calls_.Start(
      std::move(call),
      [weak](const Result<Answer>& answer) {
        if (const auto self = weak.lock())
          self->OnClosed(answer);
      },
      [weak](std::string_view bytes) {
        if (const auto self = weak.lock())
          self->OnData(bytes);
      });
}

void Stream::Close() {
  closed_ = true;
  if (call_)
    calls_.Cancel(*call_);
  if (timer_)
    runtime_.Cancel(*timer_);
  handlers_ = std::make_shared<Handlers>();
}

void Stream::OnData(std::string_view bytes) {
  buffer_ += bytes;
  size_t begin = 0;
  for (size_t end = buffer_.find('\n'); end != std::string::npos && !closed_;
       end = buffer_.find('\n', begin)) {
    OnLine(std::string_view(buffer_).substr(begin, end - begin));
    begin = end + 1;
  }
  buffer_.erase(0, begin);
}

void Stream::OnLine(std::string_view line) {
  const boost::json::object message = JsonObject(line);
  if (message.empty())
    return;
  silent_ = 0;
  const std::string type = TextOf(message, "type");
  const uint64_t revision = NumberOf(message, "revision");
  if (type == "compacted") {
    ended_ = Error{Errc::kCompacted, Outcome::kNotApplied,
                   "the history before revision " +
                       std::to_string(NumberOf(message, "compact_revision")) + " is gone"};
  } else if (type == "denied") {
    ended_ = Error{Errc::kPermissionDenied, Outcome::kNotApplied, "permission was withdrawn"};
  } else if (type == "overflow") {
    next_ = NumberOf(message, "resume_from");
  } else if (type == "created") {
    next_ = next_ > 0 ? next_ : revision + 1;
  } else if (type == "progress") {
    next_ = std::max(next_, revision + 1);
  } else if (type == "change" && revision >= next_) {
    // What was delivered already must not be again, whatever a node repeats.
    next_ = revision + 1;
    // Kept: what it does may close this stream. Not copied: it may count.
    const auto kept = handlers_;
    kept->on_change(message, line);
  }
}

void Stream::OnClosed(const Result<Answer>& answer) {
  call_.reset();
  if (ended_)
    return End(*ended_);
  if (answer && !answer->ok()) {
    const Error error = answer->ToError();
    if (!MayPass(answer->reply.status, Name(error.code)))
      return End(error);
  }
  Reopen(answer ? PauseMin(answer->reply) : Milliseconds(0));
}

void Stream::Reopen(Milliseconds pause_min) {
  const Milliseconds pause = BackOff(runtime_, silent_++, pause_min);
  timer_ = runtime_.At(runtime_.Now() + pause, [weak = weak_from_this()] {
    if (const auto self = weak.lock())
      self->Open();
  });
}

void Stream::End(const Error& error) {
  const auto on_end = std::move(handlers_->on_end);
  closed_ = true;
  if (on_end)
    on_end(error);
}

}  // namespace synod::client
