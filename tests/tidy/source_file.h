// SourceFile: a file of the repository as the tidy rules see it.
//
// Contract      Load() gives every text file of the repository but builds, data and hidden folders,
//               in order of their paths. `code` is the text with comments, literals and
//               preprocessor lines blanked out: same length, same line ends, so that positions
//               agree.
#ifndef SYNOD_TESTS_TIDY_SOURCE_FILE_H_
#define SYNOD_TESTS_TIDY_SOURCE_FILE_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace synod::tidy {

struct SourceFile {
  SourceFile(std::string path_in, std::string text_in);

  bool Is(std::string_view suffix) const { return path.ends_with(suffix); }
  bool IsCpp() const { return Is(".h") || Is(".cc"); }

  std::string path;  // from the root, without "./"
  std::string text;
  std::string code;                          // only of C++ files
  std::vector<std::string_view> lines;       // of text
  std::vector<std::string_view> code_lines;  // of code
  SourceFile(const SourceFile&) = delete;    // the views point into the strings
  SourceFile& operator=(const SourceFile&) = delete;
};

using Sources = std::vector<std::unique_ptr<SourceFile>>;

// The repository whose root is the current directory.
Sources Load();

std::vector<std::string_view> SplitLines(std::string_view text);
// Blanks comments, string and character literals and preprocessor lines.
std::string StripToCode(std::string_view text);

}  // namespace synod::tidy

#endif  // SYNOD_TESTS_TIDY_SOURCE_FILE_H_
