// How the node table gets a descriptor of a node: cached, by handle, or down from an ancestor.
#include <fcntl.h>

#include <chrono>
#include <thread>
#include <utility>

#include "fs/nodes/node_names.h"
#include "fs/nodes/node_table.h"

namespace mirrorfs::fs {
namespace {
// Renames that race with the walk make it find another object; then names are read again.
constexpr std::size_t kAttempts = 4;
}  // namespace

Result<SharedFd> NodeTable::descriptor(const NodeRef& node) {
  {
    const std::lock_guard lock(mutex_);
    if (SharedFd fd = descriptors_.find(*node)) return fd;
  }
  if (is_root(*node)) {
    auto fd = source_.open_path(source_.root(), ".");
    if (!fd) return pass_on(std::move(fd));
    return cache(node, std::move(*fd));
  }
  if (auto fd = open_by_handle(node)) return cache(node, std::move(*fd));
  Result<UniqueFd> fd;
  for (std::size_t attempt = 0; attempt < kAttempts; ++attempt) {
    fd = open_by_name(node, attempt);
    if (fd) return cache(node, std::move(*fd));
    if (fd.error().code != ENOENT && fd.error().code != ESTALE) return pass_on(std::move(fd));
  }
  return fail(ESTALE, fd.error().operation, fd.error().name);
}

SharedFd NodeTable::cache(const NodeRef& node, UniqueFd fd) {
  DescriptorCache::GivenUp given_up;  // closed after the mutex is released
  auto shared = std::make_shared<const UniqueFd>(std::move(fd));
  const std::lock_guard lock(mutex_);
  descriptors_.insert(*node, shared, given_up);
  return shared;
}

void NodeTable::lend_descriptor(const NodeRef& node, SharedFd fd) {
  DescriptorCache::GivenUp given_up;  // closed after the mutex is released
  const std::lock_guard lock(mutex_);
  descriptors_.insert(*node, std::move(fd), given_up, DescriptorCache::Kind::kLent);
}

void NodeTable::take_back_descriptor(const NodeRef& node, const SharedFd& fd) {
  DescriptorCache::GivenUp given_up;  // closed after the mutex is released
  const std::lock_guard lock(mutex_);
  descriptors_.take_back(*node, fd, given_up);
}

SharedFd NodeTable::descriptor_to_keep(const NodeRef& node) {
  bool lent = false;
  {
    const std::lock_guard lock(mutex_);
    if (node->lookups_ == 0) return nullptr;
    lent = descriptors_.is_lent(*node);
  }
  auto fd = descriptor(node);
  if (!fd) return nullptr;
  if (!lent) return std::move(*fd);
  auto own = source_.reopen((*fd)->get(), O_PATH);
  return own ? std::make_shared<const UniqueFd>(std::move(*own)) : nullptr;
}

void NodeTable::pin_descriptor(const NodeRef& node, SharedFd fd) {
  DescriptorCache::GivenUp given_up;  // closed after the mutex is released
  const std::lock_guard lock(mutex_);
  descriptors_.insert(*node, std::move(fd), given_up);
  descriptors_.pin(*node);
}

void NodeTable::make_room_for_removal() {
  removed_.make_room();
  {
    const std::lock_guard lock(mutex_);
    if (!descriptors_.too_many_removed()) return;
  }
  // The thread that is told what to forget is behind, or applications keep what was removed; by the
  // former it catches up.
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

Result<void> NodeTable::check_identity(const UniqueFd& fd, const Node& node) const {
  auto metadata = source_.stat(fd.get());
  if (!metadata) return pass_on(std::move(metadata));
  if (metadata->id() != node.object()) return fail(ESTALE, "open");
  return {};
}

Result<UniqueFd> NodeTable::open_by_handle(const NodeRef& node) {
  if (!source_.handles_allowed() || node->object().device != root_->object().device) {
    return fail(ESTALE, "open_by_handle_at");
  }
  {
    const std::lock_guard lock(mutex_);
    if (!node->handle_) return fail(ESTALE, "open_by_handle_at");
  }
  // Set once, before the node's descriptor was given up; unchanged since.
  auto fd = source_.open_handle(node->handle_);
  if (!fd) return fd;
  if (auto same = check_identity(*fd, *node); !same) return pass_on(std::move(same));
  return fd;
}

Result<NodeTable::Route> NodeTable::route_to(const NodeRef& node, std::size_t attempt) {
  const std::lock_guard lock(mutex_);
  Route route;
  Node* at = node.get();
  do {
    const NodeNames names(*at);
    if (names.size() == 0) return fail(ESTALE, "open");
    const std::size_t which = attempt % names.size();
    route.steps.push_back({NodeRef(*this, *at), names.name(which)});
    at = names.parent(which);
    route.start = descriptors_.find(*at);
  } while (!route.start && !is_root(*at));
  return route;
}

Result<UniqueFd> NodeTable::open_by_name(const NodeRef& node, std::size_t attempt) {
  auto route = route_to(node, attempt);
  if (!route) return pass_on(std::move(route));
  SharedFd directory = std::move(route->start);
  while (!route->steps.empty()) {
    Step step = std::move(route->steps.back());
    route->steps.pop_back();
    auto fd = source_.open_path(directory ? directory->get() : source_.root(), step.name.c_str());
    if (!fd) return fd;
    if (auto same = check_identity(*fd, *step.node); !same) return pass_on(std::move(same));
    if (route->steps.empty()) return fd;
    directory = cache(step.node, std::move(*fd));
  }
  return fail(ESTALE, "open");
}

}  // namespace mirrorfs::fs
