// Administration: which commands are an administrator's doing.
//
// Contract      Those that need the verb admin as what they are, wherever their paths lie: the
//               answer comes from the table by which they are judged. Commands that only nodes
//               give are among them.
// Thread        Any.   Errors: none.
#ifndef SYNOD_MACHINE_ADMINISTRATION_H_
#define SYNOD_MACHINE_ADMINISTRATION_H_

#include "src/machine/command.h"

namespace synod::machine {

bool IsAdministration(const Operation& operation);

}  // namespace synod::machine

#endif  // SYNOD_MACHINE_ADMINISTRATION_H_
