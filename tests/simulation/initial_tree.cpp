#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drawing.h"
#include "ledger.h"
#include "mirrorfs/unique_fd.h"
#include "simulated_time.h"
#include "workload.h"

namespace mirrorfs::simulation {
namespace {

/// Under the time of the run.
void set_time(int directory, const std::string& name) {
  const timespec now = SimulatedTime::on(CLOCK_REALTIME);
  const timespec times[2] = {now, now};
  ::utimensat(directory, name.c_str(), times, AT_SYMLINK_NOFOLLOW);
}

bool make_initial(int root, Random& random, const std::string& path, bool links,
                  std::vector<std::string>& files) {
  const std::size_t kind = random.below(10);
  if (links && kind >= 7 && !files.empty()) {
    return ::linkat(root, random.one_of(files).c_str(), root, path.c_str(), 0) == 0;
  }
  if (kind < 4) return ::mkdirat(root, path.c_str(), 0755) == 0;
  if (kind == 4) return ::symlinkat("target", root, path.c_str()) == 0;
  if (kind == 5) return ::mknodat(root, path.c_str(), S_IFIFO | 0600, 0) == 0;
  const UniqueFd fd(::openat(root, path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644));
  if (!fd) return false;
  const std::string data = draw_data(random);
  files.push_back(path);
  return ::pwrite(fd.get(), data.data(), data.size(), 0) == static_cast<ssize_t>(data.size());
}

}  // namespace

void make_initial_tree(int source_root, const Plan& plan) {
  std::vector<std::string> made;
  std::vector<std::string> files;
  for (unsigned count = 0; count < plan.initial_objects; ++count) {
    Random random(mixed(plan.seed, 500'000 + count));
    const std::string path = joined(draw_path_of(random, plan));
    if (plan.masked.contains(kInitialNumbers + count)) continue;
    SimulatedTime::advance(std::chrono::microseconds(1));
    if (make_initial(source_root, random, path, plan.linked_names, files)) made.push_back(path);
  }
  for (const std::string& path : made) {
    SimulatedTime::advance(std::chrono::microseconds(1));
    set_time(source_root, path);
  }
  if (plan.weights[static_cast<std::size_t>(Work::kLedger)] != 0) {
    const UniqueFd ledger(
        ::openat(source_root, Ledger::kName, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    set_time(source_root, Ledger::kName);
  }
  set_time(source_root, ".");
}

}  // namespace mirrorfs::simulation
