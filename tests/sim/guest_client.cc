#include "tests/sim/guest_client.h"

#include <utility>

#include "src/base/path.h"

namespace synod::sim {
namespace {

constexpr const char* kPrefix = "/g";
constexpr size_t kSteps = 4;  // of the administrator, until the guest is known
const Bytes kGuestHash(auth::kTokenHashBytes, 'g');

machine::SetUser GuestWith(bool role) {
  return {{"guest", role ? std::vector<std::string>{"guest"} : std::vector<std::string>{}}};
}

}  // namespace

void Administrator::SetUp() {
  const machine::Operation steps[kSteps] = {
      machine::SetUpAuth{kAdministratorHash},
      machine::SetRole{{"guest", {{kPrefix, 7}}}},
      GuestWith(true),
      machine::MakeToken{"guest", "", kGuestHash, 0},
  };
  Change(steps[step_], step_ == 0 ? 300 : 2'000, step_ > 0, [this](const ChangeOutcome& outcome) {
    if (outcome.kind == ChangeOutcome::Kind::kAnswer)
      ++step_;
    role_->known = step_ == kSteps;
    Later(10 * kMillisecond);
  });
}

void Administrator::Next() {
  if (step_ < kSteps) {
    SetUp();
    return;
  }
  const bool give = role_->withdrawn || random_.Chance(30);
  role_->withdrawn = false;
  const uint64_t epoch = ++role_->epoch;
  Change(GuestWith(give), 2'000, true, [this, give, epoch](const ChangeOutcome& outcome) {
    const bool known = outcome.kind == ChangeOutcome::Kind::kAnswer &&
                       std::holds_alternative<machine::UserAnswer>(outcome.answer.body);
    role_->withdrawn = !give && known && epoch == role_->epoch;
    Later(static_cast<Time>(random_.Below(500)) * kMillisecond);
  });
}

auth::Principal Guest::Who() const { return {{}, kGuestHash, false}; }

void Guest::Next() {
  const bool inside = random_.Chance(50);
  if (random_.Chance(50))
    TryChange(inside);
  else
    TryRead(inside);
}

void Guest::TryChange(bool inside) {
  const std::string own = std::string(kPrefix) + "/" + std::to_string(random_.Below(3));
  const std::string path = inside ? own : "/r/" + std::to_string(random_.Below(3));
  const machine::TxnOp mine = machine::TxnPut{own, UniqueValue("guest"), std::nullopt};
  machine::Operation operation = machine::Put{path, UniqueValue("guest"), std::nullopt, {}, false};
  switch (random_.Below(5)) {
    case 0:
      operation = machine::Delete{inside ? kPrefix : "/", true, {}, true, false};
      break;
    case 1:
      operation = machine::Txn{{}, {mine, machine::TxnGet{path}}, {}};
      break;
    case 2:
      operation = machine::Txn{{}, {mine}, {machine::TxnDelete{path, true}}};
      break;
    case 3:
      operation = machine::CreateSequential{path + "/n-", UniqueValue("guest"), LeaseId()};
      break;
    default:
      break;
  }
  const bool withdrawn = role_->withdrawn;
  const uint64_t epoch = role_->epoch;
  Change(std::move(operation), 1'500, random_.Chance(40),
         [this, inside, withdrawn, epoch](const ChangeOutcome& outcome) {
           Pause();
           if (outcome.kind != ChangeOutcome::Kind::kAnswer)
             return;
           const auto* refusal = std::get_if<machine::Refusal>(&outcome.answer.body);
           Judge(inside, refusal == nullptr, refusal == nullptr ? Errc::kOk : refusal->error.code,
                 withdrawn, epoch);
         });
}

void Guest::TryRead(bool inside) {
  const std::string path = inside ? kPrefix : random_.Chance(50) ? "/r" : "/";
  machine::Query query = machine::GetNode{path, Revision()};
  if (random_.Chance(60))
    query = machine::ListNodes{path, store::ListScope::kSubtree, 100, {}, Revision()};
  node::ReadRequest request;
  request.timeout_ms = static_cast<int64_t>(random_.Between(300, 3'000));
  const bool withdrawn = role_->withdrawn;
  const uint64_t epoch = role_->epoch;
  const auto done = [this, inside, withdrawn, epoch](const Reply& reply) {
    Pause();
    if (reply.kind != Reply::Kind::kAnswer)
      return;
    if (const auto* list =
            reply.read ? std::get_if<machine::ListNodesResult>(&*reply.read) : nullptr)
      for (const store::NodeView& view : list->nodes)
        SIM_REQUIRE(IsWithin(view.path, kPrefix), view.path + " was shown to the guest");
    Judge(inside, reply.read.has_value(), reply.read ? Errc::kOk : reply.read.error().code,
          withdrawn, epoch);
  };
  shared_.port->Read(AnyNode(), request, std::move(query), done, Who());
}

void Guest::Judge(bool inside, bool done, Errc code, bool withdrawn, uint64_t epoch) {
  SIM_REQUIRE(inside || !done, "the guest did something outside");
  SIM_REQUIRE(
      inside || code == Errc::kPermissionDenied,
      "the guest was told '" + std::string(Name(code)) + "' and not no about what lies outside");
  // He still had none when he was answered.
  if (withdrawn && epoch == role_->epoch)
    SIM_REQUIRE(!done, "the guest did something without a role");
}

}  // namespace synod::sim
