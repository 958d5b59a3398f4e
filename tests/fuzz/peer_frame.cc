// What peers send. The first byte chooses: a stream of frames, the body of one, a greeting.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "src/net/frame.h"
#include "src/node/engine_frames.h"

namespace {

void Stream(std::string_view in, size_t piece) {
  synod::net::FrameReader reader;
  reader.set_body_max(synod::net::kFrameBodyMax);
  while (!in.empty()) {
    const auto each = [](synod::net::FrameType, std::string_view body) {
      (void)synod::node::ParseFrame(body);
      return true;
    };
    if (reader.Feed(in.substr(0, piece), each) != nullptr)
      return;
    in.remove_prefix(std::min(piece, in.size()));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0)
    return 0;
  const std::string_view in(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 4 == 0)
    Stream(in, 1 + data[0] / 4);
  else if (data[0] % 4 == 1)
    (void)synod::net::DecodeHello(in);
  else if (data[0] % 4 == 2)
    (void)synod::net::DecodeHelloAck(in);
  else
    (void)synod::node::ParseFrame(in);
  return 0;
}
