#include "tests/histories/tree.h"

#include <stdexcept>

#include "tests/integration/process.h"

namespace synod::histories {
namespace {

constexpr integration::Milliseconds kPatience(30'000);

}  // namespace

Listing ListChildren(Client& client, size_t node, const std::string& target) {
  Listing listing;
  listing.called = Now();
  std::string after;
  while (true) {
    Reply page;
    const bool served = integration::Eventually(kPatience, [&] {
      page = client.Read(node, target + "?list=children&limit=5000" + after);
      return page.Is(200) || page.Is(404);
    });
    if (!served)
      throw std::runtime_error("node " + std::to_string(node + 1) + " does not list " + target +
                               ": " + std::to_string(page.answer.status) + " " + page.answer.body);
    listing.returned = page.returned;
    if (page.Is(404))
      return listing;
    const boost::json::value body = page.answer.Json();
    for (const boost::json::value& child : body.at("nodes").as_array())
      listing.nodes.emplace(child.at("path").as_string(), child);
    if (!body.at("more").as_bool())
      return listing;
    after = "&after=" + page.answer.Text("next");
  }
}

}  // namespace synod::histories
