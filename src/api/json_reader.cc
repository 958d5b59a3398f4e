#include "src/api/json_reader.h"

#include <boost/json/basic_parser_impl.hpp>

#include "src/api/encoding.h"
#include "src/base/check.h"
#include "src/base/path.h"

namespace synod::api {
namespace {

using boost::system::error_code;
using JsonText = boost::json::string_view;

// Builds a Json from the parser's events. Open containers are on a stack of values that are moved
// into their parents when they close.
class Builder {
 public:
  // Required by the parser; the real bounds are on the number of values and the body's size.
  static constexpr size_t max_object_size = size_t{1} << 20;
  static constexpr size_t max_array_size = size_t{1} << 20;
  static constexpr size_t max_key_size = size_t{1} << 16;
  static constexpr size_t max_string_size = size_t{1} << 30;

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_array_begin(error_code& ec) { return Open(Json::Kind::kArray, ec); }
  bool on_array_end(size_t, error_code& ec) { return Close(ec); }
  bool on_object_begin(error_code& ec) { return Open(Json::Kind::kObject, ec); }
  bool on_object_end(size_t, error_code& ec) { return Close(ec); }
  bool on_string_part(JsonText part, size_t, error_code&) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool on_string(JsonText part, size_t, error_code& ec) {
    Json value;
    value.kind = Json::Kind::kString;
    value.text = std::move(text_);
    value.text.append(part.data(), part.size());
    text_.clear();
    return Add(std::move(value), ec);
  }
  bool on_key_part(JsonText part, size_t, error_code&) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool on_key(JsonText part, size_t, error_code& ec) {
    text_.append(part.data(), part.size());
    std::vector<Json::Member>& members = open_.back().members;
    for (const Json::Member& member : members)
      if (member.key == text_)
        return Fail("the key \"" + text_ + "\" appears twice", ec);
    if (members.size() >= kJsonMembersMax)
      return Fail("an object has more than " + std::to_string(kJsonMembersMax) + " members", ec);
    members.push_back({std::move(text_), Json{}});
    text_.clear();
    return true;
  }
  bool on_number_part(JsonText part, error_code&) {
    // Only asked about when the number came in pieces, which a whole buffer never does.
    signed_ = signed_ || (!part.empty() && part.front() == '-');
    return true;
  }
  bool on_int64(int64_t number, JsonText digits, error_code& ec) {
    const bool negative = signed_ || number < 0 || (!digits.empty() && digits.front() == '-');
    signed_ = false;
    return AddNumber(negative ? kIntegerMax + 1 : static_cast<uint64_t>(number), ec);
  }
  bool on_uint64(uint64_t number, JsonText, error_code& ec) { return AddNumber(number, ec); }
  bool on_double(double, JsonText, error_code& ec) { return AddNumber(kIntegerMax + 1, ec); }
  bool on_bool(bool b, error_code& ec) {
    Json value;
    value.kind = Json::Kind::kBool;
    value.boolean = b;
    return Add(std::move(value), ec);
  }
  bool on_null(error_code& ec) { return Add(Json{}, ec); }
  bool on_comment_part(JsonText, error_code&) { return true; }
  bool on_comment(JsonText, error_code&) { return true; }

  Json& root() { return root_; }
  const std::string& failure() const { return failure_; }
  bool too_many() const { return values_ > kJsonValuesMax; }

 private:
  bool Fail(std::string why, error_code& ec) {
    failure_ = std::move(why);
    ec = boost::json::error::exception;  // any error stops the parser; `failure_` is what counts
    return false;
  }
  bool Count(error_code& ec) {
    if (++values_ <= kJsonValuesMax)
      return true;
    return Fail("the body has more than " + std::to_string(kJsonValuesMax) + " values", ec);
  }
  bool Open(Json::Kind kind, error_code& ec) {
    open_.emplace_back();
    open_.back().kind = kind;
    return Count(ec);
  }
  bool Close(error_code& ec) {
    Json value = std::move(open_.back());
    open_.pop_back();
    --values_;  // counted when it opened
    return Add(std::move(value), ec);
  }
  bool AddNumber(uint64_t number, error_code& ec) {
    Json value;
    value.kind = number <= kIntegerMax ? Json::Kind::kInteger : Json::Kind::kOtherNumber;
    value.integer = number;
    return Add(std::move(value), ec);
  }
  bool Add(Json value, error_code& ec) {
    if (open_.empty())
      root_ = std::move(value);
    else if (open_.back().kind == Json::Kind::kArray)
      open_.back().items.push_back(std::move(value));
    else
      open_.back().members.back().value = std::move(value);
    return Count(ec);
  }

