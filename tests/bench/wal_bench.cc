// What one append of the acceptor's log costs on a real disk, beside a bare write and sync.
// usage: wal_bench DIRECTORY [APPENDS] [PAYLOAD_BYTES]
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "src/storage/acceptor_log.h"

namespace {

using synod::Slot;
using synod::storage::AcceptorLog;
using synod::storage::AcceptorLogOptions;
using synod::storage::FileSystem;

double CpuMicros() {
  rusage u{};
  ::getrusage(RUSAGE_SELF, &u);
  return static_cast<double>(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
         static_cast<double>(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

void Measure(const char* name, int n, const std::function<bool(int)>& once) {
  std::vector<double> micros;
  const double cpu = CpuMicros();
  for (int i = 0; i < n; ++i) {
    const auto start = std::chrono::steady_clock::now();
    if (!once(i)) {
      std::printf("%s: failed\n", name);
      std::exit(1);
    }
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
    micros.push_back(took.count());
  }
  const double cpu_each = (CpuMicros() - cpu) / n;
  double sum = 0;
  for (const double m : micros) sum += m;
  std::sort(micros.begin(), micros.end());
  const auto at = [&](double q) { return micros[static_cast<size_t>(q * (n - 1))]; };
  std::printf("%-24s %6.0f/s  p50 %6.0f  p99 %6.0f  p999 %6.0f  max %7.0f us  cpu %5.1f us\n", name,
              n / (sum * 1e-6), at(0.5), at(0.99), at(0.999), micros.back(), cpu_each);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: wal_bench DIRECTORY [APPENDS] [PAYLOAD_BYTES]\n");
    return 2;
  }
  const std::string dir = argv[1];
  const int n = argc > 2 ? std::atoi(argv[2]) : 10000;
  const size_t payload = argc > 3 ? static_cast<size_t>(std::atol(argv[3])) : 300;
  FileSystem& fs = synod::storage::PosixFileSystem();
  if (!fs.MakeDirectory(dir))
    return 1;

  const std::string pages((payload + 150 + 4095) / 4096 * 4096, 'x');
  for (const bool written : {false, true}) {
    auto file = fs.Open(dir + (written ? "/written" : "/growing"), FileSystem::Mode::kCreate);
    if (!file)
      return 1;
    for (int i = 0; written && i < n; ++i)
      if (!file.value()->Write(static_cast<uint64_t>(i) * pages.size(), pages))
        return 1;
    if (!file.value()->Sync())
      return 1;
    Measure(written ? "bare, written before" : "bare, growing file", n, [&](int i) {
      return file.value()->Write(static_cast<uint64_t>(i) * pages.size(), pages) &&
             file.value()->Sync();
    });
  }

  AcceptorLogOptions options;
  options.spare_thread = true;
  options.seed = 1;
  synod::consensus::Recovered recovered;
  auto log = AcceptorLog::Open(fs, dir + "/log", options, Slot(0), &recovered);
  if (!log) {
    std::fprintf(stderr, "%s\n", log.error().detail.c_str());
    return 1;
  }
  const auto value = std::make_shared<const std::string>(payload, 'v');
  synod::consensus::PersistRequest request;
  request.hard_state.promised = {1, synod::NodeId(1)};
  request.entries.resize(1);
  Measure("acceptor log", n, [&](int i) {
    auto& entry = request.entries[0];
    entry.slot = Slot(static_cast<uint64_t>(i) + 1);
    entry.ballot = request.hard_state.promised;
    entry.entry = {synod::consensus::EntryKind::kCommand, entry.ballot, value};
    request.hard_state.learned = Slot(static_cast<uint64_t>(i));
    return log.value()->Append({&request, 1}).has_value();
  });
  const AcceptorLog::Stats stats = log.value()->stats();
  std::printf("bytes per append %.0f, syncs %llu\n", static_cast<double>(stats.appended_bytes) / n,
              static_cast<unsigned long long>(stats.syncs));
  const auto start = std::chrono::steady_clock::now();
  log.value().reset();
  log = AcceptorLog::Open(fs, dir + "/log", options, Slot(0), &recovered);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  std::printf("reopened in %.0f ms: %zu votes\n", took.count(), recovered.entries.size());
  return 0;
}
