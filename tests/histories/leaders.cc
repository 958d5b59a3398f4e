#include "tests/histories/leaders.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

namespace synod::histories {
namespace {

struct Term {
  std::map<uint64_t, std::string> known;  // by revision
  std::set<std::string> open;
};

// A leader's sign of life at a revision.
struct Sign {
  uint64_t revision = 0;
  uint64_t token = 0;
};

std::string Describe(const LeaderRead& read) {
  return "a read at revision " + std::to_string(read.revision) + " shows token " +
         std::to_string(read.token) + " with '" + read.value + "'";
}

}  // namespace

std::vector<std::string> JudgeLeaders(std::span<const Proclamation> proclamations,
                                      std::span<const LeaderRead> reads) {
  std::vector<std::string> wrong;
  std::map<uint64_t, Term> terms;
  std::vector<Sign> signs;
  for (const Proclamation& proclamation : proclamations) {
    Term& term = terms[proclamation.token];
    if (proclamation.open) {
      term.open.insert(proclamation.value);
      continue;
    }
    term.known[proclamation.revision] = proclamation.value;
    if (proclamation.revision != 0)
      signs.push_back({proclamation.revision, proclamation.token});
  }
  for (const LeaderRead& read : reads) {
    if (read.token == 0)
      continue;
    signs.push_back({read.revision, read.token});
    const auto term = terms.find(read.token);
    if (term == terms.end())  // elected by a call whose answer did not come
      continue;
    const auto after = term->second.known.upper_bound(read.revision);
    const bool last = after != term->second.known.begin() && std::prev(after)->second == read.value;
    if (!last && !term->second.open.contains(read.value))
      wrong.push_back(Describe(read) + ", which is not what it proclaimed last");
  }
  std::stable_sort(signs.begin(), signs.end(),
                   [](const Sign& a, const Sign& b) { return a.revision < b.revision; });
  uint64_t highest = 0;
  for (const Sign& sign : signs) {
    if (sign.token < highest)
      wrong.push_back("token " + std::to_string(sign.token) + " led at revision " +
                      std::to_string(sign.revision) + ", after token " + std::to_string(highest));
    highest = std::max(highest, sign.token);
  }
  return wrong;
}

}  // namespace synod::histories
