// Scenario: runs the commands of a golden file and writes what they did.
//
// Contract      The same file gives the same transcript, always.
// Format        "# ..." and empty lines are kept. "> command" runs; the lines after it, indented by
//               two spaces, are its transcript. Commands (n, m: node numbers):
//                 cluster n [window=k] [message_bytes=k] [cache_bytes=k]
//                 tick n [count=k] [until=candidate|leader]
//                 deliver [from=n] [to=n] [type=Name] [drop=(n,m)]   all that match, in order;
//                                                       packets to the nodes in drop=() vanish
//                 drop [from=n] [to=n] [type=Name]      all that match vanish
//                 hold from=n to=m / release            keeps packets back / puts them back
//                 persist n [count=k]
//                 crash n lose=unsynced   restart n
//                 cut n m   heal
//                 propose n text   read n id   transfer n to=m   gone n peer=m
//                 settle   run ticks=k   elect n        without a transcript of their steps
//                 show n                                the node's own view and its disk
// Transcript    "1>2 Prepare ..." is a packet as it is delivered; below it, what that caused:
//               "2 event", "2 persist ...", "2 applies ...", "2 grants ...", "2>1 ..." for packets
//               sent.
#ifndef SYNOD_TESTS_GOLDEN_SCENARIO_H_
#define SYNOD_TESTS_GOLDEN_SCENARIO_H_

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/consensus/cluster.h"

namespace synod::golden {

class Scenario {
 public:
  // The file's text with fresh transcripts. A command it does not know yields "error: ...".
  std::string Run(const std::string& text);

 private:
  struct Command {
    std::string verb;
    std::vector<std::string> words;              // positional
    std::map<std::string, std::string> options;  // key=value
  };
  static Command Parse(const std::string& line);
  static uint64_t NumberOf(const Command& c, const std::string& key, uint64_t otherwise);

  void Execute(const Command& command);
  bool ExecuteInput(const Command& command);
  bool ExecuteQuiet(const Command& command);
  void MakeCluster(const Command& command);
  void Tick(const Command& command);
  void Deliver(const Command& command, bool deliver);
  void Show(uint32_t node);
  bool Matches(const Command& command, const consensus::Packet& packet) const;
  // Writes what happened since the last call.
  void Observe();
  void SkipObserved();
  void Say(const std::string& line, int depth = 0);

  std::unique_ptr<consensus::Cluster> cluster_;
  std::string out_;
  std::vector<size_t> applied_;
  std::vector<uint64_t> persists_;  // id of the newest request that was shown
  uint64_t shown_packet_ = 0;
  std::deque<consensus::Packet> held_;
};

}  // namespace synod::golden

#endif  // SYNOD_TESTS_GOLDEN_SCENARIO_H_
