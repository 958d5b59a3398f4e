// SampleHello: a Hello with something in every field, for tests of its bytes.
//
// Contract      Part of the golden bytes in tests/golden/formats: change it in copies only.
#ifndef SYNOD_TESTS_SUPPORT_SAMPLE_HELLO_H_
#define SYNOD_TESTS_SUPPORT_SAMPLE_HELLO_H_

#include "src/net/peer_transport.h"

namespace synod::net {

inline Hello SampleHello() {
  Hello hello;
  hello.cluster_id = "0123456789abcdef0123456789abcdef";
  hello.founded = true;
  hello.from = NodeId(3);
  hello.uuid = "uuid-3";
  hello.to = NodeId(1);
  hello.boot_id = 77;
  hello.name = "node-3";
  hello.peer_address = "h3:7302";
  hello.client_url = "http://h3:7301";
  hello.features = 5;
  hello.payload = "moved";
  hello.machine_version = 1;
  return hello;
}

}  // namespace synod::net

#endif  // SYNOD_TESTS_SUPPORT_SAMPLE_HELLO_H_
