// MetricsText: what a node answers to GET /metrics, as numbers that can be asked for.
//
// Contract      Takes the Prometheus text format, version 0.0.4; lines that are not of it are
//               skipped. What a node does not tell is 0: nodes of several versions may be asked.
// Thread        A plain value.   Errors: none.
#ifndef SYNOD_CLI_METRICS_TEXT_H_
#define SYNOD_CLI_METRICS_TEXT_H_

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace synod::cli {

class MetricsText {
 public:
  using Labels = std::map<std::string, std::string, std::less<>>;

  MetricsText() = default;
  explicit MetricsText(std::string_view text);

  bool Has(std::string_view name) const { return samples_.contains(name); }
  double Value(std::string_view name) const;
  struct Sample {
    Labels labels;
    double value = 0;
  };
  // All of a name, in the order of the text.
  const std::vector<Sample>& All(std::string_view name) const;

 private:
  std::map<std::string, std::vector<Sample>, std::less<>> samples_;
};

// Counts up to each bound, as a histogram of Prometheus has them; the last bound is infinite.
class Buckets {
 public:
  // Adds one sample of `..._bucket`.
  void Add(double bound, double count) { counts_[bound] += count; }
  void Add(const Buckets& other) {
    for (const auto& [bound, count] : other.counts_) counts_[bound] += count;
  }
  // What came since `before`, or all if the counts went back: the process is another.
  Buckets Since(const Buckets& before) const;
  double count() const { return counts_.empty() ? 0 : counts_.rbegin()->second; }
  // The value below which this part of all lies, interpolated within its bucket; 0 if there is
  // nothing. Above the highest finite bound: that bound.
  double Quantile(double part) const;

 private:
  std::map<double, double> counts_;
};

}  // namespace synod::cli

#endif  // SYNOD_CLI_METRICS_TEXT_H_
