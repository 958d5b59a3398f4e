// Json, Fields: request bodies, read strictly.
//
// Contract      ParseJson() refuses what RFC 8259 does not allow, and duplicate keys, which parsers
//               resolve differently (ours would have the last one win in silence). Fields takes the
//               members of one object by name and refuses those that nobody took. Numbers are
//               integers from 0 to 2^53 - 1: no sign, fraction or exponent.
// Bounds        At most kJsonValuesMax values and kJsonMembersMax members an object, 32 levels: a
//               body of 2 MiB cannot take more than some megabytes here.
// Thread        Any.
// Errors        kInvalidJson for the text, kInvalidRequest (detail names the field) for the
//               meaning, kTooLarge (with *limit) for sizes.
#ifndef SYNOD_API_JSON_READER_H_
#define SYNOD_API_JSON_READER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/error.h"
#include "src/base/types.h"

namespace synod::api {

inline constexpr size_t kJsonValuesMax = 16'384;
inline constexpr size_t kJsonMembersMax = 64;

struct Json {
  enum class Kind : uint8_t {
    kNull,
    kBool,
    kInteger,      // from 0 to 2^53 - 1
    kOtherNumber,  // anything else
    kString,
    kArray,
    kObject
  };
  struct Member;

  Kind kind = Kind::kNull;
  bool boolean = false;
  uint64_t integer = 0;
  std::string text;
  std::vector<Json> items;
  std::vector<Member> members;
};

struct Json::Member {
  std::string key;
  Json value;
};

Result<Json> ParseJson(std::string_view text, std::optional<uint64_t>* limit);

// Takes the members of one object. The outputs are left alone where a field is absent.
class Fields {
 public:
  // `where` precedes field names in details: "then[3].put.". `object` must be of kObject.
  Fields(Json* object, std::string where);

  enum class Need : uint8_t { kOptional, kRequired };

  bool empty() const { return object_->members.empty(); }
  bool Has(std::string_view name) const;
  // The member whatever its kind, or null.
  Json* Take(std::string_view name);
  Status Integer(std::string_view name, uint64_t lowest, uint64_t highest, Need, uint64_t* out);
  Status Bool(std::string_view name, bool* out);
  Status Text(std::string_view name, Need, std::string* out);
  // A valid path.
  Status Path(std::string_view name, std::string* out);
  // "value" or "value_base64", not both, within `limit` bytes (else *refused_limit is set).
  Status Value(Need, uint64_t limit, Bytes* out, std::optional<uint64_t>* refused_limit);
  // At least one integer from 1 to `highest`; `what` says of what they are the ids.
  Status Numbers(std::string_view name,
                 uint64_t highest,
                 std::string_view what,
                 std::vector<uint64_t>* out);
  // The elements of an array, or nothing if it is absent.
  Result<std::vector<Json>*> Array(std::string_view name);
  // An error if a member was never taken.
  Status Finish() const;

  const std::string& where() const { return where_; }
  Error Wrong(std::string_view name, std::string_view why) const;

 private:
  Json* object_;
  std::string where_;
  uint64_t taken_ = 0;  // bit i: member i
};

}  // namespace synod::api

#endif  // SYNOD_API_JSON_READER_H_
