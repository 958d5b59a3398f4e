// Documents: the JSON objects that more than one answer is made of.
//
// Contract      Field names and order are those of docs/api.md.
// Thread        Any.   Errors: none.
#ifndef SYNOD_API_DOCUMENTS_H_
#define SYNOD_API_DOCUMENTS_H_

#include <string>

#include "src/api/json_writer.h"
#include "src/auth/settings.h"
#include "src/base/types.h"
#include "src/machine/answer.h"
#include "src/net/http_types.h"
#include "src/store/node.h"

namespace synod::api {

enum class ValueForm : uint8_t { kLeftOut, kText, kBase64 };  // kText: base64 if not UTF-8

// The fields of a node, into an object that is open.
void WriteNodeFields(JsonWriter& writer,
                     std::string_view path,
                     const store::NodeState& node,
                     ValueForm form);
// A holder as locks show it. `remaining`: with lease_remaining_ms.
void WriteHolder(JsonWriter& writer, const machine::Holder& holder, bool base64, bool remaining);
// The leader of an election, under `key`; null if there is none.
void WriteLeader(JsonWriter& writer,
                 std::string_view key,
                 const machine::Holder* leader,
                 bool base64);
// The fields of a lease, into an object that is open.
void WriteLeaseFields(JsonWriter& writer,
                      const machine::LeaseView& lease,
                      ClusterTime now,
                      bool remaining);
int64_t RemainingMs(ClusterTime deadline, ClusterTime now);

std::string_view Name(machine::LockMode mode);
std::string EntityTag(Revision mod_revision);

net::HttpResponse JsonResponse(int status, std::string body);
// Settings by their names, and, unless null, quotas by their paths.
net::HttpResponse SettingsResponse(const auth::SettingValues& settings,
                                   const std::vector<machine::QuotaView>* quotas);
// The fields of each, into an object that is open.
void WriteRoleFields(JsonWriter& writer, const auth::Role& role);
void WriteUserFields(JsonWriter& writer, const auth::User& user);
void WriteTokenFields(JsonWriter& writer, const machine::TokenView& token);
// A fence register.
net::HttpResponse FenceResponse(FenceToken token);

}  // namespace synod::api

#endif  // SYNOD_API_DOCUMENTS_H_
