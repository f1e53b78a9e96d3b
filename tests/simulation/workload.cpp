#include "workload.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstring>
#include <new>

#include "drawing.h"
#include "ledger.h"

namespace mirrorfs::simulation {
namespace {

std::uint64_t draw_offset(Random& random) {
  return random.chance(1, 10) ? random.below(12'000) : random.below(64);
}

timespec draw_time(Random& random) {
  return {.tv_sec = static_cast<time_t>(1'000'000'000 + random.below(1000)),
          .tv_nsec = static_cast<long>(random.below(1'000'000'000))};
}

std::string draw_xattr(Random& random) { return "user.x" + std::to_string(random.below(3)); }

}  // namespace

Workload::Workload(Mount& mount, const Plan& plan, std::size_t session, Trace& trace)
    : mount_(mount),
      plan_(plan),
      session_(session),
      operations_(plan.sessions[session].operations),
      trace_(trace) {}

Task<void> Workload::application(unsigned number) {
  Application application{.number = number, .files = {}};
  while (begun_ < operations_) {
    const std::uint64_t next = session_ * kNumbersPerSession + begun_++;
    if (plan_.masked.contains(next)) continue;
    co_await step("begins an operation");
    co_await operation(application, next);
  }
}

Task<void> Workload::operation(Application& application, std::uint64_t number) {
  Random random(mixed(plan_.seed, 1000 + number));
  std::string what;
  int error = 0;
  Actor::current().effect = 0;
  try {
    error = co_await perform(application, number, random, what);
  } catch (const std::bad_alloc&) {  // the daemon answers the request with it
    error = ENOMEM;
  }
  if (trace_.in_words()) {
    trace_.say("app {}   operation {}: {}: {}", application.number, number, what,
               error == 0 ? "done" : std::strerror(error));
  }
  if (!random.chance(plan_.forgets, 100) || mount_.nodes().remembered() == 0) co_return;
  trace_.say("app {}   makes the kernel forget", application.number);
  if (random.chance(1, 4)) {
    mount_.nodes().forget_all();
  } else {
    mount_.nodes().forget(random.below(mount_.nodes().remembered()));
  }
}

Workload::Path Workload::draw_path(Random& random) const { return draw_path_of(random, plan_); }

Work Workload::draw_work(Random& random) const {
  std::size_t all = 0;
  for (const unsigned weight : plan_.weights) all += weight;
  std::size_t left = random.below(all);
  std::size_t kind = 0;
  while (left >= plan_.weights[kind]) left -= plan_.weights[kind++];
  return static_cast<Work>(kind);
}

Request Workload::perform(Application& application, std::uint64_t number, Random& random,
                          std::string& what) {
  const Work work = draw_work(random);
  int error = 0;
  switch (work) {
    case Work::kCreate:
    case Work::kMakeDirectory:
    case Work::kMakeOther: error = co_await make_something(application, work, random, what); break;
    case Work::kWrite:
    case Work::kCutContent: error = co_await change_content(application, work, random, what); break;
    case Work::kAttributes:
    case Work::kXattrs: error = co_await change_attributes(work, random, what); break;
    case Work::kUnlink:
    case Work::kRemoveDirectory: error = co_await remove_something(work, random, what); break;
    case Work::kLink: error = co_await link_something(random, what); break;
    case Work::kRename:
    case Work::kExchange: error = co_await rename_something(work, random, what); break;
    case Work::kNameless: error = co_await use_nameless_file(application, random, what); break;
    case Work::kFsync: error = co_await pass_barrier(random, what); break;
    case Work::kLedger: error = co_await add_to_ledger(number, what); break;
  }
  co_return error;
}

Task<NodeRef> Workload::node_at(Path path) {
  if (path.empty()) co_return mount_.nodes().root();
  std::string name = path.back();
  path.pop_back();
  NodeRef parent = co_await mount_.walk(std::move(path));
  if (parent == nullptr) co_return nullptr;
  NodeRef node = co_await mount_.lookup(std::move(parent), std::move(name));
  co_return node;
}

Request Workload::make_something(Application& application, Work work, Random& random,
                                 std::string& what) {
  Path path = draw_path(random);
  const std::size_t kind = random.below(3);
  what = fmt::format("{} {}",
                     work == Work::kCreate          ? "create"
                     : work == Work::kMakeDirectory ? "mkdir"
                     : kind == 0                    ? "symlink"
                                                    : "mknod",
                     joined(path));
  std::string name = path.back();
  path.pop_back();
  const NodeRef parent = co_await mount_.walk(std::move(path));
  if (parent == nullptr) co_return ENOENT;
  const mode_t mode = 0600 | static_cast<mode_t>(random.below(0200));
  int error = 0;
  if (work == Work::kCreate) {
    OpenFile opened;
    error = co_await mount_.create(parent, name, mode, &opened);
    if (opened.node != nullptr && random.chance(1, 3)) {
      application.files.push_back(std::move(opened));
    }
  } else if (work == Work::kMakeDirectory) {
    error = co_await mount_.mkdir(parent, name, mode | 0100);
  } else if (kind == 0) {
    std::string target = "target" + std::to_string(random.below(9));
    error = co_await mount_.symlink(std::move(target), parent, name);
  } else {
    const mode_t type = kind == 1 ? S_IFCHR : S_IFIFO;
    const dev_t device = kind == 1 ? makedev(1, 3) : 0;
    error = co_await mount_.mknod(parent, name, mode | type, device);
  }
  co_return error;
}

Request Workload::change_content(Application& application, Work work, Random& random,
                                 std::string& what) {
  OpenFile opened;
  OpenFile* file = &opened;
  const bool held = !application.files.empty() && random.chance(1, 3);
  Path path = draw_path(random);
  const bool punches = random.chance(1, 3);
  const bool synchronous = random.chance(1, 10);
  const std::uint64_t offset = draw_offset(random);
  std::string data = draw_data(random);
  const std::size_t which = random.below(std::max<std::size_t>(application.files.size(), 1));
  what = fmt::format("{} {} at {} for {}",
                     work == Work::kWrite ? "write"
                     : punches            ? "punch"
                                          : "truncate",
                     held ? "a held file" : joined(path), offset, data.size());
  if (held) {
    file = &application.files[which];
  } else {
    const NodeRef node = co_await node_at(std::move(path));
    if (node == nullptr) co_return ENOENT;
    const int failed = co_await mount_.open(node, &opened);
    if (failed != 0) co_return failed;
  }
  int error = 0;
  if (work == Work::kWrite) {
    error = co_await mount_.write(*file, offset, std::move(data), synchronous);
  } else if (!punches) {
    error = co_await mount_.truncate(file->node, offset);
  } else {
    const ByteRange range{offset, data.size()};
    error = co_await mount_.allocate(*file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, range);
  }
  if (held && random.chance(1, 4)) {
    application.files.erase(application.files.begin() + static_cast<std::ptrdiff_t>(which));
  }
  co_return error;
}

Request Workload::change_attributes(Work work, Random& random, std::string& what) {
  Path path = draw_path(random);
  if (random.chance(1, 8)) path.clear();  // the root
  const std::size_t kind = work == Work::kAttributes ? random.below(3) : random.between(3, 4);
  static constexpr const char* kKinds[] = {"chmod", "chown", "utimens", "setxattr", "removexattr"};
  what = fmt::format("{} {}", kKinds[kind], joined(path));
  const NodeRef node = co_await node_at(std::move(path));
  if (node == nullptr) co_return ENOENT;
  static constexpr unsigned kChanged[] = {
      SetAttributes::kMode, SetAttributes::kOwner | SetAttributes::kMode, SetAttributes::kTimes};
  const mode_t mode = 0600 | static_cast<mode_t>(random.below(0200));
  const auto owner = static_cast<unsigned>(random.below(5));
  const timespec time = draw_time(random);
  std::string name = draw_xattr(random);
  std::string value = draw_data(random);
  value.resize(std::min<std::size_t>(value.size(), 64));
  int error = 0;
  if (kind < 3) {
    error = co_await mount_.set_attributes(node, kChanged[kind], mode, owner, owner + 1, time);
  } else if (kind == 3) {
    error = co_await mount_.set_xattr(node, std::move(name), std::move(value));
  } else {
    error = co_await mount_.remove_xattr(node, std::move(name));
  }
  co_return error;
}

Request Workload::remove_something(Work work, Random& random, std::string& what) {
  Path path = draw_path(random);
  const bool directory = work == Work::kRemoveDirectory;
  what = fmt::format("{} {}", directory ? "rmdir" : "unlink", joined(path));
  std::string name = path.back();
  path.pop_back();
  const NodeRef parent = co_await mount_.walk(std::move(path));
  if (parent == nullptr) co_return ENOENT;
  const int error = co_await mount_.remove(parent, name, directory);
  co_return error;
}

Request Workload::link_something(Random& random, std::string& what) {
  Path path = draw_path(random);
  Path other = draw_path(random);
  what = fmt::format("link {} as {}", joined(path), joined(other));
  const NodeRef node = co_await node_at(std::move(path));
  if (node == nullptr) co_return ENOENT;
  if (node->is_directory()) co_return EPERM;
  std::string name = other.back();
  other.pop_back();
  const NodeRef parent = co_await mount_.walk(std::move(other));
  if (parent == nullptr) co_return ENOENT;
  const int error = co_await mount_.link(node, parent, name);
  co_return error;
}

Request Workload::rename_something(Work work, Random& random, std::string& what) {
  Path path = draw_path(random);
  Path other = draw_path(random);
  unsigned flags = work == Work::kExchange ? RENAME_EXCHANGE : 0U;
  if (flags == 0 && random.chance(1, 6)) flags = RENAME_NOREPLACE;
  what = fmt::format("rename {} to {} flags {}", joined(path), joined(other), flags);
  std::string name = path.back();
  path.pop_back();
  std::string new_name = other.back();
  other.pop_back();
  const NodeRef from = co_await mount_.walk(std::move(path));
  if (from == nullptr) co_return ENOENT;
  const NodeRef to = co_await mount_.walk(std::move(other));
  if (to == nullptr) co_return ENOENT;
  const int error = co_await mount_.rename(from, name, to, new_name, flags);
  co_return error;
}

/// fsync of the ledger, of anything, or syncfs.
Request Workload::pass_barrier(Random& random, std::string& what) {
  const std::size_t kind = random.below(3);
  Path path = draw_path(random);
  if (kind == 0) path.assign(1, Ledger::kName);
  what = kind == 2 ? "syncfs" : "fsync " + joined(path);
  NodeRef node;
  if (kind != 2) {
    node = co_await node_at(std::move(path));
    if (node == nullptr) co_return ENOENT;
  }
  const int error = co_await mount_.fsync(node);
  co_return error;
}

Request Workload::add_to_ledger(std::uint64_t number, std::string& what) {
  const std::uint64_t effect = number + 1;
  const bool makes_file = Ledger::is_file(effect);
  what = makes_file ? "ledger: create " + Ledger::file_name(effect) : "ledger: write";
  int error = 0;
  if (makes_file) {
    std::string name = Ledger::file_name(effect);
    Actor::current().effect = effect;
    error = co_await mount_.create(mount_.nodes().root(), std::move(name), 0600, nullptr);
  } else {
    std::string ledger = Ledger::kName;
    const NodeRef node = co_await mount_.lookup(mount_.nodes().root(), std::move(ledger));
    if (node == nullptr) co_return ENOENT;
    OpenFile opened;
    error = co_await mount_.open(node, &opened);
    if (error != 0) co_return error;
    std::string tag = Ledger::tag(effect);
    Actor::current().effect = effect;
    error = co_await mount_.write(opened, Ledger::offset(effect), std::move(tag), false);
  }
  Actor::current().effect = 0;
  co_return error;
}

/// O_TMPFILE, something written, then perhaps a name.
Request Workload::use_nameless_file(Application& application, Random& random, std::string& what) {
  Path path = draw_path(random);
  what = "O_TMPFILE for " + joined(path);
  std::string name = path.back();
  path.pop_back();
  const NodeRef parent = co_await mount_.walk(std::move(path));
  if (parent == nullptr) co_return ENOENT;
  OpenFile opened;
  int error = co_await mount_.tmpfile(parent, 0600, &opened);
  if (error != 0) co_return error;
  std::string data = draw_data(random);
  error = co_await mount_.write(opened, draw_offset(random), std::move(data), false);
  if (error == 0 && random.chance(3, 4)) error = co_await mount_.link(opened.node, parent, name);
  if (random.chance(1, 2)) application.files.push_back(std::move(opened));
  co_return error;
}

}  // namespace mirrorfs::simulation
