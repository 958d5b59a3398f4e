#include "src/auth/settings.h"

namespace synod::auth {

void Write(Writer& writer, const Settings& settings) {
  writer.Nested([&](Writer& w) {
    w.Varint(settings.value_bytes_max);
    w.Signed(settings.lease_ttl_ms_min);
    w.Signed(settings.lease_ttl_ms_max);
    w.Signed(settings.history_keep_ms);
    w.Varint(settings.history_keep_bytes);
    w.Signed(settings.idempotency_retention_ms);
    w.Varint(settings.idempotency_bytes_max);
    w.Varint(settings.quota_bytes);
  });
}

Settings ReadSettings(Reader& reader) {
  Reader r(reader.String());
  Settings settings;
  settings.value_bytes_max = r.Varint();
  settings.lease_ttl_ms_min = r.Signed();
  settings.lease_ttl_ms_max = r.Signed();
  settings.history_keep_ms = r.Signed();
  settings.history_keep_bytes = r.Varint();
  settings.idempotency_retention_ms = r.Signed();
  settings.idempotency_bytes_max = r.Varint();
  settings.quota_bytes = r.Varint();
  if (!r.ok())
    reader.Fail();
  return settings;
}

}  // namespace synod::auth
