// Snapshots. The first byte chooses: a stream with its checksums, or records as they would come out
// of one (two bytes of lengths, key, value), loaded into a machine.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "src/machine/machine.h"
#include "src/storage/snapshot_file.h"

namespace {

void Stream(std::string_view in, size_t piece) {
  synod::machine::Machine machine{synod::auth::Settings()};
  synod::storage::SnapshotDecoder decoder(
      [&](std::string_view key, std::string_view value) { return machine.LoadRecord(key, value); });
  for (; !in.empty(); in.remove_prefix(std::min(piece, in.size())))
    if (!decoder.Push(in.substr(0, piece)))
      return;
  if (decoder.Finish())
    (void)machine.FinishLoad();
}

void Load(std::string_view in) {
  synod::machine::Machine machine{synod::auth::Settings()};
  const auto take = [&in](size_t bytes) {
    const std::string_view taken = in.substr(0, bytes);
    in.remove_prefix(taken.size());
    return taken;
  };
  while (in.size() > 2) {
    const std::string_view lengths = take(2);
    const std::string_view key = take(1 + static_cast<uint8_t>(lengths[0]));
    if (!machine.LoadRecord(key, take(static_cast<uint8_t>(lengths[1]))))
      return;
  }
  // Records that fit together are not yet a state: for that vouches its digest.
  (void)machine.FinishLoad();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0)
    return 0;
  const std::string_view in(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0)
    Stream(in, 1 + data[0] / 2);
  else
    Load(in);
  return 0;
}
