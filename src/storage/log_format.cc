#include "src/storage/log_format.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>

#include "src/base/check.h"
#include "src/base/codec.h"
#include "src/base/crc32c.h"

namespace synod::storage {
namespace {

constexpr std::string_view kSegmentMagic = "SYNODLOG";
constexpr uint32_t kRecordMagic = 0x43455253;  // "SREC"
constexpr size_t kHeadPrefixBytes = 20;  // magic, format, length, crc: the same in every format
constexpr uint8_t kFlagChosen = 1;

std::string IdBytes(const Hash128& id) {
  std::string bytes;
  Writer w(&bytes);
  w.Fixed64(id.hi);
  w.Fixed64(id.lo);
  return bytes;
}

void WriteHardState(Writer& w, const consensus::HardState& hs) {
  w.Write(hs.promised);
  w.Number(hs.learned);
  w.Number(hs.commit_hint);
  w.Number(hs.first_slot);
}

consensus::HardState ReadHardState(Reader& r) {
  consensus::HardState hs;
  hs.promised = r.ReadBallot();
  hs.learned = r.Number<Slot>();
  hs.commit_hint = r.Number<Slot>();
  hs.first_slot = r.Number<Slot>();
  return hs;
}

}  // namespace

void SlotRange::Add(Slot slot) {
  min = std::min(min, slot);
  max = std::max(max, slot);
}

std::string SegmentHead::Encode() const {
  std::string payload;
  Writer w(&payload);
  w.Fixed64(id.hi);
  w.Fixed64(id.lo);
  w.Fixed64(number);
  w.Fixed64(first_gen);
  w.Fixed64(chain);
  w.Fixed64(capacity);
  w.Fixed64(slot_max.value);
  WriteHardState(w, hard_state);

  std::string page(kSegmentMagic);
  Writer p(&page);
  p.Fixed32(kLogFormat);
  p.Fixed32(static_cast<uint32_t>(payload.size()));
  p.Fixed32(ExtendCrc32c(Crc32c(page), payload));
  p.Append(payload);
  // One sector, so that a disk that tears pages cannot tear a head.
  SYNOD_CHECK_LE(page.size(), kLogSectorBytes);
  page.resize(kLogPageBytes);
  return page;
}

std::optional<SegmentHead> SegmentHead::Decode(std::string_view page, Bad* bad) {
  *bad = Bad::kDamaged;
  Reader r(page);
  const std::string_view magic = r.Take(kSegmentMagic.size());
  const uint32_t format = r.Fixed32();
  const uint32_t length = r.Fixed32();
  const uint32_t crc = r.Fixed32();
  const std::string_view payload = r.Take(length);
  if (!r.ok() || magic != kSegmentMagic)
    return std::nullopt;
  // The checksum comes before the format: a flipped bit in the format must not read as "newer".
  if (crc != ExtendCrc32c(Crc32c(page.substr(0, kHeadPrefixBytes - 4)), payload))
    return std::nullopt;
  if (format != kLogFormat) {
    *bad = Bad::kNewerFormat;
    return std::nullopt;
  }
  Reader p(payload);
  SegmentHead head;
  head.id.hi = p.Fixed64();
  head.id.lo = p.Fixed64();
  head.number = p.Fixed64();
  head.first_gen = p.Fixed64();
  head.chain = p.Fixed64();
  head.capacity = p.Fixed64();
  head.slot_max = Slot(p.Fixed64());
  head.hard_state = ReadHardState(p);
  if (!p.Complete())
    return std::nullopt;
  return head;
}

uint64_t RecordHeader::Pages() const {
  constexpr uint64_t kSectorsPerPage = kLogPageBytes / kLogSectorBytes;
  return (Sectors() + kSectorsPerPage - 1) / kSectorsPerPage;
}

std::string RecordHeader::Encode(const Hash128& id) const {
  std::string rest;
  Writer r(&rest);
  r.Fixed64(gen);
  r.Fixed64(chain);
  r.Fixed32(body_bytes);
  r.Fixed32(body_crc);
  std::string out;
  Writer w(&out);
  w.Fixed32(kRecordMagic);
  w.Fixed32(ExtendCrc32c(Crc32c(IdBytes(id)), rest));
  w.Append(rest);
  SYNOD_CHECK_EQ(out.size(), kRecordHeaderBytes);
  return out;
}

std::optional<RecordHeader> RecordHeader::Decode(std::string_view bytes, const Hash128& id) {
  Reader r(bytes);
  const uint32_t magic = r.Fixed32();
  const uint32_t crc = r.Fixed32();
  if (!r.ok() || magic != kRecordMagic)
    return std::nullopt;
  const std::string_view rest = r.rest().substr(0, kRecordHeaderBytes - 8);
  RecordHeader h;
  h.gen = r.Fixed64();
  h.chain = r.Fixed64();
  h.body_bytes = r.Fixed32();
  h.body_crc = r.Fixed32();
  if (!r.ok() || crc != ExtendCrc32c(Crc32c(IdBytes(id)), rest))
    return std::nullopt;
  return h;
}

uint64_t RecordHeader::NextChain() const {
  // body_crc is in it, so the chain covers the bodies too; no id, so that it runs through segments.
  std::string bytes;
  Writer w(&bytes);
  w.Fixed64(gen);
  w.Fixed64(chain);
  w.Fixed32(body_bytes);
  w.Fixed32(body_crc);
  return HashOf(bytes).lo;
}

SlotRange EncodeBody(std::span<const consensus::PersistRequest> batch, std::string* body) {
  SYNOD_CHECK(!batch.empty());
  body->clear();
  Writer w(body);
  WriteHardState(w, batch.back().hard_state);
  SlotRange range;
  uint64_t count = 0;
  for (const auto& request : batch) count += request.entries.size();
  w.Varint(count);
  for (const auto& request : batch) {
    for (const consensus::AcceptedEntry& e : request.entries) {
      range.Add(e.slot);
      w.Number(e.slot);
      w.Write(e.ballot);
      w.U8(e.chosen ? kFlagChosen : 0);
      w.U8(static_cast<uint8_t>(e.entry.kind));
      w.Write(e.entry.origin);
      w.String(*e.entry.payload);
    }
  }
  return range;
}

std::optional<RecordBody> DecodeBody(std::string_view bytes) {
  Reader r(bytes);
  RecordBody body;
  body.hard_state = ReadHardState(r);
  const uint64_t count = r.Count(8);
  body.entries.reserve(count);
  for (uint64_t i = 0; i < count && r.ok(); ++i) {
    consensus::AcceptedEntry e;
    e.slot = r.Number<Slot>();
    e.ballot = r.ReadBallot();
    const uint8_t flags = r.U8();
    const uint8_t kind = r.U8();
    if (flags > kFlagChosen || kind > static_cast<uint8_t>(consensus::EntryKind::kConfig))
      r.Fail();
    e.chosen = flags == kFlagChosen;
    e.entry.kind = static_cast<consensus::EntryKind>(kind);
    e.entry.origin = r.ReadBallot();
    e.entry.payload = std::make_shared<const std::string>(r.String());
    body.entries.push_back(std::move(e));
  }
  if (!r.Complete())
    return std::nullopt;
  return body;
}

uint32_t BodyCrc(const Hash128& id, std::string_view body) {
  return ExtendCrc32c(Crc32c(IdBytes(id)), body);
}

uint32_t SectorStamp(const Hash128& id, uint64_t gen) {
  std::string bytes = IdBytes(id);
  Writer(&bytes).Fixed64(gen);
  return Crc32c(bytes);
}

uint32_t StampOf(std::string_view sector) {
  return Reader(sector.substr(kLogSectorPayload)).Fixed32();
}

bool IsStamped(uint32_t stamp, uint32_t expected) { return std::popcount(stamp ^ expected) <= 1; }

void BuildPages(const RecordHeader& header,
                const Hash128& id,
                std::string_view body,
                std::string* pages) {
  SYNOD_CHECK_EQ(header.body_bytes, body.size());
  const uint32_t stamp = SectorStamp(id, header.gen);
  const std::string head = header.Encode(id);
  pages->assign(header.Pages() * kLogPageBytes, '\0');
  char* out = pages->data();
  for (uint64_t s = 0; s < header.Sectors(); ++s, out += kLogSectorBytes) {
    char* at = out;
    size_t room = kLogSectorPayload;
    if (s == 0) {
      std::memcpy(at, head.data(), head.size());
      at += head.size();
      room -= head.size();
    }
    const size_t n = std::min(room, body.size());
    std::memcpy(at, body.data(), n);
    body.remove_prefix(n);
    std::memcpy(out + kLogSectorPayload, &stamp, sizeof stamp);
  }
  SYNOD_CHECK(body.empty());
}

std::string Unstamp(std::string_view pages) {
  std::string bytes;
  bytes.reserve(pages.size());
  for (; pages.size() >= kLogSectorBytes; pages.remove_prefix(kLogSectorBytes))
    bytes.append(pages.substr(0, kLogSectorPayload));
  return bytes;
}

std::string SegmentName(uint64_t number) {
  char name[32];
  std::snprintf(name, sizeof name, "%016llx.log", static_cast<unsigned long long>(number));
  return name;
}

std::optional<uint64_t> SegmentNumber(std::string_view name) {
  if (name.size() != 20 || name.substr(16) != ".log")
    return std::nullopt;
  uint64_t number = 0;
  for (const char c : name.substr(0, 16)) {
    if (c >= '0' && c <= '9')
      number = number * 16 + static_cast<uint64_t>(c - '0');
    else if (c >= 'a' && c <= 'f')
      number = number * 16 + static_cast<uint64_t>(c - 'a' + 10);
    else
      return std::nullopt;
  }
  return number;
}

}  // namespace synod::storage
