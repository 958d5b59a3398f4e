// DrawPartition: who does not hear whom.
//
// Contract      Pairs (from, to) whose packets are lost; one of the shapes of Alquraishi et al.,
//               "An Analysis of Network-Partitioning Failures in Cloud Systems" (2018): complete,
//               partial and simplex ones. Nodes are given by their numbers, two of them at least.
#ifndef SYNOD_TESTS_HISTORIES_PARTITIONS_H_
#define SYNOD_TESTS_HISTORIES_PARTITIONS_H_

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "src/base/random.h"

namespace synod::histories {

struct Partition {
  std::string name;
  std::set<std::pair<int, int>> lost;  // from, to
};

Partition DrawPartition(std::vector<int> nodes, Random* random);

}  // namespace synod::histories

#endif  // SYNOD_TESTS_HISTORIES_PARTITIONS_H_
