#include "cli/metrics_text.h"

#include <charconv>
#include <cmath>
#include <optional>

namespace synod::cli {
namespace {

struct Line {
  std::string_view name;
  MetricsText::Sample sample;
};

// `{a="b",c="d"}` at the beginning of *rest, with the escapes of the format.
bool TakeLabels(std::string_view* rest, MetricsText::Labels* labels) {
  rest->remove_prefix(1);
  while (!rest->empty() && rest->front() != '}') {
    const size_t equals = rest->find("=\"");
    if (equals == std::string_view::npos)
      return false;
    std::string& value = (*labels)[std::string(rest->substr(0, equals))];
    rest->remove_prefix(equals + 2);
    while (!rest->empty() && rest->front() != '"') {
      const bool escaped = rest->front() == '\\' && rest->size() > 1;
      if (escaped)
        rest->remove_prefix(1);
      value += escaped && rest->front() == 'n' ? '\n' : rest->front();
      rest->remove_prefix(1);
    }
    if (rest->empty())
      return false;
    rest->remove_prefix(1);
    if (rest->starts_with(','))
      rest->remove_prefix(1);
  }
  if (rest->empty())
    return false;
  rest->remove_prefix(1);
  return true;
}

std::optional<Line> ParseLine(std::string_view text) {
  if (text.empty() || text.front() == '#')
    return std::nullopt;
  Line line;
  const size_t end = text.find_first_of("{ ");
  if (end == std::string_view::npos)
    return std::nullopt;
  line.name = text.substr(0, end);
  text.remove_prefix(end);
  if (text.front() == '{' && !TakeLabels(&text, &line.sample.labels))
    return std::nullopt;
  while (text.starts_with(' ')) text.remove_prefix(1);
  if (text.starts_with('+'))
    text.remove_prefix(1);
  const auto [stop, error] =
      std::from_chars(text.data(), text.data() + text.size(), line.sample.value);
  if (error != std::errc() || stop == text.data())
    return std::nullopt;
  return line;
}

}  // namespace

MetricsText::MetricsText(std::string_view text) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (std::optional<Line> line = ParseLine(text.substr(0, end))) {
      auto it = samples_.find(line->name);
      if (it == samples_.end())
        it = samples_.try_emplace(std::string(line->name)).first;
      it->second.push_back(std::move(line->sample));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

const std::vector<MetricsText::Sample>& MetricsText::All(std::string_view name) const {
  static const std::vector<Sample> kNone;
  const auto it = samples_.find(name);
  return it == samples_.end() ? kNone : it->second;
}

double MetricsText::Value(std::string_view name) const {
  const std::vector<Sample>& all = All(name);
  return all.empty() ? 0 : all.front().value;
}

Buckets Buckets::Since(const Buckets& before) const {
  Buckets since;
  for (const auto& [bound, count] : counts_) {
    const auto it = before.counts_.find(bound);
    const double old = it == before.counts_.end() ? 0 : it->second;
    if (old > count)
      return *this;
    since.counts_[bound] = count - old;
  }
  return since;
}

double Buckets::Quantile(double part) const {
  const double wanted = part * count();
  if (wanted <= 0)
    return 0;
  double low = 0;
  double below = 0;
  for (const auto& [bound, count] : counts_) {
    if (count >= wanted)
      return std::isinf(bound) ? low : low + (bound - low) * (wanted - below) / (count - below);
    low = bound;
    below = count;
  }
  return low;
}

}  // namespace synod::cli
