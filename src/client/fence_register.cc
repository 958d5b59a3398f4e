#include "src/client/fence_register.h"

#include "src/client/core.h"
#include "src/client/json.h"

namespace synod::client {
namespace {

uint64_t ReadToken(const Answer& answer) {
  return NumberOf(JsonObject(answer.reply.body), "token");
}
Unit ReadNothing(const Answer&) { return Unit(); }

}  // namespace

Call FenceRegister::ToCall(const char* method) const {
  Call call;
  call.method = method;
  call.target = "/v1/fences" + EncodePath(path_);
  return call;
}

void FenceRegister::Raise(uint64_t token, Callback<uint64_t> done) {
  Call call = ToCall("POST");
  call.headers = {{"Content-Type", "application/json"}};
  call.body = "{\"token\":" + std::to_string(token) + "}";
  Send(client_, std::move(call), ReadToken, std::move(done));
}
void FenceRegister::Get(Callback<uint64_t> done) {
  Send<uint64_t>(client_, ToCall("GET"), ReadToken,
                 [done = std::move(done)](const Result<uint64_t>& token) {
                   const bool none = !token && token.error().code == Errc::kNotFound;
                   done(none ? Result<uint64_t>(0) : token);
                 });
}
void FenceRegister::Forget(Callback<Unit> done) {
  Send(client_, ToCall("DELETE"), ReadNothing, std::move(done));
}

Result<uint64_t> FenceRegister::Raise(uint64_t token) {
  return Await<uint64_t>(client_, [&](auto done) { Raise(token, std::move(done)); });
}
Result<uint64_t> FenceRegister::Get() {
  return Await<uint64_t>(client_, [&](auto done) { Get(std::move(done)); });
}
Result<Unit> FenceRegister::Forget() {
  return Await<Unit>(client_, [&](auto done) { Forget(std::move(done)); });
}

}  // namespace synod::client
