#include "mount.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "recording.h"
#include "simulated_time.h"

namespace mirrorfs::simulation {

Task<Mount::Recording> Mount::Recording::begin(Mount& mount, std::size_t payload) {
  EngineUnderTest& engine = mount.parts_.engine;
  co_await wait_until("waits for room in the queue",
                      [&engine, payload] { return engine.has_room(payload); });
  co_return Recording(mount, engine.admit(payload));
}

void Mount::Recording::record(Operation operation) {
  last_ = mount_.parts_.engine.record(std::move(admission_), std::move(operation));
  admission_ = Admission();
  close();
  mount_.parts_.recorded(*last_);
}

void Mount::Recording::record_unknown(const NodeRef& node) {
  const Maybe after = mount_.look(node->fd.get(), "");
  record(Write{.object = node->object,
               .where = Nodes::location(node),
               .data = {},
               .after = after.value_or(Metadata{}),
               .unknown = true});
}

Request Mount::Recording::settle() {
  if (!last_) co_return 0;
  EngineUnderTest& engine = mount_.parts_.engine;
  const AwaitedRef awaited = barrier_ ? engine.settle_barrier(*last_) : engine.settle(*last_);
  if (awaited == nullptr) co_return 0;
  const Awaited* const waiting = awaited.get();
  co_await wait_until("waits for the replica", [waiting] { return waiting->done; });
  co_return awaited->good ? 0 : EIO;
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
  std::optional<Recording> recording;
  for (;;) {
    NodeLocks locks = co_await NodeLocks::take(parent);
    const auto child = look_at_child(parent, name);
    if (!child || !*child) co_return nullptr;
    const NodeRef& node = (*child)->node;
    const bool learn = node->is_directory() && !(node->learnt && Nodes::is_at(node, parent, name));
    if (learn && !recording) {
      locks.unlock();
      recording.emplace(co_await Recording::begin(*this, 0));
      continue;
    }
    nodes_.add_name(node, parent, name);
    nodes_.remember(node);
    if (learn) {
      co_await step("tells the engine of a directory");
      recording->record(LearnDirectory{.object = node->object, .where = {parent->object, name}});
      node->learnt = true;
    }
    co_return node;
  }
}

NodeRef Mount::adopt_new(const NodeRef& parent, const std::string& name, const Metadata& metadata) {
  UniqueFd fd(::openat(parent->fd.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  NodeRef node = nodes_.acquire(metadata, std::move(fd));
  nodes_.add_name(node, parent, name);
  nodes_.remember(node);
  if (node->is_directory()) node->learnt = true;
  return node;
}

}  // namespace mirrorfs::simulation
