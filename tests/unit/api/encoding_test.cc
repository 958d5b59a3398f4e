// Base64, percent-encoding, the JSON writer and reader: against Boost.JSON and on random input.
#include "src/api/encoding.h"

#include <boost/json/parse.hpp>

#include "src/api/json_reader.h"
#include "src/api/json_writer.h"
#include "src/base/random.h"
#include "tests/unit/api/fixture.h"

namespace synod::api {
namespace {

std::string Base64(std::string_view bytes) {
  std::string text;
  AppendBase64(bytes, &text);
  return text;
}

std::string RandomBytes(Random& random, size_t length) {
  std::string bytes;
  while (bytes.size() < length) bytes.push_back(static_cast<char>(random.Below(256)));
  return bytes;
}

// Code points of every length of encoding, with much of what JSON escapes.
std::string RandomUtf8(Random& random, size_t code_points) {
  std::string text;
  for (size_t i = 0; i < code_points; ++i) {
    static constexpr uint32_t kBounds[] = {0x20, 0x80, 0x800, 0xD800, 0x110000};
    uint32_t c = static_cast<uint32_t>(random.Below(kBounds[random.Below(5)]));
    if (c >= 0xD800 && c < 0xE000)
      c = '"';
    if (c < 0x80) {
      text.push_back(static_cast<char>(c));
    } else if (c < 0x800) {
      text.push_back(static_cast<char>(0xC0 | c >> 6));
      text.push_back(static_cast<char>(0x80 | (c & 63)));
    } else if (c < 0x10000) {
      text.push_back(static_cast<char>(0xE0 | c >> 12));
      text.push_back(static_cast<char>(0x80 | (c >> 6 & 63)));
      text.push_back(static_cast<char>(0x80 | (c & 63)));
    } else {
      text.push_back(static_cast<char>(0xF0 | c >> 18));
      text.push_back(static_cast<char>(0x80 | (c >> 12 & 63)));
      text.push_back(static_cast<char>(0x80 | (c >> 6 & 63)));
      text.push_back(static_cast<char>(0x80 | (c & 63)));
    }
  }
  return text;
}

TEST(Base64Test, EncodesTheVectorsOfRfc4648) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(Base64(bytes), text);
    EXPECT_EQ(DecodeBase64(text), bytes);
  }
  EXPECT_EQ(Base64("\xFB\xFF"), "+/8=");
  EXPECT_EQ(EncodeBase64Url("\xFB\xFF"), "-_8");
}

TEST(Base64Test, RefusesEverythingButTheOneEncoding) {
  for (const char* text : {"Zg", "Zg=", "Zg===", "Z", "Zm9v=", "====", "=", "Zh==", "Zm9=", "Zm8",
                           " Zg==", "Zg==\n", "Zg= =", "Z-8=", "Zm9vZg==Zg==", "Z===", "Zg==="})
    EXPECT_EQ(DecodeBase64(text), std::nullopt) << text;
  for (const char* text : {"Zg==", "Zh", "Z", "+/8", "Zg "})
    EXPECT_EQ(DecodeBase64Url(text), std::nullopt) << text;
}

TEST(Base64Test, BringsRandomBytesBack) {
  Random random(1);
  for (int i = 0; i < 500; ++i) {
    const std::string bytes = RandomBytes(random, random.Below(70));
    EXPECT_EQ(DecodeBase64(Base64(bytes)), bytes);
    EXPECT_EQ(DecodeBase64Url(EncodeBase64Url(bytes)), bytes);
  }
}

TEST(PercentTest, DecodesStrictly) {
  EXPECT_EQ(DecodePercent("a%20b%2fc", false), "a b/c");
  EXPECT_EQ(DecodePercent("a+b", false), "a+b");
  EXPECT_EQ(DecodePercent("a+b%2B", true), "a b+");
  for (const char* text : {"%", "%1", "%1g", "%g1", "a%", "%%20"})
    EXPECT_EQ(DecodePercent(text, false), std::nullopt) << text;
}

