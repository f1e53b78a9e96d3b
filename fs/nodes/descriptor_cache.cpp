#include "fs/nodes/descriptor_cache.h"

#include <utility>

namespace mirrorfs::fs {

SharedFd DescriptorCache::find(const Node& node) {
  CachedDescriptor* const cached = node.cached_;
  if (cached == nullptr) return nullptr;
  if (!cached->pinned) recent_.splice(recent_.begin(), recent_, cached->place);
  return cached->fd;
}

void DescriptorCache::insert(Node& node, SharedFd fd, GivenUp& given_up, Kind kind) {
  if (kind == Kind::kOwn && is_lent(node)) remove(node, given_up);
  if (node.cached_ != nullptr) return;
  recent_.push_front({.node = &node,
                      .fd = std::move(fd),
                      .pinned = false,
                      .lent = kind == Kind::kLent,
                      .place = {}});
  recent_.front().place = recent_.begin();
  node.cached_ = &recent_.front();
  while (recent_.size() > limit_) {
    CachedDescriptor& oldest = recent_.back();
    // Opening by handle costs no walk down from an ancestor and survives renames behind our back.
    if (keep_handles_ && !oldest.node->handle_) {
      oldest.node->handle_ = FileHandleBytes::of(oldest.fd->get());
    }
    oldest.node->cached_ = nullptr;
    given_up.splice(given_up.begin(), recent_, oldest.place);
  }
}

bool DescriptorCache::is_lent(const Node& node) const {
  return node.cached_ != nullptr && node.cached_->lent;
}

void DescriptorCache::take_back(Node& node, const SharedFd& fd, GivenUp& given_up) noexcept {
  if (is_lent(node) && node.cached_->fd == fd) remove(node, given_up);
}

void DescriptorCache::pin(Node& node) {
  CachedDescriptor* const cached = node.cached_;
  if (cached == nullptr || cached->pinned) return;
  cached->pinned = true;
  pinned_.splice(pinned_.begin(), recent_, cached->place);
}

void DescriptorCache::remove(Node& node, GivenUp& given_up) noexcept {
  CachedDescriptor* const cached = std::exchange(node.cached_, nullptr);
  if (cached == nullptr) return;
  given_up.splice(given_up.begin(), cached->pinned ? pinned_ : recent_, cached->place);
}

}  // namespace mirrorfs::fs
