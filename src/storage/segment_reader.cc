#include "src/storage/segment_reader.h"

#include <algorithm>

namespace synod::storage {
namespace {

constexpr uint64_t kReadAheadPages = 256;

// What a run of pages says when it is read as a record.
enum class Parsed { kGood, kNoHeader, kBadBody };

Parsed ParseRecord(std::string_view pages,
                   const RecordHeader& header,
                   const Hash128& id,
                   RecordBody* body) {
  const std::string bytes = Unstamp(pages.substr(0, header.Sectors() * kLogSectorBytes));
  const std::string_view content =
      std::string_view(bytes).substr(kRecordHeaderBytes, header.body_bytes);
  if (BodyCrc(id, content) != header.body_crc)
    return Parsed::kBadBody;
  std::optional<RecordBody> decoded = DecodeBody(content);
  if (!decoded)
    return Parsed::kBadBody;
  *body = std::move(*decoded);
  return Parsed::kGood;
}

std::string At(uint64_t page) { return "byte " + std::to_string(page * kLogPageBytes); }

}  // namespace

SegmentReader::SegmentReader(File& file, const SegmentHead& head, uint64_t size)
    : file_(file),
      head_(head),
      pages_(size / kLogPageBytes),
      gen_(head.first_gen - 1),
      chain_(head.chain) {}

Result<std::string> SegmentReader::ReadPages(uint64_t page, uint64_t count) {
  const uint64_t in_window = window_.size() / kLogPageBytes;
  if (page < window_page_ || page + count > window_page_ + in_window) {
    const uint64_t want = std::min(std::max(count, kReadAheadPages), pages_ - page);
    Result<std::string> read = file_.Read(page * kLogPageBytes, want * kLogPageBytes);
    if (!read)
      return read;
    window_ = std::move(read.value());
    window_page_ = page;
  }
  return window_.substr((page - window_page_) * kLogPageBytes, count * kLogPageBytes);
}

Result<std::optional<FoundRecord>> SegmentReader::Next() {
  if (page_ >= pages_)
    return std::optional<FoundRecord>();
  Result<std::string> first = ReadPages(page_, 1);
  if (!first)
    return first.error();
  const std::optional<RecordHeader> header = RecordHeader::Decode(first.value(), head_.id);
  if (!header || header->gen != gen_ + 1 || header->chain != chain_ ||
      header->body_bytes > kRecordBodyBytesMax || page_ + header->Pages() > pages_)
    return std::optional<FoundRecord>();
  Result<std::string> all = ReadPages(page_, header->Pages());
  if (!all)
    return all.error();
  FoundRecord found;
  found.header = *header;
  found.page = page_;
  if (ParseRecord(all.value(), *header, head_.id, &found.body) != Parsed::kGood)
    return std::optional<FoundRecord>();
  gen_ = header->gen;
  chain_ = header->NextChain();
  page_ += header->Pages();
  return std::optional<FoundRecord>(std::move(found));
}

Result<SegmentReader::Ending> SegmentReader::Classify(std::string* why) {
  const uint64_t gen = gen_ + 1;
  const uint32_t stamp = SectorStamp(head_.id, gen);
  const std::string name = "record " + std::to_string(gen) + " at " + At(page_);
  std::optional<RecordHeader> header;  // of the bad record, if it can be read
  uint64_t stamped = 0;                // its sectors that were written, of the first `sectors`
  bool first_sector_written = false;
  bool torn_sector = false;
  torn_end_ = page_;
  for (uint64_t page = page_; page < pages_; ++page) {
    Result<std::string> read = ReadPages(page, 1);
    if (!read)
      return read.error();
    const std::string_view bytes = read.value();
    const std::optional<RecordHeader> found = RecordHeader::Decode(bytes, head_.id);
    if (page == page_) {
      header = found;
    } else if (found && found->gen > gen) {
      *why = name + " is damaged: record " + std::to_string(found->gen) +
             ", written after it, is at " + At(page);
      return Ending::kDamaged;
    }
    const uint64_t sectors_before = (page - page_) * (kLogPageBytes / kLogSectorBytes);
    for (uint64_t s = 0; s < kLogPageBytes / kLogSectorBytes; ++s) {
      const bool written =
          IsStamped(StampOf(bytes.substr(s * kLogSectorBytes, kLogSectorBytes)), stamp);
      if (written) {
        ++stamped;
        torn_end_ = page + 1;
      }
      if (page == page_ && s == 0)
        first_sector_written = written;
      if (header && sectors_before + s < header->Sectors() && !written)
        torn_sector = true;
    }
  }
  if (header && (header->gen != gen || header->chain != chain_)) {
    *why = name + " does not continue the one before it";
    return Ending::kDamaged;
  }
  if (header && !torn_sector) {
    *why = name + " was written as a whole, and its checksum is wrong now";
    return Ending::kDamaged;
  }
  if (!header && first_sector_written) {
    *why = name + " was written, and its header is damaged now";
    return Ending::kDamaged;
  }
  *why = name + (stamped > 0 ? " was cut short" : " was not written");
  return stamped > 0 ? Ending::kTorn : Ending::kClean;
}

Result<std::optional<FoundRecord>> ReadRecordAt(File& file,
                                                const Hash128& id,
                                                uint64_t page,
                                                uint64_t pages) {
  Result<std::string> read = file.Read(page * kLogPageBytes, pages * kLogPageBytes);
  if (!read)
    return read.error();
  const std::optional<RecordHeader> header = RecordHeader::Decode(read.value(), id);
  FoundRecord found;
  if (!header || header->body_bytes > kRecordBodyBytesMax || header->Pages() != pages ||
      read.value().size() != pages * kLogPageBytes ||
      ParseRecord(read.value(), *header, id, &found.body) != Parsed::kGood)
    return std::optional<FoundRecord>();
  found.header = *header;
  found.page = page;
  return std::optional<FoundRecord>(std::move(found));
}

}  // namespace synod::storage
