#include "nodes.h"

#include <algorithm>

namespace mirrorfs::simulation {
namespace {

constexpr std::size_t kMostNames = 4;

/// Or is `directory` itself. Two directories may seem to lie within each other for a moment.
bool lies_below(const NodeRef& node, const NodeRef& directory) {
  NodeRef at = node;
  for (unsigned steps = 0; at != nullptr && steps < 64; ++steps) {
    if (at == directory) return true;
    at = at->names.empty() ? nullptr : at->names.front().parent;
  }
  return false;
}

}  // namespace

void Nodes::set_root(const Metadata& metadata, UniqueFd fd) {
  root_ = acquire(metadata, std::move(fd));
  root_->learnt = true;
}

NodeRef Nodes::find(const ObjectId& object) const {
  const auto found = known_.find(object);
  return found == known_.end() ? nullptr : found->second.lock();
}

NodeRef Nodes::acquire(const Metadata& metadata, UniqueFd fd) {
  if (NodeRef known = find(metadata.id())) return known;
  auto node = std::make_shared<Node>();
  node->number = ++made_;
  node->object = metadata.id();
  node->type = metadata.type();
  node->fd = std::move(fd);
  known_[node->object] = node;
  return node;
}

void Nodes::remember(const NodeRef& node) {
  if (std::ranges::find(remembered_, node) == remembered_.end()) remembered_.push_back(node);
}

void Nodes::forget(std::size_t index) {
  const NodeRef gone = remembered_[index];
  std::erase_if(remembered_, [&gone](const NodeRef& node) { return lies_below(node, gone); });
}

void Nodes::add_name(const NodeRef& node, const NodeRef& parent, const std::string& name) {
  if (is_at(node, parent, name)) return;
  const std::size_t most = node->is_directory() ? 1 : kMostNames;
  while (node->names.size() >= most) node->names.erase(node->names.begin());
  node->names.push_back({parent, name});
}

void Nodes::remove_name(const NodeRef& node, const NodeRef& parent, const std::string& name) {
  std::erase(node->names, Node::Name{parent, name});
}

std::optional<Location> Nodes::location(const NodeRef& node) {
  if (node->names.empty()) return std::nullopt;
  return Location{node->names.front().parent->object, node->names.front().name};
}

bool Nodes::is_at(const NodeRef& node, const NodeRef& parent, const std::string& name) {
  return std::ranges::find(node->names, Node::Name{parent, name}) != node->names.end();
}

Task<NodeLocks> NodeLocks::take(NodeRef first, NodeRef second, NodeRef third, NodeRef fourth) {
  std::vector<NodeRef> nodes = {first, second, third, fourth};
  std::erase(nodes, nullptr);
  std::ranges::sort(nodes, {}, &Node::number);
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  NodeLocks locks;
  for (NodeRef& node : nodes) {
    co_await wait_until("takes a node's lock", [&node] { return node->locked_by == nullptr; });
    node->locked_by = &Actor::current();
    locks.held_.push_back(std::move(node));
  }
  co_return locks;
}

void NodeLocks::unlock() {
  for (const NodeRef& node : held_) node->locked_by = nullptr;
  held_.clear();
}

}  // namespace mirrorfs::simulation
