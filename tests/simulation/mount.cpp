#include "mount.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "allocation.h"
#include "recording.h"
#include "simulated_time.h"

namespace mirrorfs::simulation {

Mount::Recording::Recording(Mount& mount, Admission admission, Footprint footprint)
    : mount_(mount) {
  std::optional<FailingAllocation> failing;
  if (const auto allocations = mount.parts_.allocation_fails()) failing.emplace(*allocations);
  intent_ = mount.parts_.engine.replicator().begin(std::move(admission), std::move(footprint));
  settlement_.covered = intent_.footprint();
  ++mount_.under_way_;
}

namespace {

/// As fs/handlers tell of what they do not look at: directories in which names changed, and mostly
/// files that are written (fs/handlers/foresight.h). What stands there instead is plainly wrong.
struct Unseen {
  static void hide(Metadata& after) {
    after.times_known = false;
    after.mtime = after.atime = {.tv_sec = 1, .tv_nsec = 1};
  }
  void operator()(Write& write) const {
    const bool foreseen =
        write.where && write.after.nlink == 1 && write.after.mtime.tv_nsec % 4 != 0;
    if (foreseen) hide(write.after);
  }
  void operator()(Rename& rename) const {
    hide(rename.from_parent_after);
    hide(rename.to_parent_after);
    if (rename.object_after) hide(*rename.object_after);
    if (rename.exchanged_after) hide(*rename.exchanged_after);
  }
  template <class Other>
  void operator()(Other& other) const {
    if constexpr (requires { other.parent_after; }) hide(other.parent_after);
  }
};

}  // namespace

void Mount::Recording::record(Operation operation) {
  std::visit(Unseen{}, operation);
  std::optional<FailingAllocation> failing;
  if (const auto allocations = mount_.parts_.allocation_fails()) failing.emplace(*allocations);
  const SequenceNumber number = intent_.record(std::move(operation));
  if (number.value == 0) return;
  settlement_.number = number;
  mount_.parts_.recorded(number, settlement_.what == Await::kBarrier);
}

void Mount::Recording::record_barrier() {
  settlement_.what = Await::kBarrier;
  record(Barrier{});
}

Task<Admission> Mount::admitted(std::size_t payload) {
  Replicator& replicator = parts_.engine.replicator();
  const std::size_t bytes = replicator.cost(payload);
  std::optional<Admission> admission = replicator.admit(bytes);
  if (!admission) {
    // The callback may come when this request is gone.
    const auto room = std::make_shared<std::optional<Admission>>();
    replicator.admit_later(bytes, [room](Admission granted) { room->emplace(std::move(granted)); });
    const std::optional<Admission>* const waiting = room.get();
    co_await wait_until("waits for room in the queue", [waiting] { return waiting->has_value(); });
    admission = std::move(*room);
  }
  Admission granted = std::move(*admission);
  co_return granted;
}

Task<void> Mount::tell_of_directories(NodeRef node) {
  for (;;) {
    const NodeRef directory = Nodes::uppermost_unlearnt(node);
    if (directory == nullptr) co_return;
    std::vector<NodeRef> locked(1, directory);
    const NodeLocks locks = co_await NodeLocks::take(std::move(locked));
    if (Nodes::uppermost_unlearnt(directory) != directory) continue;
    const auto where = Nodes::location(directory);
    if (!where) continue;
    Footprint footprint;
    footprint.object(directory->object).entry(*where).change(Footprint::Change::kNothing);
    Recording recording(*this, Admission(), std::move(footprint));
    co_await step("tells the engine of a directory");
    recording.record(LearnDirectory{.object = directory->object, .where = *where});
    static_cast<void>(recording.complete());
    directory->learnt = true;
  }
}

Task<NodeLocks> Mount::change_locks(std::vector<NodeRef> locked, std::vector<NodeRef> named) {
  for (;;) {
    for (const NodeRef& node : named) co_await tell_of_directories(node);
    std::vector<NodeRef> wanted = locked;
    NodeLocks locks = co_await NodeLocks::take(std::move(wanted));
    const bool told = std::ranges::all_of(
        named, [](const NodeRef& node) { return Nodes::uppermost_unlearnt(node) == nullptr; });
    if (told) co_return locks;
  }
}

Task<NodeLocks> Mount::change_locks(NodeRef node) {
  std::vector<NodeRef> locked(1, node);
  std::vector<NodeRef> named(1, node);
  NodeLocks locks = co_await change_locks(std::move(locked), std::move(named));
  co_return locks;
}

Request Mount::settle(Settlement settlement) {
  Replicator& replicator = parts_.engine.replicator();
  if (!settlement.number || !replicator.must_wait(settlement.what)) co_return 0;
  const bool killed = parts_.waiter_is_killed();
  const ObjectId covered = settlement.covered != nullptr && !settlement.covered->objects().empty()
                               ? settlement.covered->objects().front()
                               : ObjectId{};
  const auto awaited = std::make_shared<Awaited>();
  const WaitId wait =
      replicator.settle(*settlement.number, settlement.what, settlement.covered,
                        [awaited, promised = parts_.order_is_claimed](Result<void> result) {
                          awaited->done = true;
                          awaited->good = result.has_value();
                          awaited->promised = promised();
                        });
  const Awaited* const waiting = awaited.get();
  if (killed) {
    co_await step("waits for the replica, and is killed");
    if (!awaited->done) {
      replicator.cancel(wait);
      co_return EINTR;
    }
  }
  co_await wait_until("waits for the replica", [waiting] { return waiting->done; });
  if (!awaited->good) co_return EIO;
  if (awaited->promised)
    parts_.settled(*settlement.number, settlement.what == Await::kBarrier, covered);
  co_return 0;
}

Footprint Mount::footprint_of(const NodeRef& node) {
  Footprint footprint;
  footprint.object(node->object).change(Footprint::Change::kObject);
  if (auto where = Nodes::location(node)) return std::move(footprint.entry(std::move(*where)));
  const Maybe metadata = look(node->fd.get(), "");
  const bool has_a_name = !metadata || metadata->nlink > 0;
  return has_a_name ? std::move(footprint.name_unknown()) : std::move(footprint);
}

Mount::Mount(MountParts parts, int source_root) : parts_(std::move(parts)) {
  const Maybe metadata = look(source_root, "");
  nodes_.set_root(*metadata, UniqueFd(::openat(source_root, ".", O_PATH | O_CLOEXEC)));
}

Mount::Maybe Mount::look(int fd, const char* name) {
  struct statx raw{};
  if (::statx(fd, name, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, Metadata::kStatxMask, &raw) != 0) {
    return std::unexpected(errno);
  }
  parts_.identity.adjust(raw);
  return Metadata::from(raw);
}

Mount::Maybe Mount::look_after(int fd, const char* name) {
  if (parts_.look_fails()) return std::unexpected(EIO);
  return look(fd, name);
}

void Mount::stamp(int fd, const char* name) {
  const timespec now = SimulatedTime::on(CLOCK_REALTIME);
  const timespec times[2] = {now, now};
  static_cast<void>(::utimensat(fd, name, times, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
}

std::expected<std::optional<Mount::Child>, int> Mount::look_at_child(const NodeRef& parent,
                                                                     const std::string& name) {
  UniqueFd fd(::openat(parent->fd.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!fd && errno == ENOENT) return std::nullopt;
  if (!fd) return std::unexpected(errno);
  const Maybe metadata = look(fd.get(), "");
  if (!metadata) return std::unexpected(metadata.error());
  return Child{nodes_.acquire(*metadata, std::move(fd)), *metadata};
}

std::expected<bool, int> Mount::still_means(const NodeRef& parent, const std::string& name,
                                            std::optional<Child>& child) {
  const Maybe metadata = look(parent->fd.get(), name.c_str());
  if (!metadata) {
    if (metadata.error() == ENOENT) return !child.has_value();
    return std::unexpected(metadata.error());
  }
  if (!child || metadata->id() != child->node->object) return false;
  child->metadata = *metadata;
  return true;
}

Task<NodeRef> Mount::walk(std::vector<std::string> path) {
  NodeRef at = nodes_.root();
  for (std::string& name : path) {
    at = co_await lookup(std::move(at), std::move(name));
    if (at == nullptr || !at->is_directory()) co_return nullptr;
  }
  co_return at;
}

/// resolve_child of fs/handlers/filesystem.cpp.
Task<NodeRef> Mount::lookup(NodeRef parent, std::string name) {
  std::vector<NodeRef> locked(1, parent);
  const NodeLocks locks = co_await NodeLocks::take(std::move(locked));
  const auto child = look_at_child(parent, name);
  if (!child || !*child) co_return nullptr;
  const NodeRef node = (*child)->node;
  Nodes::add_name(node, parent, name);
  nodes_.remember(node);
  co_return node;
}

NodeRef Mount::adopt_new(const NodeRef& parent, const std::string& name, const Metadata& metadata) {
  UniqueFd fd(::openat(parent->fd.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  NodeRef node = nodes_.acquire(metadata, std::move(fd));
  Nodes::add_name(node, parent, name);
  nodes_.remember(node);
  return node;
}

}  // namespace mirrorfs::simulation
