#include "fs/nodes/node_table.h"

#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "fs/nodes/node_names.h"

namespace mirrorfs::fs {

NodeRef::~NodeRef() {
  if (node_ != nullptr) table_->release(*node_);
}

NodeTable::NodeTable(const SourceTree& source, std::size_t descriptor_limit)
    : source_(source), descriptors_(descriptor_limit, source.handles_allowed()) {
  root_ = acquire(source.root_metadata());
  set_learnt(root_);
}

NodeTable::~NodeTable() {
  std::vector<Node*> known;
  for (Node* const node : by_id_) {
    if (std::exchange(node->lookups_, 0) != 0) known.push_back(node);
  }
  for (Node* const node : known) release(*node);
}

std::size_t NodeTable::default_descriptor_limit() {
  rlimit limit{};
  constexpr std::size_t kLeast = 64, kMost = 16'384;
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kLeast;
  return std::clamp<std::size_t>(limit.rlim_cur / 2, kLeast, kMost);
}

NodeRef NodeTable::find(NodeId id) {
  const std::lock_guard lock(mutex_);
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? NodeRef() : NodeRef(*this, **found);
}

NodeRef NodeTable::find(const ObjectId& object) {
  const std::lock_guard lock(mutex_);
  const auto found = by_object_.find(object);
  return found == by_object_.end() ? NodeRef() : NodeRef(*this, **found);
}

NodeRef NodeTable::make(const Metadata& metadata) {
  auto node = std::make_unique<Node>(NodeId{next_id_++}, metadata.id(), metadata.mode);
  by_id_.insert(node.get());
  try {
    by_object_.insert(node.get());
  } catch (...) {
    by_id_.erase(node.get());
    throw;
  }
  return {*this, *node.release()};
}

NodeRef NodeTable::acquire(const Metadata& metadata) {
  const std::lock_guard lock(mutex_);
  const auto found = by_object_.find(metadata.id());
  NodeRef node = found == by_object_.end() ? make(metadata) : NodeRef(*this, **found);
  node->linked_ = !metadata.is_directory() && metadata.nlink > 1;
  return node;
}

NodeRef NodeTable::acquire_new(const Metadata& metadata) {
  const std::lock_guard lock(mutex_);
  const auto stale = by_object_.find(metadata.id());
  if (stale != by_object_.end()) by_object_.erase(stale);
  return make(metadata);
}

void NodeTable::add_lookup(const NodeRef& node) {
  const std::lock_guard lock(mutex_);
  if (node->lookups_++ == 0) node->references_.fetch_add(1, std::memory_order_relaxed);
}

void NodeTable::forget(NodeId id, std::uint64_t lookups) {
  Node* last = nullptr;
  {
    const std::lock_guard lock(mutex_);
    const auto found = by_id_.find(id);
    if (found == by_id_.end() || (*found)->lookups_ == 0) return;
    Node& node = **found;
    node.lookups_ -= std::min(lookups, node.lookups_);
    if (node.lookups_ == 0) last = &node;
  }
  if (last != nullptr) release(*last);  // the reference that the lookups held
}

// The last reference goes under the mutex: find() could hand the node out again otherwise. Takes no
// memory. Only directories are parents, and a directory has one name, so that what goes with a node
// is a chain, which can be longer than the stack is deep.
void NodeTable::release(Node& node) noexcept {
  std::uint32_t count = node.references_.load(std::memory_order_relaxed);
  while (count > 1) {
    if (node.references_.compare_exchange_weak(count, count - 1, std::memory_order_acq_rel)) return;
  }
  DescriptorCache::GivenUp given_up;
  take_out(node, given_up);
  removed_.close(std::move(given_up));
}

void NodeTable::take_out(Node& node, DescriptorCache::GivenUp& given_up) noexcept {
  const std::lock_guard lock(mutex_);
  if (!drop(node)) return;
  NodeNames names(node);
  while (Node* parent = names.take_any()) {
    while (parent != nullptr && drop(*parent)) {
      Node* const above = NodeNames(*parent).take_any();
      erase(*parent, given_up);
      parent = above;
    }
  }
  erase(node, given_up);
}

/// True when it was the last reference.
bool NodeTable::drop(Node& node) noexcept {
  return node.references_.fetch_sub(1, std::memory_order_acq_rel) == 1;
}

void NodeTable::erase(Node& node, DescriptorCache::GivenUp& given_up) noexcept {
  by_id_.erase(&node);
  const auto found = by_object_.find(node.object());
  if (found != by_object_.end() && *found == &node) by_object_.erase(found);
  descriptors_.remove(node, given_up);
  const std::unique_ptr<Node> gone(&node);
}

void NodeTable::add_name(const NodeRef& node, const NodeRef& parent, std::string_view name) {
  std::vector<Node*> dropped;
  dropped.reserve(4);  // more than there are; what is taken out must not be lost for want of memory
  {
    const std::lock_guard lock(mutex_);
    if (NodeNames(*node).contains(parent.get(), name)) return;
    insert_name(*node, *parent, name, dropped);
  }
  for (Node* const old : dropped) release(*old);
}

void NodeTable::insert_name(Node& node, Node& parent, std::string_view name,
                            std::vector<Node*>& dropped) {
  NodeNames names(node);
  const std::size_t most = node.is_directory() ? 1 : NodeNames::kMost;
  if (node.is_directory() && names.size() > 0) {
    node.learnt_ = false;
    break_loop(node, parent, dropped);
  }
  while (names.size() >= most) dropped.push_back(names.take_any());
  names.add(parent, name);
  parent.references_.fetch_add(1, std::memory_order_relaxed);
}

// Directories moved behind our back could seem to lie within each other until they are looked up
// again: forget where the upper one was.
void NodeTable::break_loop(Node& node, Node& parent, std::vector<Node*>& dropped) {
  for (Node* at = &parent; at != nullptr; at = at->name_.parent) {
    if (at->name_.parent == &node) {
      dropped.push_back(NodeNames(*at).take_any());
      return;
    }
  }
}

void NodeTable::remove_name(const NodeRef& node, const NodeRef& parent, std::string_view name) {
  Node* dropped = nullptr;
  {
    const std::lock_guard lock(mutex_);
    dropped = NodeNames(*node).take(parent.get(), name);
  }
  if (dropped != nullptr) release(*dropped);
}

bool NodeTable::has_name(const NodeRef& node) const {
  const std::lock_guard lock(mutex_);
  return node->name_.parent != nullptr;
}

std::optional<Location> NodeTable::location(const NodeRef& node) const {
  const std::lock_guard lock(mutex_);
  const NodeNames names(*node);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const Node& parent = *names.parent(i);
    if (parent.learnt_) return Location{.parent = parent.object(), .name = names.name(i)};
  }
  return std::nullopt;
}