  Json root_;
  std::vector<Json> open_;
  std::string text_;
  std::string failure_;
  size_t values_ = 0;
  bool signed_ = false;
};

Error InvalidJson(std::string detail) {
  return Error{Errc::kInvalidJson, Outcome::kNotApplied, std::move(detail)};
}

}  // namespace

Result<Json> ParseJson(std::string_view text, std::optional<uint64_t>* limit) {
  boost::json::basic_parser<Builder> parser(boost::json::parse_options{});
  error_code ec;
  const size_t used = parser.write_some(false, text.data(), text.size(), ec);
  const Builder& builder = parser.handler();
  if (builder.too_many()) {
    *limit = kJsonValuesMax;
    return Error{Errc::kTooLarge, Outcome::kNotApplied, builder.failure()};
  }
  if (!builder.failure().empty())
    return InvalidJson(builder.failure());
  if (ec)
    return InvalidJson("at byte " + std::to_string(used) + ": " + ec.message());
  if (used != text.size())
    return InvalidJson("at byte " + std::to_string(used) + ": more after the end of the document");
  return std::move(parser.handler().root());
}

Fields::Fields(Json* object, std::string where) : object_(object), where_(std::move(where)) {
  SYNOD_CHECK(object_->kind == Json::Kind::kObject);
  SYNOD_CHECK_LE(object_->members.size(), kJsonMembersMax);
}

bool Fields::Has(std::string_view name) const {
  for (const Json::Member& member : object_->members)
    if (member.key == name)
      return true;
  return false;
}

Json* Fields::Take(std::string_view name) {
  for (size_t i = 0; i < object_->members.size(); ++i) {
    if (object_->members[i].key != name)
      continue;
    taken_ |= uint64_t{1} << i;
    return &object_->members[i].value;
  }
  return nullptr;
}

Error Fields::Wrong(std::string_view name, std::string_view why) const {
  std::string detail = where_;
  detail.append(name).append(" ").append(why);
  return Error{Errc::kInvalidRequest, Outcome::kNotApplied, std::move(detail)};
}

Status Fields::Integer(
    std::string_view name, uint64_t lowest, uint64_t highest, Need need, uint64_t* out) {
  const Json* json = Take(name);
  if (json == nullptr)
    return need == Need::kRequired ? Status(Wrong(name, "is missing")) : Done();
  if (json->kind != Json::Kind::kInteger || json->integer < lowest || json->integer > highest)
    return Wrong(name, "must be an integer from " + std::to_string(lowest) + " to " +
                           std::to_string(highest));
  *out = json->integer;
  return Done();
}

Status Fields::Bool(std::string_view name, bool* out) {
  const Json* json = Take(name);
  if (json == nullptr)
    return Done();
  if (json->kind != Json::Kind::kBool)
    return Wrong(name, "must be true or false");
  *out = json->boolean;
  return Done();
}

Status Fields::Text(std::string_view name, Need need, std::string* out) {
  Json* json = Take(name);
  if (json == nullptr)
    return need == Need::kRequired ? Status(Wrong(name, "is missing")) : Done();
  if (json->kind != Json::Kind::kString)
    return Wrong(name, "must be a string");
  *out = std::move(json->text);
  return Done();
}

Status Fields::Path(std::string_view name, std::string* out) {
  if (Status s = Text(name, Need::kRequired, out); !s)
    return s;
  if (Status s = ValidatePath(*out); !s)
    return Error{Errc::kInvalidPath, Outcome::kNotApplied,
                 where_ + std::string(name) + ": " + s.error().detail};
  return Done();
}

Status Fields::Value(Need need,
                     uint64_t limit,
                     Bytes* out,
                     std::optional<uint64_t>* refused_limit) {
  if (Has("value") && Has("value_base64"))
    return Wrong("value", "and value_base64 exclude each other");
  std::string_view name = "value";
  if (Has("value_base64")) {
    name = "value_base64";
    std::string text;
    if (Status s = Text(name, Need::kRequired, &text); !s)
      return s;
    std::optional<std::string> bytes = DecodeBase64(text);
    if (!bytes)
      return Wrong(name, "must be base64 (RFC 4648, section 4, with padding)");
    *out = std::move(*bytes);
  } else if (Status s = Text(name, need, out); !s) {
    return s;
  }
  if (out->size() <= limit)
    return Done();
  *refused_limit = limit;
  return Error{Errc::kTooLarge, Outcome::kNotApplied,
               where_ + std::string(name) + " is larger than a value may be"};
}

Result<std::vector<Json>*> Fields::Array(std::string_view name) {
  Json* json = Take(name);
  if (json == nullptr)
    return static_cast<std::vector<Json>*>(nullptr);
  if (json->kind != Json::Kind::kArray)
    return Wrong(name, "must be an array");
  return &json->items;
}

Status Fields::Numbers(std::string_view name,
                       uint64_t highest,
                       std::string_view what,
                       std::vector<uint64_t>* out) {
  Result<std::vector<Json>*> items = Array(name);
  if (!items)
    return items.error();
  if (*items == nullptr || (*items)->empty())
    return Wrong(name, "must name at least one " + std::string(what));
  for (const Json& item : **items) {
    if (item.kind != Json::Kind::kInteger || item.integer == 0 || item.integer > highest)
      return Wrong(name, "must have integers from 1 to " + std::to_string(highest));
    out->push_back(item.integer);
  }
  return Done();
}

Status Fields::Finish() const {
  for (size_t i = 0; i < object_->members.size(); ++i)
    if ((taken_ >> i & 1) == 0)
      return Wrong(object_->members[i].key, "is not a field here");
  return Done();
}

}  // namespace synod::api
