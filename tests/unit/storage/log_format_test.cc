#include "src/storage/log_format.h"

#include <gtest/gtest.h>

#include "tests/unit/storage/log_fixture.h"

namespace synod::storage {
namespace {

const Hash128 kId{0x0123456789ABCDEF, 0xFEDCBA9876543210};

SegmentHead Head() {
  SegmentHead head;
  head.id = kId;
  head.number = 3;
  head.first_gen = 17;
  head.chain = 99;
  head.capacity = 65536;
  head.slot_max = Slot(40);
  head.hard_state = {Ballot{5, NodeId(2)}, Slot(38), Slot(39), Slot(7)};
  return head;
}

TEST(SegmentHeadTest, ComesBackFromItsPage) {
  SegmentHead::Bad bad{};
  const std::optional<SegmentHead> head = SegmentHead::Decode(Head().Encode(), &bad);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->id, kId);
  EXPECT_EQ(head->number, 3u);
  EXPECT_EQ(head->first_gen, 17u);
  EXPECT_EQ(head->chain, 99u);
  EXPECT_EQ(head->capacity, 65536u);
  EXPECT_EQ(head->slot_max, Slot(40));
  EXPECT_TRUE(head->hard_state == Head().hard_state);
}

TEST(SegmentHeadTest, EveryFlippedBitIsDamageAndNeverANewerFormat) {
  const std::string page = Head().Encode();
  for (size_t at = 0; at < 100; ++at) {
    if (page.find_first_not_of('\0', at) == std::string::npos)
      break;
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = page;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      SegmentHead::Bad bad = SegmentHead::Bad::kNewerFormat;
      EXPECT_FALSE(SegmentHead::Decode(damaged, &bad)) << at;
      EXPECT_EQ(bad, SegmentHead::Bad::kDamaged) << at;
    }
  }
}

TEST(RecordTest, PagesAreStampedInEverySectorThatIsUsed) {
  const std::string body(1000, 'b');
  RecordHeader header{8, 77, static_cast<uint32_t>(body.size()), BodyCrc(kId, body)};
  std::string pages;
  BuildPages(header, kId, body, &pages);
  ASSERT_EQ(pages.size(), kLogPageBytes);
  EXPECT_EQ(header.Sectors(), 3u);
  for (uint64_t s = 0; s < 8; ++s)
    EXPECT_EQ(StampOf(std::string_view(pages).substr(s * kLogSectorBytes, kLogSectorBytes)),
              s < 3 ? SectorStamp(kId, 8) : 0u);
  const std::string bytes = Unstamp(pages);
  EXPECT_EQ(bytes.substr(kRecordHeaderBytes, body.size()), body);
  const std::optional<RecordHeader> read = RecordHeader::Decode(bytes, kId);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->gen, 8u);
  EXPECT_EQ(read->NextChain(), header.NextChain());
  EXPECT_FALSE(RecordHeader::Decode(bytes, Hash128{1, 2})) << "a record of another segment";
}

std::string Hex(std::string_view bytes) {
  std::string hex;
  for (const char c : bytes) {
    hex += "0123456789abcdef"[static_cast<uint8_t>(c) >> 4];
    hex += "0123456789abcdef"[static_cast<uint8_t>(c) & 15];
  }
  return hex;
}

// docs/formats.md, "Acceptor log". If this fails, logs that exist can no longer be read.
TEST(RecordTest, TheExampleOfTheDocument) {
  consensus::PersistRequest request;
  request.hard_state = {Ballot{3, NodeId(1)}, Slot(6), Slot(6), Slot(1)};
  request.entries = {Vote(7, 3, "hi")};
  std::string body;
  EncodeBody({&request, 1}, &body);
  RecordHeader header{5, 0x1122334455667788, static_cast<uint32_t>(body.size()),
                      BodyCrc(kId, body)};
  std::string pages;
  BuildPages(header, kId, body, &pages);
  ASSERT_EQ(pages.size(), kLogPageBytes);
  EXPECT_EQ(Hex(pages.substr(0, 48)),
            "5352454373131af805000000000000008877665544332211100000004fe608a5"
            "03010606010107030100020301026869");
  EXPECT_EQ(Hex(pages.substr(kLogSectorPayload, 4)), "984b24ea");
  EXPECT_EQ(pages.find_first_not_of('\0', kLogSectorBytes), std::string::npos);
}

TEST(RecordTest, TakesTheSectorsThatItNeedsAndNoMore) {
  struct Case {
    uint32_t body;
    uint64_t sectors;
    uint64_t pages;
  };
  for (const Case& c : {Case{0, 1, 1}, Case{508 - 32, 1, 1}, Case{508 - 31, 2, 1},
                        Case{8 * 508 - 32, 8, 1}, Case{8 * 508 - 31, 9, 2}}) {
    RecordHeader header;
    header.body_bytes = c.body;
    EXPECT_EQ(header.Sectors(), c.sectors) << c.body;
    EXPECT_EQ(header.Pages(), c.pages) << c.body;
  }
}

TEST(StampTest, OneFlippedBitIsStillRecognised) {
  const uint32_t stamp = SectorStamp(kId, 1);
  EXPECT_TRUE(IsStamped(stamp, stamp));
  EXPECT_TRUE(IsStamped(stamp ^ (1U << 31), stamp));
  EXPECT_FALSE(IsStamped(stamp ^ 3U, stamp));
  EXPECT_NE(stamp, SectorStamp(kId, 2));
  EXPECT_NE(stamp, SectorStamp(Hash128{kId.hi, kId.lo + 1}, 1));
}

TEST(BodyTest, NothingButACompleteBodyIsDecoded) {
  consensus::PersistRequest request;
  request.hard_state.promised = Ballot{2, NodeId(1)};
  request.entries = {Vote(1, 2, "abc"), Vote(5, 2, "")};
  std::string body;
  const SlotRange range = EncodeBody({&request, 1}, &body);
  EXPECT_EQ(range.min, Slot(1));
  EXPECT_EQ(range.max, Slot(5));
  ASSERT_TRUE(DecodeBody(body));
  EXPECT_EQ(DecodeBody(body)->entries.size(), 2u);
  for (size_t n = 0; n < body.size(); ++n)
    EXPECT_FALSE(DecodeBody(std::string_view(body).substr(0, n))) << n;
  EXPECT_FALSE(DecodeBody(body + "x"));
}

TEST(SegmentNameTest, IsSixteenHexDigits) {
  EXPECT_EQ(SegmentName(0x1A), "000000000000001a.log");
  EXPECT_EQ(SegmentNumber("000000000000001a.log"), 0x1Au);
  for (const char* other : {"spare", "spare.tmp", "1a.log", "000000000000001A.log",
                            "000000000000001a.txt", "damaged-000000000000001a.log"})
    EXPECT_FALSE(SegmentNumber(other)) << other;
}

}  // namespace
}  // namespace synod::storage
