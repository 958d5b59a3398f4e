// SegmentReader: walks the records of one segment and says what is behind the last good one.
//
// Contract      Next() gives record after record while each continues the chain. When it gives
//               none, Classify() says why: nothing more was written, the write of the next record
//               was cut short, or it is damaged. Only the first two are what a power cut can leave
//               behind.
// Rules         A record is good when its checksums are, whatever its stamps say. A bad one is torn
//               when a sector of it was never written, unless a later record exists: the next
//               record is only begun after the one before was synced, so then this one was whole
//               once.
// Errors        Result: a read that failed. Content is never an error here, it is an Ending.
// Thread        One.
#ifndef SYNOD_STORAGE_SEGMENT_READER_H_
#define SYNOD_STORAGE_SEGMENT_READER_H_

#include <optional>
#include <string>

#include "src/storage/file_system.h"
#include "src/storage/log_format.h"

namespace synod::storage {

struct FoundRecord {
  RecordHeader header;
  RecordBody body;
  uint64_t page = 0;  // where it starts
};

class SegmentReader {
 public:
  // `size` is that of the file.
  SegmentReader(File& file, const SegmentHead& head, uint64_t size);

  Result<std::optional<FoundRecord>> Next();

  enum class Ending {
    kClean,    // the space behind the last record holds nothing of the next one
    kTorn,     // it holds a part of it
    kDamaged,  // it held all of it: what is wrong now came later
  };
  // After Next() gave nothing. Reads the rest of the segment once; `why` names what it saw.
  Result<Ending> Classify(std::string* why);

  uint64_t gen() const { return gen_; }      // of the last good record
  uint64_t chain() const { return chain_; }  // what the next one must carry
  uint64_t page() const { return page_; }    // where the next one starts
  // After Classify: one past the last page that holds a stamp of the next record.
  uint64_t torn_end() const { return torn_end_; }

 private:
  Result<std::string> ReadPages(uint64_t page, uint64_t count);

  File& file_;
  SegmentHead head_;
  uint64_t pages_;  // in the file, the head's included
  uint64_t gen_;
  uint64_t chain_;
  uint64_t page_ = 1;
  uint64_t torn_end_ = 0;
  std::string window_;  // of the file, read ahead
  uint64_t window_page_ = 0;
};

// Reads the record of `pages` pages that starts at `page` again; nullopt if it is not there (any
// more).
Result<std::optional<FoundRecord>> ReadRecordAt(File& file,
                                                const Hash128& id,
                                                uint64_t page,
                                                uint64_t pages);

}  // namespace synod::storage

#endif  // SYNOD_STORAGE_SEGMENT_READER_H_
