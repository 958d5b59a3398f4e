#include "tests/histories/appends.h"

#include <algorithm>
#include <map>
#include <optional>

#include "tests/histories/cycles.h"

namespace synod::histories {
namespace {

using Elements = std::vector<uint64_t>;

class Judge {
 public:
  explicit Judge(std::span<const AppendTransaction> transactions) : all_(transactions) {}

  std::vector<std::string> Run() {
    FindAppenders();
    FindOrders();
    if (wrong_.empty())
      JudgeOwnReads();
    if (wrong_.empty())
      FindCycle();
    return wrong_;
  }

 private:
  void FindAppenders();
  void FindOrders();
  void JudgeOrder(uint64_t list, const Elements& order);
  void JudgeOwnReads();
  void FindCycle();
  void LinkData(Graph* graph) const;
  void LinkRealTime(Graph* graph) const;
  bool Happened(size_t i) const {
    return all_[i].returned != AppendTransaction::kNever || seen_[i];
  }
  std::string Describe(size_t i) const;

  std::span<const AppendTransaction> all_;
  std::map<uint64_t, size_t> appender_;  // by element
  std::map<uint64_t, uint64_t> list_of_;
  std::map<uint64_t, Elements> order_;              // by list: the longest read
  std::map<uint64_t, std::vector<size_t>> unread_;  // by list: who happened and is in no read
  std::vector<bool> seen_;                          // some read shows an element of it
  std::vector<std::string> wrong_;
};

void Judge::FindAppenders() {
  for (size_t i = 0; i < all_.size(); ++i) {
    for (const ListAppend& append : all_[i].appends) {
      appender_[append.element] = i;
      list_of_[append.element] = append.list;
    }
  }
}

void Judge::FindOrders() {
  for (const AppendTransaction& t : all_)
    for (const ListRead& read : t.reads)
      if (Elements& longest = order_[read.list]; read.elements.size() > longest.size())
        longest = read.elements;
  for (const AppendTransaction& t : all_)
    for (const ListRead& read : t.reads)
      if (!std::equal(read.elements.begin(), read.elements.end(), order_[read.list].begin()))
        wrong_.push_back("list " + std::to_string(read.list) + ": two reads disagree on its order");
  seen_.assign(all_.size(), false);
  for (const auto& [list, order] : order_) JudgeOrder(list, order);
  for (size_t i = 0; i < all_.size(); ++i) {
    for (const ListAppend& append : all_[i].appends) {
      const Elements& order = order_[append.list];
      if (Happened(i) && std::find(order.begin(), order.end(), append.element) == order.end())
        unread_[append.list].push_back(i);
    }
  }
}

void Judge::JudgeOrder(uint64_t list, const Elements& order) {
  std::map<uint64_t, int> times;
  for (const uint64_t element : order) {
    const std::string what = "list " + std::to_string(list) + " has " + std::to_string(element);
    const auto appender = appender_.find(element);
    if (++times[element] == 2)
      wrong_.push_back(what + " twice");
    if (appender == appender_.end())
      wrong_.push_back(what + ", which nobody appended");
    else if (list_of_[element] != list)
      wrong_.push_back(what + ", which belongs to list " + std::to_string(list_of_[element]));
    else
      seen_[appender->second] = true;
  }
}

// A transaction sees what it appended, at the end.
void Judge::JudgeOwnReads() {
  for (const AppendTransaction& t : all_) {
    for (const ListRead& read : t.reads) {
      Elements own;
      for (const ListAppend& append : t.appends)
        if (append.list == read.list)
          own.push_back(append.element);
      if (own.size() > read.elements.size() ||
          !std::equal(own.rbegin(), own.rend(), read.elements.rbegin()))
        wrong_.push_back("list " + std::to_string(read.list) +
                         ": a transaction does not end with its own appends");
    }
  }
}

// An edge means: takes effect before.
void Judge::LinkData(Graph* graph) const {
  for (const auto& [list, order] : order_) {
    const auto unread = unread_.find(list);
    for (size_t n = 1; n < order.size(); ++n)
      graph->Link(appender_.at(order[n - 1]), appender_.at(order[n]));
    if (unread != unread_.end() && !order.empty())
      for (const size_t later : unread->second) graph->Link(appender_.at(order.back()), later);
  }
  for (size_t i = 0; i < all_.size(); ++i) {
    for (const ListRead& read : all_[i].reads) {
      const Elements& order = order_.at(read.list);
      const size_t n = read.elements.size();
      if (n > 0)
        graph->Link(appender_.at(order[n - 1]), i);
      if (n < order.size()) {
        graph->Link(i, appender_.at(order[n]));
      } else if (const auto unread = unread_.find(read.list); unread != unread_.end()) {
        for (const size_t later : unread->second) graph->Link(i, later);
      }
    }
  }
}

// A chain of moments stands for the edges from each return to each later call.
void Judge::LinkRealTime(Graph* graph) const {
  struct Point {
    int64_t time;
    bool is_return;
    size_t transaction;
  };
  std::vector<Point> points;
  for (size_t i = 0; i < all_.size(); ++i) {
    if (!Happened(i))
      continue;
    points.push_back({all_[i].called, false, i});
    if (all_[i].returned != AppendTransaction::kNever)
      points.push_back({all_[i].returned, true, i});
  }
  std::sort(points.begin(), points.end(), [](const Point& a, const Point& b) {
    return a.time != b.time ? a.time < b.time : a.is_return < b.is_return;
  });
  std::optional<size_t> moment;
  for (const Point& point : points) {
    if (!point.is_return) {
      if (moment)
        graph->Link(*moment, point.transaction);
      continue;
    }
    const size_t next = graph->AddNode();
    if (moment)
      graph->Link(*moment, next);
    graph->Link(point.transaction, next);
    moment = next;
  }
}

void Judge::FindCycle() {
  Graph graph(all_.size());
  LinkData(&graph);
  LinkRealTime(&graph);
  const std::vector<size_t> cycle = graph.ShortCycle();
  if (cycle.empty())
    return;
  std::string text = "each of these takes effect before the next, and the last before the first:";
  for (const size_t node : cycle)
    if (node < all_.size())
      text += "\n    " + Describe(node);
  wrong_.push_back(text);
}

std::string Judge::Describe(size_t i) const {
  const AppendTransaction& t = all_[i];
  std::string text =
      "[" + std::to_string(t.called) + ", " +
      (t.returned == AppendTransaction::kNever ? "open" : std::to_string(t.returned)) + "]";
  for (const ListAppend& append : t.appends)
    text += " append " + std::to_string(append.element) + " to " + std::to_string(append.list);
  for (const ListRead& read : t.reads)
    text += " read " + std::to_string(read.elements.size()) + " of " + std::to_string(read.list);
  return text;
}

}  // namespace

std::vector<std::string> JudgeAppends(std::span<const AppendTransaction> transactions) {
  return Judge(transactions).Run();
}

}  // namespace synod::histories
