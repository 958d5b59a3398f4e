// What a log gives back. The first byte chooses: a segment's head, a record's, its body, or the
// command batch or membership in one of its entries.
#include <cstdint>
#include <string_view>

#include "src/base/membership.h"
#include "src/machine/command.h"
#include "src/storage/log_format.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0)
    return 0;
  const std::string_view in(reinterpret_cast<const char*>(data) + 1, size - 1);
  synod::storage::SegmentHead::Bad bad{};
  switch (data[0] % 5) {
    case 0:
      (void)synod::storage::SegmentHead::Decode(in, &bad);
      break;
    case 1:
      (void)synod::storage::RecordHeader::Decode(in, synod::Hash128());
      break;
    case 2:
      (void)synod::storage::DecodeBody(in);
      break;
    case 3:
      (void)synod::machine::DecodeBatch(in);
      break;
    default:
      (void)synod::Membership::OfEntry(in);
      break;
  }
  return 0;
}
