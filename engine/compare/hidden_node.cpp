#include "engine/compare/hidden_node.h"

#include <cerrno>

#include "engine/copy/remove_tree.h"
#include "engine/objects/dir_fd.h"
#include "engine/objects/owner_access.h"
#include "engine/ring/ring.h"

namespace mirrorfs::compare {

ring::Task<Result<std::shared_ptr<const OpenPair>>> HiddenNode::build() {
  ring::Ring& ring = context_.ring;
  const int staging = context_.staging->dirfd();
  Result<std::shared_ptr<const OpenPair>> parent = co_await descriptors_.acquire(node_->parent);
  if (!parent) co_return parent;
  Result<objects::DirFd> source =
      co_await objects::open_dir_at(ring, (*parent)->source.get(), node_->name.c_str());
  if (!source) co_return pass_on(std::move(source));
  std::string name = context_.staging->next_name();
  Result<void> made = co_await ring.mkdirat(staging, name.c_str(), 0700);
  if (!made) co_return pass_on(std::move(made));
  name_ = std::move(name);
  Result<objects::DirFd> replica = co_await objects::open_dir_at(ring, staging, name_.c_str());
  if (!replica) {
    co_await discard();
    co_return pass_on(std::move(replica));
  }
  auto pair = std::make_shared<OpenPair>();
  pair->source = std::move(*source);
  pair->replica = std::move(*replica);
  node_->hidden = std::move(pair);
  co_return node_->hidden;
}

ring::Task<Result<void>> HiddenNode::move_to(int parent) {
  Result<void> renamed = co_await context_.ring.renameat2(context_.staging->dirfd(), name_.c_str(),
                                                          parent, node_->name.c_str(), 0);
  if (!renamed) renamed.error().name = {};  // of the staging folder: means nothing to users
  co_return renamed;
}

ring::Task<Result<void>> HiddenNode::publish() {
  Result<std::shared_ptr<const OpenPair>> parent = co_await descriptors_.acquire(node_->parent);
  if (!parent) co_return pass_on(std::move(parent));
  const int to = (*parent)->replica.get();
  Result<void> moved = co_await move_to(to);
  if (!moved && moved.error().code == EACCES) {
    const bool opened = co_await objects::open_up(context_.ring, to, context_.rights);
    if (opened) moved = co_await move_to(to);
    node_->parent->touched |= opened;
  }
  if (!moved) co_return moved;
  name_.clear();
  descriptors_.unhide(*node_);
  co_return Result<void>{};
}

ring::Task<void> HiddenNode::discard() {
  if (name_.empty()) co_return;
  Result<void> removed =
      co_await copy::remove_tree(context_.copying(), context_.staging->dirfd(), name_.c_str());
  static_cast<void>(removed);  // otherwise it is a leftover for the next start
  name_.clear();
  node_->hidden.reset();
  node_->missing = true;
}

}  // namespace mirrorfs::compare
