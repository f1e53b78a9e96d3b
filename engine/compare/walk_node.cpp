#include "engine/compare/walk_node.h"

#include <utility>
#include <vector>

#include "engine/ring/ring.h"

namespace mirrorfs::compare {

WalkNode::~WalkNode() {
  // Unlinks a chain of ancestors one by one: recursion would be as deep as the tree.
  std::shared_ptr<WalkNode> next = std::move(parent);
  while (next && next.use_count() == 1) next = std::exchange(next->parent, nullptr);
}

std::string WalkNode::path_of(std::string_view entry) const {
  std::vector<std::string_view> names;
  if (!entry.empty()) names.push_back(entry);
  for (const WalkNode* node = this; node->parent; node = node->parent.get()) {
    names.push_back(node->name);
  }
  std::string path;
  for (auto part = names.rbegin(); part != names.rend(); ++part) {
    if (!path.empty()) path += '/';
    path += *part;
  }
  return path.empty() ? "." : path;
}

ring::Task<Result<std::shared_ptr<const OpenPair>>> WalkDescriptors::acquire(
    std::shared_ptr<WalkNode> node) {
  if (node->hidden) co_return node->hidden;
  std::vector<std::shared_ptr<WalkNode>> closed;
  std::shared_ptr<WalkNode> at = node;
  while (!at->open) {
    closed.push_back(at);
    at = at->parent;
  }
  for (auto next = closed.rbegin(); next != closed.rend(); ++next) {
    const std::shared_ptr<const OpenPair> held = at->open;
    Result<void> opened = co_await open_in(*at, **next);
    if (!opened) co_return pass_on(std::move(opened));
    at = *next;
  }
  if (node->parent && closed.empty()) recent_.splice(recent_.begin(), recent_, node->place);
  co_return node->open;
}

ring::Task<Result<void>> WalkDescriptors::open_in(const WalkNode& parent, WalkNode& node) {
  const std::shared_ptr<const OpenPair> base = parent.open;
  auto pair = std::make_shared<OpenPair>();
  Result<objects::DirFd> source =
      co_await objects::open_dir_at(ring_, base->source.get(), node.name.c_str());
  if (!source) co_return pass_on(std::move(source));
  pair->source = std::move(*source);
  if (!node.missing) {
    Result<objects::DirFd> replica =
        co_await objects::open_dir_at(ring_, base->replica.get(), node.name.c_str());
    if (!replica) co_return pass_on(std::move(replica));
    pair->replica = std::move(*replica);
  }
  // Another task may have opened it in the meantime.
  if (!node.open) insert(node, std::move(pair));
  co_return Result<void>{};
}

void WalkDescriptors::insert(WalkNode& node, std::shared_ptr<const OpenPair> pair) {
  while (recent_.size() >= most_) drop(*recent_.back());
  recent_.push_front(&node);
  node.place = recent_.begin();
  node.open = std::move(pair);
}

void WalkDescriptors::unhide(WalkNode& node) { insert(node, std::exchange(node.hidden, nullptr)); }

void WalkDescriptors::drop(WalkNode& node) {
  if (!node.open || !node.parent) return;
  recent_.erase(node.place);
  node.open.reset();
}

}  // namespace mirrorfs::compare
