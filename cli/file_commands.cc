// import, export: directories of files to subtrees and back, byte for byte
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "src/base/path.h"

namespace synod::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

struct FileOptions {
  std::string directory;
  std::string path;
  bool quiet = false;
};

constexpr int64_t kProgressEvery = 500;

void Progress(const FileOptions& o, const char* what, int64_t files, int64_t bytes) {
  if (!o.quiet)
    std::fprintf(stderr, "%s %lld files, %lld bytes\n", what, static_cast<long long>(files),
                 static_cast<long long>(bytes));
}

// Regular files below `directory`, sorted, so that a repeated import does the same again.
Result<std::vector<fs::path>> FilesOf(const fs::path& directory) {
  std::error_code error;
  std::vector<fs::path> files;
  for (fs::recursive_directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error))
    if (it->is_regular_file())
      files.push_back(it->path());
  if (error)
    return Error{Errc::kInvalidRequest, Outcome::kNotApplied,
                 directory.string() + ": " + error.message()};
  std::sort(files.begin(), files.end());
  return files;
}

int RunImport(Session& session, const FileOptions& o) {
  const Result<std::vector<fs::path>> files = FilesOf(o.directory);
  if (!files)
    return session.Explain(files.error());
  int64_t count = 0;
  int64_t bytes = 0;
  for (const fs::path& file : *files) {
    const std::string relative = fs::relative(file, o.directory).generic_string();
    const std::string path = (o.path == "/" ? "" : o.path) + "/" + relative;
    if (const Status valid = ValidatePath(path); !valid)
      return session.Explain(Error{Errc::kInvalidRequest, Outcome::kNotApplied,
                                   file.string() + ": " + valid.error().detail});
    std::ifstream in(file, std::ios::binary);
    client::Call call;
    call.method = "PUT";
    call.target = "/v1/kv" + client::EncodePath(path);
    call.body.assign(std::istreambuf_iterator<char>(in), {});
    if (!in) {
      std::fprintf(stderr, "synod: cannot read %s\n", file.c_str());
      return kError;
    }
    bytes += static_cast<int64_t>(call.body.size());
    client::Answer answer;
    if (const int code = session.Send(std::move(call), &answer); code != kOk) {
      std::fprintf(stderr,
                   "synod: stopped at %s after %lld files; importing again goes over them\n",
                   path.c_str(), static_cast<long long>(count));
      return code;
    }
    if (++count % kProgressEvery == 0)
      Progress(o, "imported", count, bytes);
  }
  Progress(o, "imported", count, bytes);
  return kOk;
}

// A node with children becomes a directory; what it holds itself has no place in a file tree and
// must be empty.
int WriteNode(const FileOptions& o, const json::object& node, int64_t* files, int64_t* bytes) {
  const std::string path(node.at("path").as_string());
  // The node names the file: nothing but a path of the tree below the one that was asked for keeps
  // it within the directory.
  const std::optional<std::string> relative = RelativePath(o.path, path);
  if (!relative) {
    std::fprintf(stderr, "synod: %s is not below %s\n", Printable(path).c_str(),
                 Printable(o.path).c_str());
    return kError;
  }
  const fs::path target = fs::path(o.directory) / *relative;
  std::string value;
  ValueOf(node, &value);
  std::error_code error;
  if (Number(node, "num_children") > 0) {
    if (!value.empty()) {
      std::fprintf(stderr, "synod: %s has a value and children; a file cannot be both\n",
                   Printable(path).c_str());
      return kConflict;
    }
    fs::create_directories(target, error);
  } else {
    fs::create_directories(target.parent_path(), error);
    std::ofstream out(target, std::ios::binary | std::ios::trunc);
    out.write(value.data(), static_cast<std::streamsize>(value.size()));
    out.close();
    if (!out)
      error = std::make_error_code(std::errc::io_error);
    ++*files;
    *bytes += static_cast<int64_t>(value.size());
  }
  if (error) {
    std::fprintf(stderr, "synod: %s: %s\n", target.c_str(), error.message().c_str());
    return kError;
  }
  return kOk;
}

int RunExport(Session& session, const FileOptions& o) {
  int64_t files = 0;
  int64_t bytes = 0;
  const int code = ForEachNode(session, o.path, "subtree", false, [&](const json::object& node) {
    const int written = WriteNode(o, node, &files, &bytes);
    if (written == kOk && files > 0 && files % kProgressEvery == 0)
      Progress(o, "exported", files, bytes);
    return written;
  });
  if (code == kOk)
    Progress(o, "exported", files, bytes);
  return code;
}

}  // namespace

void AddFileCommands(CLI::App* app, Run* run) {
  const auto o = std::make_shared<FileOptions>();
  CLI::App* in = app->add_subcommand("import", "write the files below a directory as nodes");
  in->add_option("directory", o->directory, "where the files are")
      ->required()
      ->check(CLI::ExistingDirectory);
  AddPath(in, &o->path, "the node that stands for the directory")->required();
  in->add_flag("-q,--quiet", o->quiet, "no progress on stderr");
  in->footer(
      "Existing nodes are replaced; others below the path stay.\nExample:\n  synod import docs "
      "/docs");
  in->callback([=] { *run = [=](Session& session) { return RunImport(session, *o); }; });

  CLI::App* out = app->add_subcommand("export", "write the nodes below a path as files");
  AddPath(out, &o->path, "the node that stands for the directory")->required();
  out->add_option("directory", o->directory, "where the files go; created if missing")->required();
  out->add_flag("-q,--quiet", o->quiet, "no progress on stderr");
  out->footer(
      "All pages are read at one revision: the export is a consistent picture.\nExample:\n"
      "  synod export /docs ./docs-copy");
  out->callback([=] { *run = [=](Session& session) { return RunExport(session, *o); }; });
}

}  // namespace synod::cli
