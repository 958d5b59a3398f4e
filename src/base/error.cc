#include "src/base/error.h"

#include <array>

#include "src/base/check.h"

namespace synod {
namespace {

constexpr std::array<std::string_view, kErrcCount> kNames = {
    "ok",
    "invalid_request",
    "invalid_path",
    "invalid_json",
    "unauthenticated",
    "permission_denied",
    "not_found",
    "lease_not_found",
    "lock_not_held",
    "method_not_allowed",
    "not_acceptable",
    "request_timeout",
    "length_required",
    "uri_too_long",
    "unsupported_media_type",
    "expectation_failed",
    "request_header_fields_too_large",
    "not_implemented",
    "http_version_not_supported",
    "not_empty",
    "managed_node",
    "leased_parent",
    "wrong_kind",
    "held_otherwise",
    "limit_mismatch",
    "quota_exceeded",
    "request_expired",
    "membership_refused",
    "compacted",
    "precondition_failed",
    "fenced",
    "too_large",
    "idempotency_key_reused",
    "lock_unavailable",
    "overloaded",
    "rate_limited",
    "no_leader",
    "no_quorum",
    "not_ready",
    "storage_full",
    "shutting_down",
    "deadline_exceeded",
    "internal",
};

}  // namespace

std::string_view Name(Errc code) {
  const auto i = static_cast<size_t>(code);
  SYNOD_CHECK_LT(i, kNames.size());
  return kNames[i];
}

void throw_exception_from_error(const Error& e, const boost::source_location& where) {
  base::CheckFailed(where.file_name(), static_cast<int>(where.line()),
                    "value() of a Result that holds an error",
                    std::string(Name(e.code)) + ": " + e.detail);
}

}  // namespace synod
