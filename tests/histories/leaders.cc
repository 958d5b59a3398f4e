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

bool Same(const LeaderRead& a, const LeaderRead& b) {
  return a.token == b.token && a.value == b.value;
}

void JudgeOrder(const ObservedRun& run, std::vector<std::string>* wrong) {
  uint64_t token = 0;
  const LeaderRead* before = nullptr;
  for (const LeaderRead& message : run.messages) {
    const std::string at = "an observer at revision " + std::to_string(message.revision);
    if (before != nullptr && message.revision <= before->revision)
      wrong->push_back(at + ", after " + std::to_string(before->revision));
    if (before != nullptr && Same(*before, message))
      wrong->push_back(at + " is told what it was told before");
    if (message.token != 0 && message.token < token)
      wrong->push_back(at + " sees token " + std::to_string(message.token) + ", after " +
                       std::to_string(token));
    token = std::max(token, message.token);
    before = &message;
  }
}

// Reads within what the observer saw.
void JudgeReads(const ObservedRun& run,
                std::span<const LeaderRead> reads,
                std::vector<std::string>* wrong) {
  const auto by_revision = [](uint64_t revision, const LeaderRead& message) {
    return revision < message.revision;
  };
  for (const LeaderRead& read : reads) {
    const auto after =
        std::upper_bound(run.messages.begin(), run.messages.end(), read.revision, by_revision);
    if (after == run.messages.begin() || read.revision > run.last() ||
        Same(*std::prev(after), read))
      continue;
    wrong->push_back(Describe(read) + ", and an observer saw token " +
                     std::to_string(std::prev(after)->token) + " with '" + std::prev(after)->value +
                     "'");
  }
}

// Proclamations of which the observer had to be told.
void JudgeCompleteness(const ObservedRun& run,
                       std::span<const Proclamation> proclamations,
                       std::vector<std::string>* wrong) {
  const uint64_t first = run.messages.front().revision;
  std::set<uint64_t> tokens;
  for (const LeaderRead& message : run.messages)
    if (message.token != 0)
      tokens.insert(message.token);
  for (const Proclamation& said : proclamations) {
    const std::string what = " token " + std::to_string(said.token) + " with '" + said.value + "'";
    if (said.open)
      continue;
    if (said.revision == 0) {
      const bool within =
          !tokens.empty() && *tokens.begin() < said.token && said.token < *tokens.rbegin();
      if (within && !tokens.contains(said.token))
        wrong->push_back("an observer was not told of the election of" + what);
      continue;
    }
    if (said.revision <= first || said.revision > run.last())
      continue;
    const bool told =
        std::any_of(run.messages.begin(), run.messages.end(), [&](const LeaderRead& message) {
          return message.revision == said.revision && message.token == said.token &&
                 message.value == said.value;
        });
    if (!told)
      wrong->push_back("an observer was not told at revision " + std::to_string(said.revision) +
                       " of" + what);
  }
}

}  // namespace

std::vector<std::string> JudgeObserved(std::span<const ObservedRun> runs,
                                       std::span<const Proclamation> proclamations,
                                       std::span<const LeaderRead> reads) {
  std::vector<std::string> wrong;
  for (const ObservedRun& run : runs) {
    JudgeOrder(run, &wrong);
    JudgeReads(run, reads, &wrong);
    JudgeCompleteness(run, proclamations, &wrong);
  }
  return wrong;
}

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
