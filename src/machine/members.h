// Members: what a change makes of a membership, and the entry that carries it.
//
// Contract      PlanChange is a pure function of the two: it knows numbers, not health. Whether the
//               change would cost the quorum is the leader's to judge (src/node).
// Format        docs/formats.md, "Membership": the membership first, by itself, since consensus
//               reads only that.
#ifndef SYNOD_MACHINE_MEMBERS_H_
#define SYNOD_MACHINE_MEMBERS_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "src/base/error.h"
#include "src/base/membership.h"
#include "src/machine/command.h"

namespace synod::machine {

inline constexpr size_t kVotersMax = 7;
inline constexpr size_t kLearnersMax = 7;

// The membership after the change, one version on. kNotFound: it names somebody who is no member;
// kMembershipRefused: it makes no sense (detail).
Result<Membership> PlanChange(const Membership& before, const ChangeMembers& change);

// The payload of a kConfig entry.
struct ConfigEntry {
  Membership membership;
  uint32_t machine_version = 1;
  ClusterTime time;
  std::string_view command;  // a ChangeMembers; empty: nobody asked. Points into the payload
};
Bytes EncodeConfigEntry(const Membership& membership,
                        ClusterTime time,
                        std::string_view command,
                        uint32_t machine_version = 1);
// Versions as in DecodeBatch() and VersionOfBatch().
Result<ConfigEntry> DecodeConfigEntry(std::string_view payload, uint32_t known = kMachineVersion);
uint32_t VersionOfConfigEntry(std::string_view payload);

}  // namespace synod::machine

#endif  // SYNOD_MACHINE_MEMBERS_H_
