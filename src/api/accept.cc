#include "src/api/accept.h"

#include <algorithm>
#include <array>
#include <string>

namespace synod::api {
namespace {

struct Offer {
  std::string_view type;
  std::string_view subtype;
};

// In the order of StreamFormat, which is the order of preference.
constexpr std::array<Offer, 3> kOffers = {
    {{"text", "event-stream"}, {"application", "x-ndjson"}, {"application", "json"}}};

struct Grade {
  int precision = -1;  // 0: */*, 1: text/*, 2: the type itself; -1: not named
  int weight = 0;      // q in thousandths
};

std::string_view Trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

// Cuts the part before `separator` off *s.
std::string_view Next(std::string_view* s, char separator) {
  const size_t end = s->find(separator);
  const std::string_view part = Trim(s->substr(0, end));
  *s = end == std::string_view::npos ? std::string_view() : s->substr(end + 1);
  return part;
}

// qvalue = 0[.ddd] or 1[.000]; nullopt if it is none.
std::optional<int> ParseWeight(std::string_view q) {
  if (q.empty() || q.size() > 5 || (q[0] != '0' && q[0] != '1') || (q.size() > 1 && q[1] != '.'))
    return std::nullopt;
  int weight = (q[0] - '0') * 1000;
  int unit = 100;
  for (size_t i = 2; i < q.size(); ++i, unit /= 10) {
    if (q[i] < '0' || q[i] > '9')
      return std::nullopt;
    weight += (q[i] - '0') * unit;
  }
  return weight <= 1000 ? std::optional<int>(weight) : std::nullopt;
}

void GradeBy(std::string_view element, std::array<Grade, 3>* grades) {
  std::string lower(element);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  std::string_view parameters = lower;
  std::string_view subtype = Next(&parameters, ';');
  const std::string_view type = Next(&subtype, '/');
  int weight = 1000;
  while (!parameters.empty()) {
    const std::string_view parameter = Next(&parameters, ';');
    if (!parameter.starts_with("q="))
      continue;
    const std::optional<int> q = ParseWeight(parameter.substr(2));
    if (!q)
      return;
    weight = *q;
  }
  for (size_t i = 0; i < kOffers.size(); ++i) {
    int precision = -1;
    if (type == "*" && subtype == "*")
      precision = 0;
    else if (type == kOffers[i].type && subtype == "*")
      precision = 1;
    else if (type == kOffers[i].type && subtype == kOffers[i].subtype)
      precision = 2;
    Grade& grade = (*grades)[i];
    if (precision > grade.precision)
      grade = {precision, weight};
  }
}

}  // namespace

std::optional<StreamFormat> ChooseFormat(const std::vector<std::string_view>& accept,
                                         bool offer_long_poll) {
  if (accept.empty())
    return StreamFormat::kSse;
  std::array<Grade, 3> grades;
  for (std::string_view list : accept)
    while (!list.empty()) GradeBy(Next(&list, ','), &grades);
  std::optional<size_t> best;
  const size_t offered = offer_long_poll ? 3 : 2;
  for (size_t i = 0; i < offered; ++i) {
    if (grades[i].precision < 0 || grades[i].weight == 0)
      continue;
    if (!best || grades[i].weight > grades[*best].weight ||
        (grades[i].weight == grades[*best].weight && grades[i].precision > grades[*best].precision))
      best = i;
  }
  if (!best)
    return std::nullopt;
  return static_cast<StreamFormat>(*best);
}

}  // namespace synod::api
