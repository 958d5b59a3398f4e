#include "src/net/frame.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "src/base/codec.h"
#include "src/base/crc32c.h"
#include "src/base/random.h"
#include "tests/support/sample_hello.h"

namespace synod::net {
namespace {

using Frames = std::vector<std::pair<FrameType, std::string>>;

std::string FrameOf(FrameType type, std::string_view body) {
  std::string out;
  AppendFrameHeader(type, body, &out);
  out.append(body);
  return out;
}

const char* Read(FrameReader& reader, std::string_view bytes, Frames* frames) {
  return reader.Feed(bytes, [&](FrameType type, std::string_view body) {
    frames->emplace_back(type, std::string(body));
    return true;
  });
}

Hello SomeHello() {
  Hello hello = SampleHello();
  hello.payload = std::string("\0\xff", 2);
  hello.machine_version = 4;
  return hello;
}

void ExpectSame(const Hello& a, const Hello& b) {
  EXPECT_EQ(a.cluster_id, b.cluster_id);
  EXPECT_EQ(a.founded, b.founded);
  EXPECT_EQ(a.from, b.from);
  EXPECT_EQ(a.uuid, b.uuid);
  EXPECT_EQ(a.to, b.to);
  EXPECT_EQ(a.boot_id, b.boot_id);
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.peer_address, b.peer_address);
  EXPECT_EQ(a.client_url, b.client_url);
  EXPECT_EQ(a.features, b.features);
  EXPECT_EQ(a.payload, b.payload);
  EXPECT_EQ(a.machine_version, b.machine_version);
}

TEST(FrameTest, TheExampleOfTheDocument) {
  EXPECT_EQ(FrameOf(FrameType::kMessage, "ping"),
            std::string("SYNP\x01\x04\0\0\x04\0\0\0\xe5\x26\xfa\xa7\xc7\xbf\x1b\xdb"
                        "ping",
                        24));
}

TEST(FrameTest, ReadsTheSameFramesHoweverTheBytesAreCut) {
  const Frames sent = {{FrameType::kMessage, "one"},
                       {FrameType::kGoodbye, ""},
                       {FrameType::kMessage, std::string(1000, 'x')},
                       {FrameType::kHello, "h"}};
  std::string stream;
  for (const auto& [type, body] : sent) stream += FrameOf(type, body);
  Random random(7);
  for (int run = 0; run < 300; ++run) {
    FrameReader reader;
    Frames got;
    for (size_t at = 0; at < stream.size();) {
      const size_t n = std::min<size_t>(random.Between(1, run < 50 ? 3 : 700), stream.size() - at);
      ASSERT_EQ(Read(reader, std::string_view(stream).substr(at, n), &got), nullptr);
      at += n;
    }
    ASSERT_EQ(got, sent);
    ASSERT_EQ(reader.buffered(), 0u);
  }
}

TEST(FrameTest, AnyFlippedBitEndsTheStreamOrWithholdsTheFrame) {
  const std::string good = FrameOf(FrameType::kMessage, "some body");
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    FrameReader reader;
    Frames got;
    EXPECT_NE(Read(reader, bad, &got), nullptr) << "bit " << bit;
    EXPECT_TRUE(got.empty());
  }
}

TEST(FrameTest, RefusesABodyOverTheLimitByItsHeaderAlone) {
  const std::string frame = FrameOf(FrameType::kMessage, std::string(100, 'x'));
  FrameReader reader;
  reader.set_body_max(99);
  Frames got;
  EXPECT_STREQ(Read(reader, std::string_view(frame).substr(0, kFrameHeaderBytes), &got),
               "the frame is too large");
}

TEST(FrameTest, HoldsOnlyWhatCameOfAClaimedLength) {
  std::string header;
  AppendFrameHeader(FrameType::kMessage, std::string(kFrameBodyMax, 'x'), &header);
  FrameReader reader;
  reader.set_body_max(kFrameBodyMax);
  Frames got;
  EXPECT_EQ(Read(reader, header + "abc", &got), nullptr);
  EXPECT_EQ(reader.buffered(), kFrameHeaderBytes + 3);
}

TEST(FrameTest, StopsWhenTheReceiverSaysSo) {
  const std::string two = FrameOf(FrameType::kMessage, "1") + FrameOf(FrameType::kMessage, "2");
  FrameReader reader;
  int calls = 0;
  EXPECT_EQ(reader.Feed(two,
                        [&](FrameType, std::string_view) {
                          ++calls;
                          return false;
                        }),
            nullptr);
  EXPECT_EQ(calls, 1);
}

TEST(FrameTest, UnknownTypeAndVersionAreRefused) {
  const auto with = [](size_t at, char value) {
    std::string frame = FrameOf(FrameType::kMessage, "");
    frame[at] = value;
    const uint32_t crc = Crc32c(std::string_view(frame).substr(0, 16));
    frame.resize(16);
    Writer(&frame).Fixed32(crc);
    return frame;
  };
  Frames got;
  FrameReader a;
  EXPECT_STREQ(Read(a, with(4, 2), &got), "another version of the frame format");
  FrameReader b;
  EXPECT_STREQ(Read(b, with(5, 9), &got), "an unknown type of frame");
  FrameReader c;
  EXPECT_EQ(Read(c, with(5, 3), &got), nullptr);
}

TEST(FrameTest, HelloSurvivesTheWire) {
  const auto back = DecodeHello(EncodeHello(SomeHello()));
  ASSERT_TRUE(back.has_value());
  ExpectSame(*back, SomeHello());
  const auto ack = DecodeHelloAck(EncodeHelloAck({false, "why", SomeHello()}));
  ASSERT_TRUE(ack.has_value());
  EXPECT_FALSE(ack->accepted);
  EXPECT_EQ(ack->reason, "why");
  ExpectSame(ack->hello, SomeHello());
}

TEST(FrameTest, HelloWithFieldsOfALaterVersionIsUnderstood) {
  const std::string now = EncodeHello(SomeHello());
  Reader r(now);
  std::string inner(r.String());
  inner += "a field from the future";
  std::string later;
  Writer(&later).String(inner);
  const auto back = DecodeHello(later);
  ASSERT_TRUE(back.has_value());
  ExpectSame(*back, SomeHello());
}

TEST(FrameTest, CutOffOrNamelessHelloIsRefused) {
  const std::string whole = EncodeHelloAck({true, "", SomeHello()});
  for (size_t n = 0; n < whole.size(); ++n)
    EXPECT_FALSE(DecodeHelloAck(std::string_view(whole).substr(0, n)).has_value()) << n;
  Hello nobody = SomeHello();
  nobody.from = NodeId();
  EXPECT_FALSE(DecodeHello(EncodeHello(nobody)).has_value());
  Hello unbooted = SomeHello();
  unbooted.boot_id = 0;
  EXPECT_FALSE(DecodeHello(EncodeHello(unbooted)).has_value());
}

TEST(FrameTest, RandomBytesNeverMakeAFrame) {
  Random random(11);
  for (int run = 0; run < 2000; ++run) {
    std::string bytes(random.Between(1, 200), '\0');
    for (char& c : bytes) c = static_cast<char>(random.Next());
    if (random.Chance(50))
      bytes.replace(0, std::min<size_t>(4, bytes.size()), "SYNP");
    FrameReader reader;
    Frames got;
    Read(reader, bytes, &got);
    EXPECT_TRUE(got.empty());
    EXPECT_LE(reader.buffered(), kFrameHeaderBytes);
    DecodeHello(bytes);
    DecodeHelloAck(bytes);
  }
}

}  // namespace
}  // namespace synod::net
