// Describe: one line of text for messages, entries and persist requests, as transcripts show them.
//
// Contract      Stable and complete enough that a change of behaviour changes the text; fields that
//               have their default are left out.
#ifndef SYNOD_TESTS_GOLDEN_DESCRIBE_H_
#define SYNOD_TESTS_GOLDEN_DESCRIBE_H_

#include <string>

#include "consensus/message.h"

namespace synod::golden {

std::string Describe(const Ballot& ballot);  // "3.1": round, node
std::string Describe(const consensus::Entry& entry);
std::string Describe(const consensus::Message& message);
std::string Describe(const consensus::PersistRequest& request);

}  // namespace synod::golden

#endif  // SYNOD_TESTS_GOLDEN_DESCRIBE_H_
