// Random commands and answers of every kind, for codec and replay tests.
//
// Contract      Valid in form: what they produce decodes. The same seed gives the same values.
#ifndef SYNOD_TESTS_UNIT_MACHINE_RANDOM_VALUES_H_
#define SYNOD_TESTS_UNIT_MACHINE_RANDOM_VALUES_H_

#include <string>

#include "src/base/random.h"
#include "src/machine/answer.h"
#include "src/machine/command.h"

namespace synod::machine {

std::string RandomPath(Random& random);
Bytes RandomBytes(Random& random);
// The alternative number `index` of Operation, with random contents.
Operation RandomOperation(Random& random, size_t index);
Command RandomCommand(Random& random, size_t index);
// The alternative number `index` of AnswerBody.
Answer RandomAnswer(Random& random, size_t index);

}  // namespace synod::machine

#endif  // SYNOD_TESTS_UNIT_MACHINE_RANDOM_VALUES_H_
