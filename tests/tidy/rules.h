// Rules: what holds for every file of the repository, and that no compiler checks.
//
// Contract      Each rule looks at files and gives its complaints, one line each: "path:line: what
//               is wrong, and what to do instead". No complaint: the rule holds.
// Source        docs/architecture.md (the table of folders, "Pure") and CONTRIBUTING.md.
#ifndef SYNOD_TESTS_TIDY_RULES_H_
#define SYNOD_TESTS_TIDY_RULES_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tests/tidy/source_file.h"

namespace synod::tidy {

using Complaints = std::vector<std::string>;

// Folder -> folders and prefixes of library headers that it may include.
using IncludeTable = std::map<std::string, std::vector<std::string>>;

// Reads the table under "## Folders": backticked words of its first and third column.
IncludeTable ParseIncludeTable(std::string_view architecture);

// True for the folders and files that are pure.
bool IsPure(std::string_view path);

void CheckIncludes(const SourceFile& file, const IncludeTable& table, Complaints* out);
void CheckTargets(const Sources& all, const IncludeTable& table, Complaints* out);
void CheckPure(const SourceFile& file, Complaints* out);
void CheckUnorderedIteration(const Sources& all, Complaints* out);
void CheckFunctionLength(const SourceFile& file, Complaints* out);
// Columns, tabs, length of the file, trailing blanks.
void CheckForm(const SourceFile& file, Complaints* out);
// The header comment and the include guard.
void CheckHeader(const SourceFile& file, Complaints* out);
void CheckMarkers(const SourceFile& file, Complaints* out);
// No disabled tests; no sleeps outside tests/integration and tests/bench.
void CheckTests(const SourceFile& file, Complaints* out);
// Every source is named in the CMakeLists.txt of its folder.
void CheckRegistered(const Sources& all, Complaints* out);
// Links of markdown files, and docs/ pages that anything names.
void CheckLinks(const Sources& all, Complaints* out);
// Every page under docs/decisions is linked from its index.
void CheckDecisionsIndex(const Sources& all, Complaints* out);

}  // namespace synod::tidy

#endif  // SYNOD_TESTS_TIDY_RULES_H_
