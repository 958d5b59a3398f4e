// FullDisks: small file systems in memory, one a node, that can be filled up.
//
// Thread        The main one.
// Errors        std::runtime_error if nothing can be mounted here.
#ifndef SYNOD_TESTS_HISTORIES_FULL_DISKS_H_
#define SYNOD_TESTS_HISTORIES_FULL_DISKS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace synod::histories {

class FullDisks {
 public:
  FullDisks() = default;
  ~FullDisks();
  FullDisks(const FullDisks&) = delete;
  FullDisks& operator=(const FullDisks&) = delete;

  // `dir` is made if need be, and holds 400 MiB from then on.
  void Mount(const std::string& dir);
  // Leaves so much of it free.
  static void Fill(const std::string& dir, uint64_t leave_bytes);
  static void Empty(const std::string& dir);

 private:
  std::vector<std::string> mounted_;
};

}  // namespace synod::histories

#endif  // SYNOD_TESTS_HISTORIES_FULL_DISKS_H_
