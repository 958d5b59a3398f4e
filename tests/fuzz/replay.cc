// The entry points of the fuzzer without the fuzzer: every file of a corpus, then mutations of them
// that are the same in every run.
//
//   fuzz_... CORPUS_DIRECTORY [MUTATIONS] [SEED]
//
// What it finds ends it by a failed check, a signal or a sanitizer; the last line says which
// mutation it was, and a debugger shows its bytes.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "src/base/random.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr uint64_t kStepsMax = 8;
constexpr size_t kBytesMax = 64 << 10;
// Where lengths and counts have their edges.
constexpr char kEdges[] = {0, 1, 2, 0x0F, 0x10, 0x7F, '\x80', '\xFE', '\xFF'};

using Corpus = std::vector<std::string>;

Corpus Load(const std::string& directory) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  Corpus corpus;
  for (const auto& path : paths) {
    std::ifstream in(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return corpus;
}

void Mutate(const Corpus& corpus, synod::Random* random, std::string* text) {
  const size_t at = text->empty() ? 0 : random->Below(text->size());
  const size_t length =
      text->empty() ? 0 : random->Below(std::min<size_t>(text->size() - at, 32) + 1);
  const std::string& other = corpus[random->Below(corpus.size())];
  const size_t from = other.empty() ? 0 : random->Below(other.size());
  switch (random->Below(7)) {
    case 0:
      if (!text->empty())
        (*text)[at] = static_cast<char>((*text)[at] ^ (1 << random->Below(8)));
      break;
    case 1:
      if (!text->empty())
        (*text)[at] = kEdges[random->Below(std::size(kEdges))];
      break;
    case 2:
      text->insert(at, 1, static_cast<char>(random->Below(256)));
      break;
    case 3:
      text->erase(at, length);
      break;
    case 4:
      text->insert(at, text->substr(at, length));
      break;
    case 5:
      text->resize(at);
      break;
    default:
      text->insert(at, other, from, random->Below(64));
      break;
  }
  text->resize(std::min(text->size(), kBytesMax));
}

}  // namespace

int main(int argc, char** argv) {
  const Corpus corpus = argc > 1 ? Load(argv[1]) : Corpus();
  const uint64_t mutations = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 20'000;
  synod::Random random(argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1);
  if (corpus.empty()) {
    std::fprintf(stderr, "%s CORPUS_DIRECTORY [MUTATIONS] [SEED]\n", argv[0]);
    return 2;
  }
  const auto run = [](const std::string& text) {
    // Of its own, so that a sanitizer sees what is read beyond its end.
    const std::vector<uint8_t> input(text.begin(), text.end());
    LLVMFuzzerTestOneInput(input.data(), input.size());
  };
  for (const std::string& text : corpus) run(text);
  for (uint64_t n = 0; n < mutations; ++n) {
    std::string text = corpus[random.Below(corpus.size())];
    for (uint64_t steps = 1 + random.Below(kStepsMax); steps > 0; --steps)
      Mutate(corpus, &random, &text);
    std::fprintf(stderr, "\rmutation %llu", static_cast<unsigned long long>(n));
    run(text);
  }
  std::printf("%zu files, %llu mutations\n", corpus.size(),
              static_cast<unsigned long long>(mutations));
  return 0;
}
