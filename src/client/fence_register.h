// FenceRegister: the highest token seen, for a storage that cannot keep it.
//
// Contract      Raise is asked before each write to the storage, with the token of the hold that
//               the write is under: it only rises, so that who was paused while the next one wrote
//               is refused. A storage that compares tokens in one step with the write is safer:
//               here a write may still be on its way when a higher token is registered.
// Thread        Any; callbacks on the client's.
// Errors        kFenced: a higher token was registered, or the token is of the time before the
//               cluster was restored; the others of the API.
#ifndef SYNOD_CLIENT_FENCE_REGISTER_H_
#define SYNOD_CLIENT_FENCE_REGISTER_H_

#include <cstdint>
#include <string>

#include "src/client/client.h"

namespace synod::client {

class FenceRegister {
 public:
  // The path obeys the rules for locks, and has nothing to do with the lock of that path.
  FenceRegister(Client& client, std::string path) : client_(client), path_(std::move(path)) {}

  // The token, which is the highest now.
  Result<uint64_t> Raise(uint64_t token);
  void Raise(uint64_t token, Callback<uint64_t> done);
  // The highest token; 0 if none was registered.
  Result<uint64_t> Get();
  void Get(Callback<uint64_t> done);
  // Any token is the highest again, down to where a restored cluster began. kNotFound if none was.
  Result<Unit> Forget();
  void Forget(Callback<Unit> done);

 private:
  Call ToCall(const char* method) const;

  Client& client_;
  std::string path_;
};

}  // namespace synod::client

#endif  // SYNOD_CLIENT_FENCE_REGISTER_H_
