#include "tests/tidy/rules.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <regex>
#include <set>

namespace synod::tidy {
namespace {

constexpr size_t kColumnsMax = 100;
constexpr size_t kFileLinesMax = 700;
constexpr size_t kFunctionLinesMax = 70;

std::string At(const SourceFile& file, size_t line_index) {
  return file.path + ":" + std::to_string(line_index + 1) + ": ";
}

bool IsWithinFolder(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && path.size() > folder.size() && path[folder.size()] == '/';
}

const SourceFile* FindFile(const Sources& all, std::string_view path) {
  const auto it =
      std::find_if(all.begin(), all.end(), [&](const auto& f) { return f->path == path; });
  return it == all.end() ? nullptr : it->get();
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

// The folder of the table that `path` belongs to; empty for files outside of it.
std::string TableFolder(const IncludeTable& table, std::string_view path) {
  for (const auto& [folder, allowed] : table) {
    if (IsWithinFolder(path, folder))
      return folder;
  }
  return "";
}

std::string Trim(std::string_view s) {
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  return std::string(s);
}

std::vector<std::string> Backticked(std::string_view cell) {
  std::vector<std::string> words;
  for (size_t i = cell.find('`'); i != std::string_view::npos; i = cell.find('`', i)) {
    const size_t end = cell.find('`', i + 1);
    if (end == std::string_view::npos)
      break;
    words.emplace_back(cell.substr(i + 1, end - i - 1));
    i = end + 1;
  }
  return words;
}

// What pure code must not name, and what to use instead.
struct Banned {
  const char* pattern;
  const char* instead;
};

const std::vector<std::pair<std::regex, const char*>>& BannedNames() {
  static const std::vector<std::pair<std::regex, const char*>> names = [] {
    constexpr Banned kNames[] = {
        {R"(\b(steady|system|high_resolution|utc|file)_clock\b)",
         "time comes in as an argument, or as the cluster time of an entry"},
        {R"(\b(clock_gettime|gettimeofday|std::time|localtime|gmtime)\b)",
         "time comes in as an argument, or as the cluster time of an entry"},
        {R"(\bstd::(random_device|mt19937|mt19937_64|default_random_engine|shuffle)\b)",
         "synod::Random with a seed from the configuration"},
        {R"(\b\w+_distribution\b)", "synod::Random with a seed from the configuration"},
        {R"(\bs?rand\()", "synod::Random with a seed from the configuration"},
        {R"(\bstd::(thread|jthread|mutex|shared_mutex|recursive_mutex|condition_variable|async)\b)",
         "the driver (src/node) owns threads; pure code has one caller"},
        {R"(\bstd::atomic)", "the driver (src/node) owns threads; pure code has one caller"},
        {R"(\bstd::(cout|cerr|clog)\b|\bf?printf\()", "return an event; the driver logs it"},
        {R"(\b(std::)?getenv\b)", "settings come in as arguments"},
        {R"(\b(throw|try|catch)\b)", "return a Result"},
        {R"(\b(thread_local|volatile)\b)", "state belongs to an object that its caller owns"},
        {R"(^\s*static\s+(?!const\b|constexpr\b|_assert)[^()]*[;={])",
         "state belongs to an object that its caller owns"},
        {R"(\bstd::(locale|regex)\b|\bsetlocale\()", "compare bytes"},
    };
    std::vector<std::pair<std::regex, const char*>> compiled;
    for (const Banned& b : kNames) compiled.emplace_back(std::regex(b.pattern), b.instead);
    return compiled;
  }();
  return names;
}

// Standard headers that pure code must not include.
const char* InsteadOfHeader(std::string_view header) {
  static constexpr Banned kHeaders[] = {
      {"thread", "the driver (src/node) owns threads"},
      {"mutex", "the driver (src/node) owns threads"},
      {"shared_mutex", "the driver (src/node) owns threads"},
      {"condition_variable", "the driver (src/node) owns threads"},
      {"atomic", "the driver (src/node) owns threads"},
      {"future", "completions come in as calls"},
      {"random", "synod::Random (src/base/random.h)"},
      {"iostream", "return an event; the driver logs it"},
      {"fstream", "src/storage touches files"},
      {"filesystem", "src/storage touches files"},
      {"cstdio", "return an event; the driver logs it"},
      {"ctime", "time comes in as an argument"},
      {"locale", "compare bytes"},
      {"regex", "parse by hand: its cost and its locale depend on the library"},
  };
  for (const Banned& b : kHeaders) {
    if (header == b.pattern)
      return b.instead;
  }
  return nullptr;
}

bool MayIncludeSystemHeaders(std::string_view folder) {
  static constexpr std::array<std::string_view, 7> kFolders = {
      "src/base", "src/storage", "src/net", "src/node", "src/client", "cli", "tests"};
  return std::find(kFolders.begin(), kFolders.end(), folder) != kFolders.end();
}

bool IsSystemHeader(std::string_view header) {
  static constexpr std::array<std::string_view, 5> kFolders = {"sys/", "netinet/", "arpa/", "net/",
                                                               "linux/"};
  if (header.find('/') == std::string_view::npos)
    return header.ends_with(".h");
  return std::any_of(kFolders.begin(), kFolders.end(),
                     [&](std::string_view f) { return header.starts_with(f); });
}

bool IsAllowed(std::string_view header, const std::vector<std::string>& allowed) {
  return std::any_of(allowed.begin(), allowed.end(), [&](const std::string& entry) {
    return entry.ends_with('/') || entry.starts_with("boost/") ? header.starts_with(entry)
                                                               : IsWithinFolder(header, entry);
  });
}

void CheckOneInclude(const SourceFile& file,
                     size_t line,
                     std::string_view header,
                     bool quoted,
                     const std::string& folder,
                     const IncludeTable& table,
                     Complaints* out) {
  const bool pure = IsPure(file.path);
  if (!quoted && header.find_first_of("./") == std::string_view::npos) {
    const char* instead = pure ? InsteadOfHeader(header) : nullptr;
    if (instead != nullptr)
      out->push_back(At(file, line) + "<" + std::string(header) + "> in pure code: " + instead);
    return;
  }
  if (!quoted && IsSystemHeader(header)) {
    if (pure || !MayIncludeSystemHeaders(folder))
      out->push_back(At(file, line) + "<" + std::string(header) + "> is for the shell, not for " +
                     (pure ? "pure code" : folder));
    return;
  }
  if (IsWithinFolder(header, folder) || IsAllowed(header, table.at(folder)))
    return;
  out->push_back(At(file, line) + folder + " may not include " + std::string(header) +
                 " (docs/architecture.md, Folders)");
}

// "synod_store" -> "src/store", by the synod_module(NAME store ...) of that folder.
std::map<std::string, std::string> TargetFolders(const Sources& all) {
  static const std::regex kName(R"(synod_module\(\s*NAME\s+(\w+))");
  std::map<std::string, std::string> folders;
  for (const auto& file : all) {
    if (!file->Is("CMakeLists.txt"))
      continue;
    for (std::sregex_iterator it(file->text.begin(), file->text.end(), kName), end; it != end; ++it)
      folders["synod_" + (*it)[1].str()] = FolderOf(file->path);
  }
  return folders;
}

// Braces of code.

// True if a brace after `before` (the text since the last ';', '{' or '}') opens a scope of
// declarations and not a function's body or a value.
bool OpensScope(std::string before) {
  static const std::regex kLabels(R"(\b(public|private|protected)\s*:)");
  static const std::regex kTemplate(R"(^\s*(template\s*<[^{}]*>\s*)?)");
  static const std::regex kScope(R"(^\s*(inline\s+)?(namespace|class|struct|union|enum|extern)\b)");
  before = std::regex_replace(before, kLabels, "");
  before = std::regex_replace(before, kTemplate, "", std::regex_constants::format_first_only);
  return std::regex_search(before, kScope);
}

struct OpenBrace {
  size_t line = 0;
  bool scope = false;
  bool function = false;
};

// Names that are declared with an unordered container's type anywhere in these lines.
void CollectUnorderedNames(std::string_view code, std::set<std::string>* names) {
  size_t i = 0;
  while (true) {
    size_t at = code.find("unordered_", i);
    if (at == std::string_view::npos)
      return;
    i = code.find_first_of("<;\n", at);
    if (i == std::string_view::npos)
      return;
    if (code[i] != '<')
      continue;
    int depth = 0;
    do {
      depth += code[i] == '<' ? 1 : code[i] == '>' ? -1 : 0;
      ++i;
    } while (i < code.size() && depth > 0);
    while (i < code.size() && (code[i] == ' ' || code[i] == '&' || code[i] == '\n')) ++i;
    size_t end = i;
    while (end < code.size() &&
           (std::isalnum(static_cast<unsigned char>(code[end])) || code[end] == '_'))
      ++end;
    if (end > i && end < code.size() &&
        std::string_view(";={,)[").find(code[end]) != std::string_view::npos)
      names->insert(std::string(code.substr(i, end - i)));
  }
}

std::string Slug(std::string_view heading) {
  std::string slug;
  for (const char c : heading) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' ||
        static_cast<unsigned char>(c) >= 0x80)
      slug += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    else if (c == ' ')
      slug += '-';
  }
  return slug;
}

bool HasAnchor(const SourceFile& page, const std::string& anchor) {
  return std::any_of(page.lines.begin(), page.lines.end(), [&](std::string_view line) {
    const size_t text = line.find_first_not_of('#');
    return line.starts_with('#') && text != std::string_view::npos &&
           Slug(Trim(line.substr(text))) == anchor;
  });
}

void CheckMarkdownLink(const Sources& all,
                       const SourceFile& file,
                       size_t line,
                       const std::string& target,
                       Complaints* out) {
  if (target.find("://") != std::string::npos || target.starts_with("mailto:"))
    return;
  const size_t hash = target.find('#');
  std::string path = target.substr(0, hash);
  if (path.empty())
    path = file.path;
  else
    path = (std::filesystem::path(FolderOf(file.path)) / path).lexically_normal().string();
  if (!std::filesystem::exists(path)) {
    out->push_back(At(file, line) + "no such file: " + target);
    return;
  }
  const SourceFile* page = FindFile(all, path);
  if (hash != std::string::npos && page != nullptr && !HasAnchor(*page, target.substr(hash + 1)))
    out->push_back(At(file, line) + "no such heading: " + target);
}

size_t Columns(std::string_view line) {
  return static_cast<size_t>(std::count_if(line.begin(), line.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

}  // namespace

IncludeTable ParseIncludeTable(std::string_view architecture) {
  IncludeTable table;
  bool inside = false;
  for (const std::string_view line : SplitLines(architecture)) {
    if (line.starts_with("## "))
      inside = line == "## Folders";
    if (!inside || !line.starts_with("| `"))
      continue;
    std::vector<std::string> cells;
    for (size_t begin = 1; begin < line.size();) {
      const size_t end = std::min(line.find('|', begin), line.size());
      cells.emplace_back(line.substr(begin, end - begin));
      begin = end + 1;
    }
    if (cells.size() >= 3)
      table[Backticked(cells[0]).at(0)] = Backticked(cells[2]);
  }
  return table;
}

bool IsPure(std::string_view path) {
  static constexpr std::array<std::string_view, 7> kFolders = {
      "consensus", "session", "lock", "watch", "src/store", "src/auth", "src/machine"};
  return path.starts_with("src/node/engine") ||
         std::any_of(kFolders.begin(), kFolders.end(),
                     [&](std::string_view f) { return IsWithinFolder(path, f); });
}

void CheckIncludes(const SourceFile& file, const IncludeTable& table, Complaints* out) {
  const std::string folder = TableFolder(table, file.path);
  if (!file.IsCpp())
    return;
  if (folder.empty()) {
    out->push_back(file.path + ":1: not in a folder of the table (docs/architecture.md, Folders)");
    return;
  }
  static const std::regex kInclude(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
  for (size_t i = 0; i < file.lines.size(); ++i) {
    std::cmatch m;
    const std::string_view line = file.lines[i];
    if (std::regex_search(line.data(), line.data() + line.size(), m, kInclude))
      CheckOneInclude(file, i, m[2].str(), m[1].str() == "\"", folder, table, out);
  }
}

void CheckTargets(const Sources& all, const IncludeTable& table, Complaints* out) {
  static const std::regex kTarget(R"(\bsynod_\w+)");
  const auto folders = TargetFolders(all);
  for (const auto& [target, folder] : folders) {
    const SourceFile& file = *FindFile(all, folder + "/CMakeLists.txt");
    if (folder.starts_with("tests/"))
      continue;
    if (!table.contains(folder)) {
      out->push_back(file.path +
                     ":1: not in a folder of the table (docs/architecture.md, Folders)");
      continue;
    }
    const auto& allowed = table.at(folder);
    for (std::sregex_iterator it(file.text.begin(), file.text.end(), kTarget), end; it != end;
         ++it) {
      const auto other = folders.find(it->str());
      if (other != folders.end() && other->second != folder &&
          std::find(allowed.begin(), allowed.end(), other->second) == allowed.end())
        out->push_back(file.path + ":1: " + folder + " may not depend on " + other->second +
                       " (docs/architecture.md, Folders)");
    }
  }
}

void CheckPure(const SourceFile& file, Complaints* out) {
  if (!file.IsCpp() || !IsPure(file.path))
    return;
  for (size_t i = 0; i < file.code_lines.size(); ++i) {
    const std::string line(file.code_lines[i]);
    for (const auto& [pattern, instead] : BannedNames()) {
      std::smatch m;
      if (std::regex_search(line, m, pattern))
        out->push_back(At(file, i) + "'" + Trim(m.str()) + "' in pure code: " + instead);
    }
  }
}

void CheckUnorderedIteration(const Sources& all, Complaints* out) {
  // By folder: members are declared in a header and walked in a source.
  std::map<std::string, std::set<std::string>> names;
  for (const auto& file : all) {
    if (file->IsCpp() && IsPure(file->path))
      CollectUnorderedNames(file->code, &names[FolderOf(file->path)]);
  }
  for (const auto& file : all) {
    if (!file->IsCpp() || !IsPure(file->path))
      continue;
    for (const std::string& name : names[FolderOf(file->path)]) {
      const std::regex walked(":\\s*([\\w.]+(\\.|->))?" + name + "\\)|\\b" + name +
                              "\\s*\\.\\s*c?begin\\(");
      for (size_t i = 0; i < file->code_lines.size(); ++i) {
        if (std::regex_search(std::string(file->code_lines[i]), walked))
          out->push_back(At(*file, i) + "walks the unordered container '" + name +
                         "': its order differs between runs; use an ordered one");
      }
    }
  }
}

void CheckFunctionLength(const SourceFile& file, Complaints* out) {
  std::vector<OpenBrace> open;
  std::string before;
  size_t line = 0;
  for (const char c : file.code) {
    if (c == '\n')
      ++line;
    if (c == '{') {
      const bool in_scopes =
          std::all_of(open.begin(), open.end(), [](const OpenBrace& b) { return b.scope; });
      const bool scope = OpensScope(before);
      open.push_back({line, scope, in_scopes && !scope && before.find(')') != std::string::npos});
      before.clear();
    } else if (c == '}') {
      if (!open.empty()) {
        const size_t length = line - open.back().line - (line > open.back().line ? 1 : 0);
        if (open.back().function && length > kFunctionLinesMax)
          out->push_back(At(file, open.back().line) + "a function of " + std::to_string(length) +
                         " lines: split it (at most 70)");
        open.pop_back();
      }
      before.clear();
    } else if (c == ';') {
      before.clear();
    } else {
      before += c;
    }
  }
}

void CheckForm(const SourceFile& file, Complaints* out) {
  const bool script = file.path == "dev" || file.path.starts_with(".ci/");
  const bool code = file.IsCpp() || file.Is("CMakeLists.txt") || script;
  if (file.IsCpp() && file.lines.size() > kFileLinesMax)
    out->push_back(file.path + ":1: " + std::to_string(file.lines.size()) +
                   " lines: look for the hidden module (at most 700)");
  if (!code && !file.Is(".md"))
    return;
  for (size_t i = 0; i < file.lines.size(); ++i) {
    const std::string_view line = file.lines[i];
    if (code && Columns(line) > kColumnsMax)
      out->push_back(At(file, i) + "more than 100 columns");
    if (line.find('\t') != std::string_view::npos)
      out->push_back(At(file, i) + "a tab");
    if (line.ends_with(' ') || line.ends_with('\r'))
      out->push_back(At(file, i) + "a blank or CR at the end of the line");
  }
}

void CheckHeader(const SourceFile& file, Complaints* out) {
  if (!file.Is(".h"))
    return;
  size_t length = 0;
  bool contract = false;
  while (length < file.lines.size() && file.lines[length].starts_with("//")) {
    contract |= file.lines[length].starts_with("// Contract  ");
    ++length;
  }
  // A header of the tests says what it is; all others say what they promise as well.
  const bool enough = file.path.starts_with("tests/") ? length > 0 : contract;
  if (!enough)
    out->push_back(file.path +
                   ":1: a header begins with its comment: what it is, and '// Contract      ...'");
  std::string guard = file.path.starts_with("src/") ? file.path.substr(4) : file.path;
  for (char& c : guard)
    c = std::isalnum(static_cast<unsigned char>(c)) != 0
            ? static_cast<char>(std::toupper(static_cast<unsigned char>(c)))
            : '_';
  if (file.text.find("#ifndef SYNOD_" + guard + "_\n") == std::string::npos)
    out->push_back(file.path + ":1: the include guard is SYNOD_" + guard + "_");
}

void CheckMarkers(const SourceFile& file, Complaints* out) {
  // Written in two parts, so that this file does not accuse itself.
  static const std::regex kMarker(
      "\\b(TO"
      "DO|FIX"
      "ME|XX"
      "X|HA"
      "CK)\\b(?!\\(#[0-9]+\\))");
  for (size_t i = 0; i < file.lines.size(); ++i) {
    if (std::regex_search(std::string(file.lines[i]), kMarker))
      out->push_back(At(file, i) + "a note for later names its issue, or is not written");
  }
}

void CheckTests(const SourceFile& file, Complaints* out) {
  static const std::regex kDisabled(R"(\bDISABLED_|\bGTEST_SKIP\b|^\s*//\s*TEST(_F|_P)?\()");
  static const std::regex kSleep(R"(\b(sleep_for|sleep_until|usleep|nanosleep)\b|\bsleep\()");
  const bool real_time = file.path.starts_with("tests/integration/") ||
                         file.path.starts_with("tests/bench/") || !file.path.starts_with("tests/");
  if (!file.IsCpp())
    return;
  for (size_t i = 0; i < file.lines.size(); ++i) {
    if (file.Is("_test.cc") && std::regex_search(std::string(file.lines[i]), kDisabled) &&
        file.path != "tests/tidy/rules_test.cc")
      out->push_back(At(file, i) + "a disabled test: repair it or remove it");
    if (!real_time && std::regex_search(std::string(file.code_lines[i]), kSleep))
      out->push_back(At(file, i) + "a sleep: only tests/integration knows real time");
  }
}

void CheckRegistered(const Sources& all, Complaints* out) {
  for (const auto& file : all) {
    if (!file->Is(".cc"))
      continue;
    // The nearest CMakeLists.txt, which names the source by its path from there.
    std::string folder = FolderOf(file->path);
    const SourceFile* list = nullptr;
    while ((list = FindFile(all, folder + "/CMakeLists.txt")) == nullptr && !folder.empty())
      folder = FolderOf(folder);
    const std::string name = file->path.substr(folder.size() + 1);
    std::string escaped = std::regex_replace(name, std::regex(R"(\.)"), "\\.");
    if (list == nullptr ||
        !std::regex_search(list->text, std::regex("(^|[\\s(])" + escaped + "($|[\\s)])")))
      out->push_back(file->path + ":1: not named in " + folder + "/CMakeLists.txt");
  }
}

void CheckLinks(const Sources& all, Complaints* out) {
  static const std::regex kLink(R"(\]\(([^)\s]+)\))");
  static const std::regex kPage(R"(\bdocs/[A-Za-z0-9_./-]*[A-Za-z0-9_-])");
  for (const auto& file : all) {
    bool block = false;
    for (size_t i = 0; i < file->lines.size(); ++i) {
      const std::string line(file->lines[i]);
      if (line.starts_with("```"))
        block = !block;
      if (file->Is(".md") && !block) {
        for (std::sregex_iterator it(line.begin(), line.end(), kLink), end; it != end; ++it)
          CheckMarkdownLink(all, *file, i, (*it)[1].str(), out);
      }
      if (!file->IsCpp() || file->path == "tests/tidy/rules_test.cc")
        continue;
      for (std::sregex_iterator it(line.begin(), line.end(), kPage), end; it != end; ++it) {
        if (!std::filesystem::exists(it->str()))
          out->push_back(At(*file, i) + "no such page: " + it->str());
      }
    }
  }
}

void CheckDecisionsIndex(const Sources& all, Complaints* out) {
  const SourceFile* index = FindFile(all, "docs/decisions/README.md");
  for (const auto& file : all) {
    if (!IsWithinFolder(file->path, "docs/decisions") || file.get() == index)
      continue;
    const std::string name = file->path.substr(FolderOf(file->path).size() + 1);
    if (index == nullptr || index->text.find("](" + name + ")") == std::string::npos)
      out->push_back(file->path + ":1: not linked from docs/decisions/README.md");
  }
}

}  // namespace synod::tidy
