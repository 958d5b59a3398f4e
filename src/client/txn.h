// Bodies of transactions, as the recipes write them.
//
// Contract      Compare and Operate give one JSON object each; `value` and `more` are JSON.
// Thread        Any.
#ifndef SYNOD_CLIENT_TXN_H_
#define SYNOD_CLIENT_TXN_H_

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <string>

namespace synod::client {

inline std::string Quoted(const std::string& text) {
  return boost::json::serialize(boost::json::string(text));
}
// {"path":"/a","target":"exists","op":"==","value":true}
inline std::string Compare(const std::string& path,
                           const std::string& target,
                           const std::string& op,
                           const std::string& value) {
  return R"({"path":)" + Quoted(path) + R"(,"target":")" + target + R"(","op":")" + op +
         R"(","value":)" + value + "}";
}
// {"put":{"path":"/a","lease":5}}
inline std::string Operate(const std::string& operation,
                           const std::string& path,
                           const std::string& more = {}) {
  return "{\"" + operation + R"(":{"path":)" + Quoted(path) + (more.empty() ? "" : "," + more) +
         "}}";
}
inline std::string Transaction(const std::string& tests,
                               const std::string& then,
                               const std::string& otherwise) {
  return R"({"if":[)" + tests + R"(],"then":[)" + then + R"(],"else":[)" + otherwise + "]}";
}

}  // namespace synod::client

#endif  // SYNOD_CLIENT_TXN_H_
