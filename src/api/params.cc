#include <algorithm>

#include "src/api/encoding.h"
#include "src/api/request.h"

namespace synod::api {
namespace {

// More than any endpoint knows: the rest could only be unknown or repeated.
constexpr size_t kParamsMax = 32;

}  // namespace

Error Malformed(std::string detail) {
  return Error{Errc::kInvalidRequest, Outcome::kNotApplied, std::move(detail)};
}

Result<std::string_view> Params::Decode(std::string_view text) {
  if (text.find_first_of("%+") == std::string_view::npos)
    return text;
  std::optional<std::string> decoded = DecodePercent(text, /*plus_is_space=*/true);
  if (!decoded)
    return Malformed("the query has a '%' without two hex digits");
  decoded_.push_front(std::move(*decoded));
  return std::string_view(decoded_.front());
}

Status Params::Parse(std::string_view query) {
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view item = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (item.empty())
      continue;
    const size_t equals = std::min(item.find('='), item.size());
    Result<std::string_view> name = Decode(item.substr(0, equals));
    if (!name)
      return name.error();
    Result<std::string_view> value = Decode(item.substr(std::min(equals + 1, item.size())));
    if (!value)
      return value.error();
    if (Has(*name))
      return Malformed("the query parameter \"" + std::string(*name) + "\" is repeated");
    if (params_.size() >= kParamsMax)
      return Malformed("the query has more than " + std::to_string(kParamsMax) + " parameters");
    params_.push_back({*name, *value, false});
  }
  return Done();
}

bool Params::Has(std::string_view name) const {
  for (const Param& param : params_)
    if (param.name == name)
      return true;
  return false;
}

std::optional<std::string_view> Params::Take(std::string_view name) {
  for (Param& param : params_) {
    if (param.name != name)
      continue;
    param.taken = true;
    return param.value;
  }
  return std::nullopt;
}

Status Params::OptionalInteger(std::string_view name,
                               uint64_t lowest,
                               uint64_t highest,
                               std::optional<uint64_t>* out) {
  const std::optional<std::string_view> text = Take(name);
  if (!text)
    return Done();
  const std::optional<uint64_t> number = ParseInteger(*text);
  if (!number || *number < lowest || *number > highest)
    return Malformed(std::string(name) + " must be an integer from " + std::to_string(lowest) +
                     " to " + std::to_string(highest));
  *out = *number;
  return Done();
}

Status Params::Bool(std::string_view name, bool* out) {
  const std::optional<std::string_view> text = Take(name);
  if (!text)
    return Done();
  if (*text != "true" && *text != "false")
    return Malformed(std::string(name) + " must be true or false");
  *out = *text == "true";
  return Done();
}

Status Params::Finish() const {
  for (const Param& param : params_)
    if (!param.taken)
      return Malformed("the query parameter \"" + std::string(param.name) + "\" is not known here");
  return Done();
}

void Params::AppendCanonical(std::string* out) const {
  std::vector<const Param*> sorted;
  for (const Param& param : params_)
    if (param.name != "timeout_ms" && param.name != "encoding")
      sorted.push_back(&param);
  std::sort(sorted.begin(), sorted.end(),
            [](const Param* a, const Param* b) { return a->name < b->name; });
  Writer writer(out);
  writer.Varint(sorted.size());
  for (const Param* param : sorted) {
    writer.String(param->name);
    writer.String(param->value);
  }
}

}  // namespace synod::api
