// JSON as the client and the CLI read it: tolerant of what newer servers add.
//
// Contract      What is absent or of another type reads as null, 0, false or empty; nothing throws.
// Thread        Any.
// Not here      Public headers: users of the library see no JSON.
#ifndef SYNOD_CLIENT_JSON_H_
#define SYNOD_CLIENT_JSON_H_

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "src/client/call.h"

namespace synod::client {

// The body as JSON; null if it is none.
boost::json::value Json(const Answer& answer);
// The same as an object; empty if it is none.
boost::json::object JsonObject(std::string_view text);

uint64_t NumberOf(const boost::json::object& object, std::string_view name);
std::string TextOf(const boost::json::object& object, std::string_view name);
// The bytes of a `value` or `value_base64`, whichever is there; false if neither is.
bool ValueOf(const boost::json::object& object, std::string* value);
// Puts a value into a request, by the name that fits its bytes.
void SetValue(std::string_view bytes, boost::json::object* object);

std::string ToBase64(std::string_view bytes);
std::string FromBase64(std::string_view text);

}  // namespace synod::client

#endif  // SYNOD_CLIENT_JSON_H_
