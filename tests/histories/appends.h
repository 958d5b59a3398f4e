// JudgeAppends: are recorded transactions that append to lists and read them strictly serializable?
//
// Contract      Every element is appended once in the history, so a read of a list shows the order
//               of the appends before it. Reads must agree on one order of each list; the orders,
//               who read what of whom, and real time together must not form a cycle.
// Source        Kingsbury and Alvaro, "Elle: inferring isolation anomalies from experimental
//               observations" (2020), its histories of lists.
#ifndef SYNOD_TESTS_HISTORIES_APPENDS_H_
#define SYNOD_TESTS_HISTORIES_APPENDS_H_

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace synod::histories {

struct ListAppend {
  uint64_t list = 0;
  uint64_t element = 0;
};

struct ListRead {
  uint64_t list = 0;
  std::vector<uint64_t> elements;
};

// All its appends come before its reads.
struct AppendTransaction {
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  int64_t called = 0;
  int64_t returned = kNever;  // kNever: nobody knows whether it took effect
  std::vector<ListAppend> appends = {};
  std::vector<ListRead> reads = {};
};

// What is wrong, a line each.
std::vector<std::string> JudgeAppends(std::span<const AppendTransaction> transactions);

}  // namespace synod::histories

#endif  // SYNOD_TESTS_HISTORIES_APPENDS_H_
