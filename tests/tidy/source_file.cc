#include "tests/tidy/source_file.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

namespace synod::tidy {
namespace {

bool IsWordChar(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Where the token that begins at `i` ends, if it is one to blank; else `i`.
class Stripper {
 public:
  explicit Stripper(std::string_view text) : text_(text) {}

  size_t EndOfBlank(size_t i) const {
    const std::string_view rest = text_.substr(i);
    if (rest.starts_with("//"))
      return LineEnd(i);
    if (rest.starts_with("/*"))
      return After(i + 2, "*/");
    if (rest.starts_with("R\"") && !WordBefore(i))
      return EndOfRaw(i);
    if (rest[0] == '"')
      return EndOfQuoted(i, '"');
    // A quote inside a number (10'000) is no character literal.
    if (rest[0] == '\'' && !WordBefore(i))
      return EndOfQuoted(i, '\'');
    if (rest[0] == '#' && FirstOfLine(i))
      return EndOfDirective(i);
    return i;
  }

 private:
  bool WordBefore(size_t i) const { return i > 0 && IsWordChar(text_[i - 1]); }
  size_t LineEnd(size_t i) const { return std::min(text_.find('\n', i), text_.size()); }
  size_t After(size_t i, std::string_view what) const {
    const size_t at = text_.find(what, i);
    return at == std::string_view::npos ? text_.size() : at + what.size();
  }
  bool FirstOfLine(size_t i) const {
    while (i > 0 && text_[i - 1] != '\n') {
      if (text_[--i] != ' ')
        return false;
    }
    return true;
  }
  size_t EndOfQuoted(size_t i, char quote) const {
    for (++i; i < text_.size() && text_[i] != quote && text_[i] != '\n'; ++i) {
      if (text_[i] == '\\')
        ++i;
    }
    return std::min(i + 1, text_.size());
  }
  size_t EndOfRaw(size_t i) const {
    const size_t open = text_.find('(', i);
    if (open == std::string_view::npos)
      return text_.size();
    return After(open, ")" + std::string(text_.substr(i + 2, open - i - 2)) + "\"");
  }
  size_t EndOfDirective(size_t i) const {
    while (true) {
      const size_t end = LineEnd(i);
      if (end == text_.size() || text_[end - 1] != '\\')
        return end;
      i = end + 1;
    }
  }

  std::string_view text_;
};

}  // namespace

std::vector<std::string_view> SplitLines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

std::string StripToCode(std::string_view text) {
  std::string code(text);
  const Stripper stripper(text);
  for (size_t i = 0; i < text.size();) {
    const size_t end = stripper.EndOfBlank(i);
    for (size_t k = i; k < end; ++k) {
      if (code[k] != '\n')
        code[k] = ' ';
    }
    i = std::max(end, i + 1);
  }
  return code;
}

SourceFile::SourceFile(std::string path_in, std::string text_in)
    : path(std::move(path_in)), text(std::move(text_in)) {
  lines = SplitLines(text);
  if (IsCpp()) {
    code = StripToCode(text);
    code_lines = SplitLines(code);
  }
}

Sources Load() {
  namespace fs = std::filesystem;
  Sources sources;
  std::vector<std::string> paths;
  for (auto it = fs::recursive_directory_iterator("."); it != fs::recursive_directory_iterator();
       ++it) {
    const std::string name = it->path().filename().string();
    const bool skipped = (name[0] == '.' && name != ".ci") || name.starts_with("build");
    if (it->is_directory() && skipped)
      it.disable_recursion_pending();
    if (it->is_regular_file() && !skipped)
      paths.push_back(it->path().lexically_normal().string());
  }
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    if (text.str().find('\0') == std::string::npos)
      sources.push_back(std::make_unique<SourceFile>(path, text.str()));
  }
  return sources;
}

}  // namespace synod::tidy