TEST(PercentTest, BringsRandomPathsBack) {
  Random random(2);
  for (int i = 0; i < 500; ++i) {
    const std::string bytes = RandomBytes(random, random.Below(50));
    const std::string encoded = EncodePath(bytes);
    EXPECT_EQ(DecodePercent(encoded, false), bytes);
    EXPECT_EQ(DecodePercent(encoded, true), bytes);
  }
}

TEST(JsonWriterTest, EscapesWhatJsonWantsEscaped) {
  std::string out;
  JsonWriter writer(&out);
  writer.BeginObject();
  writer.Text("a", std::string("\0\x1F\"\\/\b\f\n\r\t\x7F", 11));
  writer.Text("b", "\xC2\xA0\xE2\x80\xA8");
  writer.EndObject();
  EXPECT_EQ(out,
            "{\"a\":\"\\u0000\\u001f\\\"\\\\/\\u0008\\u000c\\n\\r\\t\x7F\",\"b\":\"\xC2\xA0"
            "\xE2\x80\xA8\"}");
}

TEST(JsonWriterTest, PutsCommasBetweenMembersAndElements) {
  std::string out;
  JsonWriter writer(&out);
  writer.BeginObject();
  writer.BeginArray("empty");
  writer.EndArray();
  writer.BeginArray("numbers");
  writer.NumberElement(0);
  writer.NumberElement(uint64_t{9007199254740991});
  writer.EndArray();
  writer.BeginArray("objects");
  writer.BeginObject();
  writer.EndObject();
  writer.BeginObject();
  writer.Bool("t", true);
  writer.Bool("f", false);
  writer.Null("n");
  writer.EndObject();
  writer.EndArray();
  writer.BeginArray("texts");
  writer.TextElement("{");
  writer.TextElement("[");
  writer.TextElement("");
  writer.EndArray();
  writer.Number("negative", int64_t{-5});
  writer.EndObject();
  EXPECT_EQ(out, R"({"empty":[],"numbers":[0,9007199254740991],"objects":[{},{"t":true,"f":false,)"
                 R"("n":null}],"texts":["{","[",""],"negative":-5})");
}

TEST(JsonWriterTest, AgreesWithBoostJsonOnRandomText) {
  Random random(3);
  for (int i = 0; i < 2000; ++i) {
    const std::string value = RandomUtf8(random, random.Below(40));
    ASSERT_TRUE(IsValidUtf8(value));
    std::string out;
    JsonWriter writer(&out);
    writer.BeginObject();
    writer.Value(value, false);
    writer.EndObject();
    const boost::json::value parsed = boost::json::parse(out);
    EXPECT_EQ(std::string(parsed.at("value").as_string()), value);
    std::optional<uint64_t> limit;
    const Result<Json> read = ParseJson(out, &limit);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->members[0].value.text, value);
  }
}

TEST(JsonWriterTest, GivesRandomBytesBackUnderOneOfTheTwoNames) {
  Random random(4);
  for (int i = 0; i < 2000; ++i) {
    const std::string value = RandomBytes(random, random.Below(12));
    std::string out;
    JsonWriter writer(&out);
    writer.BeginObject();
    writer.Value(value, random.Below(4) == 0);
    writer.EndObject();
    const boost::json::object parsed = boost::json::parse(out).as_object();
    if (const auto* text = parsed.if_contains("value"))
      EXPECT_EQ(std::string(text->as_string()), value);
    else
      EXPECT_EQ(DecodeBase64(parsed.at("value_base64").as_string()), value);
  }
}

TEST(JsonWriterTest, TextIsValidWhateverTheBytes) {
  Random random(5);
  for (int i = 0; i < 1000; ++i) {
    std::string out;
    JsonWriter writer(&out);
    writer.BeginObject();
    writer.Text("t", RandomBytes(random, random.Below(20)));
    writer.EndObject();
    EXPECT_NO_THROW(boost::json::parse(out)) << out;
  }
  EXPECT_EQ(ReplaceInvalidUtf8("a\xFF\xD0\xBA\xE2\x82"),
            "a\xEF\xBF\xBD\xD0\xBA\xEF\xBF\xBD"
            "\xEF\xBF\xBD");
}

TEST(IntegerTest, IsWhatJsonIntegersCanCarry) {
  EXPECT_EQ(ParseInteger("0"), 0U);
  EXPECT_EQ(ParseInteger("9007199254740991"), kIntegerMax);
  for (const char* text : {"", "-1", "+1", "00", "01", " 1", "1 ", "1a", "9007199254740992",
                           "99999999999999999", "18446744073709551617"})
    EXPECT_EQ(ParseInteger(text), std::nullopt) << text;
}

// --- Hostile input -------------------------------------------------------------------------------

const std::vector<net::HttpRequest>& Seeds() {
  static const std::vector<net::HttpRequest> seeds = {
      Http("GET", "/v1/kv/a%20b?list=subtree&after=L2E&limit=5&consistency=sequential",
           {{"accept", "application/json"}}),
      Http("PUT", "/v1/kv/a?if_version=3&prev=true&lease=0",
           {{"idempotency-key", "k"}, {"synod-fence", "/a%2Cb=5, /c=6"}, {"synod-not-after", "9"}},
           "value"),
      Http("DELETE", "/v1/kv/a/b?recursive=true", {{"if-match", "\"17\""}}),
      Http("POST", "/v1/txn", {{"content-type", "application/json"}},
           R"({"if":[{"path":"/a","target":"value","op":"==","value_base64":"eA=="}],)"
           R"("then":[{"put":{"path":"/a","value":"\ud83d\ude00","lease":0}},)"
           R"({"list":{"path":"/d","scope":"children","limit":10}}],)"
           R"("else":[{"get":{"path":"/"}}]})"),
      Http("GET", "/v1/watch/a?scope=subtree&filter=put,delete&from_revision=4",
           {{"accept", "text/event-stream;q=0.5, */*;q=0.1"}, {"last-event-id", "17"}}),
      Http("POST", "/v1/locks/a/b/acquire", {},
           R"({"ttl_ms":10000,"mode":"shared","limit":1,"wait_ms":30000,"value":"who"})"),
      Http("POST", "/v1/leases/keepalive", {}, R"({"ids":[1,2,3]})"),
      Http("OPTIONS", "*", {{"origin", "https://x"}}),
  };
  return seeds;
}

void Mutate(Random& random, std::string* text) {
  static constexpr std::string_view kSpice =
      "/%?&=\"\\{}[]:,;*@.#+-0123456789eE \t\n\r\x7F\xFF\xC3";
  const uint64_t edits = 1 + random.Below(4);
  for (uint64_t i = 0; i < edits; ++i) {
    const size_t at = random.Below(text->size() + 1);
    switch (random.Below(4)) {
      case 0:
        text->insert(at, 1, kSpice[random.Below(kSpice.size())]);
        break;
      case 1:
        text->erase(at, 1 + random.Below(5));
        break;
      case 2:
        if (at < text->size())
          (*text)[at] = static_cast<char>(random.Below(256));
        break;
      default:
        text->insert(at, text->substr(random.Below(text->size() + 1), random.Below(20)));
    }
  }
}

TEST(HostileInputTest, MutatedRequestsAreCallsOrWellFormedRefusals) {
  Random random(6);
  size_t calls = 0;
  for (int i = 0; i < 20'000; ++i) {
    net::HttpRequest request = Seeds()[random.Below(Seeds().size())];
    Mutate(random, random.Below(3) == 0 ? &request.body : &request.target);
    for (auto& [name, value] : request.headers)
      if (random.Below(4) == 0)
        Mutate(random, &value);
    const Parsed parsed = Parse(request);
    const auto* response = std::get_if<net::HttpResponse>(&parsed);
    if (response == nullptr) {
      ++calls;
      continue;
    }
    ASSERT_TRUE(response->status == 204 || (response->status >= 400 && response->status < 502))
        << request.target;
    if (response->status != 204) {
      ASSERT_NO_THROW(boost::json::parse(response->body)) << response->body;
    }
  }
  EXPECT_GT(calls, 1000U);
}

}  // namespace
}  // namespace synod::api