std::vector<Location> NodeTable::locations(const NodeRef& node) const {
  const std::lock_guard lock(mutex_);
  const NodeNames names(*node);
  std::vector<Location> all;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const Node& parent = *names.parent(i);
    if (parent.learnt_) all.push_back({.parent = parent.object(), .name = names.name(i)});
  }
  return all;
}

std::optional<ObjectId> NodeTable::parent(const NodeRef& node) const {
  const std::lock_guard lock(mutex_);
  const NodeNames names(*node);
  return names.size() == 0 ? std::nullopt : std::optional(names.parent(0)->object());
}

bool NodeTable::may_be_linked(const NodeRef& node) const {
  const std::lock_guard lock(mutex_);
  return node->linked_ || NodeNames(*node).size() > 1;
}

/// It has names, and each of them is in a directory that the engine has not heard of.
bool NodeTable::names_unlearnt(Node& node) {
  const NodeNames names(node);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names.parent(i)->learnt_) return false;
  }
  return names.size() > 0;
}

NodeRef NodeTable::uppermost_unlearnt(const NodeRef& node) {
  const std::lock_guard lock(mutex_);
  Node* at = node.get();
  if (!at->is_directory()) at = names_unlearnt(*at) ? at->name_.parent : nullptr;
  Node* uppermost = nullptr;
  // What has no name was removed, and nothing can be made in it.
  for (; at != nullptr && !at->learnt_; at = at->name_.parent) {
    uppermost = at->name_.parent == nullptr ? nullptr : at;
  }
  return uppermost == nullptr ? NodeRef() : NodeRef(*this, *uppermost);
}

void NodeTable::set_learnt(const NodeRef& node) {
  const std::lock_guard lock(mutex_);
  node->learnt_ = true;
}

std::size_t NodeTable::size() const {
  const std::lock_guard lock(mutex_);
  return by_id_.size();
}

std::size_t NodeTable::open_descriptors() const {
  const std::lock_guard lock(mutex_);
  return descriptors_.size();
}

}  // namespace mirrorfs::fs
