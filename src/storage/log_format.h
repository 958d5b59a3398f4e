// The bytes of the acceptor's log: segment heads, records, and the stamps in their sectors.
//
// Contract      docs/formats.md, "Acceptor log", is the grammar; this is its only implementation.
//               Encoders and decoders are pure; decoders trust nothing that was on a disk. Torn or
//               bad A record starts on a page of its own, so that writing it cannot hurt an older
//               one. The last 4 bytes of each of its 512-byte sectors are a stamp made of the
//               segment's id and the record's number: after a power cut it tells a sector that was
//               never written from one that was written and is damaged now. That is the difference
//               between an append that nobody was told about and a forgotten promise.
#ifndef SYNOD_STORAGE_LOG_FORMAT_H_
#define SYNOD_STORAGE_LOG_FORMAT_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/types.h"
#include "src/base/error.h"
#include "src/base/hash.h"

namespace synod::storage {

inline constexpr uint64_t kLogPageBytes = 4096;
inline constexpr uint64_t kLogSectorBytes = 512;
inline constexpr uint64_t kLogSectorPayload = kLogSectorBytes - 4;
inline constexpr uint32_t kLogFormat = 1;
inline constexpr uint64_t kRecordHeaderBytes = 32;
inline constexpr uint64_t kRecordBodyBytesMax = uint64_t{1} << 30;

// The first page of a segment.
struct SegmentHead {
  Hash128 id;              // random; in every checksum of the segment, so that what a recycled file
                           // held before can never be taken for a record of this one
  uint64_t number = 0;     // as in the file's name
  uint64_t first_gen = 1;  // the number of its first record
  uint64_t chain = 0;      // of the record before it
  uint64_t capacity = 0;   // bytes of the file
  Slot slot_max;           // no segment before this one holds a vote above
  consensus::HardState hard_state;  // as of the record before first_gen

  std::string Encode() const;  // one page
  enum class Bad { kDamaged, kNewerFormat };
  static std::optional<SegmentHead> Decode(std::string_view page, Bad* bad);
};

struct RecordHeader {
  uint64_t gen = 0;    // 1 for the first record of a log, then without a gap
  uint64_t chain = 0;  // NextChain of the record before
  uint32_t body_bytes = 0;
  uint32_t body_crc = 0;

  std::string Encode(const Hash128& id) const;
  // nullopt: no header, or not one of this segment.
  static std::optional<RecordHeader> Decode(std::string_view bytes, const Hash128& id);
  uint64_t NextChain() const;  // what the following record carries as `chain`
  uint64_t Sectors() const {
    return (kRecordHeaderBytes + body_bytes + kLogSectorPayload - 1) / kLogSectorPayload;
  }
  uint64_t Pages() const;
};

// The content of a record: everything of one turn.
struct RecordBody {
  consensus::HardState hard_state;
  std::vector<consensus::AcceptedEntry> entries;
};

// The range of slots in a record; empty when min > max.
struct SlotRange {
  Slot min{~uint64_t{0}};
  Slot max{0};
  bool empty() const { return min > max; }
  void Add(Slot slot);
};

// Replaces *body; returns the range of slots in it. The last request's hard state counts.
SlotRange EncodeBody(std::span<const consensus::PersistRequest> batch, std::string* body);
std::optional<RecordBody> DecodeBody(std::string_view bytes);

uint32_t BodyCrc(const Hash128& id, std::string_view body);
uint32_t SectorStamp(const Hash128& id, uint64_t gen);
// The stamp at the end of a 512-byte sector.
uint32_t StampOf(std::string_view sector);
// True if a stamp is the expected one or one flipped bit away from it: what was in the sector
// before is unlike it in half of the bits, so such a sector was written and then damaged.
bool IsStamped(uint32_t stamp, uint32_t expected);

// The pages of a record with header and body, stamped; replaces *pages.
void BuildPages(const RecordHeader& header,
                const Hash128& id,
                std::string_view body,
                std::string* pages);
// The inverse: the bytes between the stamps.
std::string Unstamp(std::string_view pages);

std::string SegmentName(uint64_t number);  // 16 hex digits and ".log"
std::optional<uint64_t> SegmentNumber(std::string_view name);

}  // namespace synod::storage

#endif  // SYNOD_STORAGE_LOG_FORMAT_H_
