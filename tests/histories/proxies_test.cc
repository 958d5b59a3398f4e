// The network faults themselves: what is held stays held, in one direction, and what is not passes.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <set>

#include "src/net/frame.h"
#include "tests/histories/partitions.h"
#include "tests/histories/peer_proxies.h"
#include "tests/integration/cluster.h"

namespace synod::histories {
namespace {

using integration::Connection;
using integration::HttpFailure;
using integration::Milliseconds;

// A listener that stands for node 2; its connection, once node 1 has dialed it.
class FakeNode {
 public:
  FakeNode() : port_(integration::ReservePorts()), listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(listener_, 8), 0);
  }
  ~FakeNode() {
    close(listener_);
    close(fd_);
  }
  uint16_t port() const { return port_; }
  void Accept() { fd_ = accept(listener_, nullptr, nullptr); }
  std::string Read(size_t n) const {
    std::string bytes(n, '\0');
    EXPECT_EQ(recv(fd_, bytes.data(), n, MSG_WAITALL), static_cast<ssize_t>(n));
    return bytes;
  }
  void Write(const std::string& bytes) const {
    EXPECT_EQ(send(fd_, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }
  // What came so far, without waiting.
  bool HasSomething() const {
    char byte = 0;
    return recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
  }

 private:
  uint16_t port_;
  int listener_;
  int fd_ = -1;
};

class PeerProxiesTest : public testing::Test {
 protected:
  PeerProxiesTest() {
    const uint16_t first = proxies_.Add(1, integration::ReservePorts());
    dialer_ = std::make_unique<Connection>(proxies_.Add(2, node_.port()));
    net::Hello hello;
    hello.from = NodeId{1};
    hello.boot_id = 1;
    hello.peer_address = "127.0.0.1:" + std::to_string(first);
    const Bytes body = net::EncodeHello(hello);
    std::string frame;
    net::AppendFrameHeader(net::FrameType::kHello, body, &frame);
    frame += body;
    EXPECT_TRUE(dialer_->Send(frame));
    node_.Accept();
    EXPECT_EQ(node_.Read(frame.size()), frame);
  }

  FakeNode node_;
  PeerProxies proxies_;
  std::unique_ptr<Connection> dialer_;
};

TEST_F(PeerProxiesTest, PassesBytesInBothDirections) {
  EXPECT_TRUE(dialer_->Send("there"));
  EXPECT_EQ(node_.Read(5), "there");
  node_.Write("back");
  EXPECT_EQ(dialer_->ReadBytes(4), "back");
}

TEST_F(PeerProxiesTest, HoldsOneDirectionUntilItIsReleased) {
  proxies_.Hold(1, 2);
  EXPECT_TRUE(dialer_->Send("there"));
  for (int i = 0; i < 50; ++i) {
    node_.Write("back");
    EXPECT_EQ(dialer_->ReadBytes(4), "back");
  }
  EXPECT_FALSE(node_.HasSomething());
  proxies_.ReleaseAll();
  EXPECT_EQ(node_.Read(5), "there");
}

TEST_F(PeerProxiesTest, HoldsTheAnswersOfTheOtherDirection) {
  proxies_.Hold(2, 1);
  node_.Write("back");
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(dialer_->Send("there"));
    EXPECT_EQ(node_.Read(5), "there");
  }
  EXPECT_THROW(dialer_->ReadBytes(4, Milliseconds(0)), HttpFailure);
  proxies_.ReleaseAll();
  EXPECT_EQ(dialer_->ReadBytes(4), "back");
}

TEST_F(PeerProxiesTest, CutsWhatTheTwoHave) {
  proxies_.Cut(2, 1);
  EXPECT_TRUE(dialer_->AwaitClose(Milliseconds(10'000)));
}

// Whether `a` and `b` hear each other.
bool Joined(const Partition& partition, int a, int b) {
  return !partition.lost.contains({a, b}) && !partition.lost.contains({b, a});
}

TEST(PartitionsTest, HaveTheShapesOfTheirNames) {
  std::map<std::string, int> seen;
  for (uint64_t seed = 0; seed < 500; ++seed) {
    Random random(seed);
    const Partition partition = DrawPartition({1, 2, 3, 4, 5}, &random);
    ++seen[partition.name];
    std::multiset<int> joined;  // for each node, with how many it is joined
    for (int a = 1; a <= 5; ++a) {
      int count = 0;
      for (int b = 1; b <= 5; ++b) count += a != b && Joined(partition, a, b) ? 1 : 0;
      joined.insert(count);
    }
    const std::map<std::string, std::multiset<int>> shapes = {
        {"isolate", {0, 3, 3, 3, 3}}, {"split", {1, 1, 2, 2, 2}},   {"deaf", {0, 3, 3, 3, 3}},
        {"mute", {0, 3, 3, 3, 3}},    {"one-way", {3, 3, 4, 4, 4}}, {"bridge", {2, 2, 2, 2, 4}},
        {"ring", {2, 2, 2, 2, 2}}};
    EXPECT_EQ(joined, shapes.at(partition.name)) << partition.name << ", seed " << seed;
    const bool simplex = partition.name == "deaf" || partition.name == "mute";
    EXPECT_TRUE(!simplex || partition.lost.size() == 4U) << partition.name;
  }
  EXPECT_EQ(seen.size(), 7U);
}

}  // namespace
}  // namespace synod::histories
