#include "engine/state/file_cache.h"

#include <algorithm>

namespace mirrorfs::state {

FileHandle FileCache::find(const ObjectId& object, const std::optional<Location>& where) {
  const auto found = index_.find(object);
  if (found == index_.end()) return nullptr;
  if (where && found->second->where != *where) return nullptr;
  slots_.splice(slots_.begin(), slots_, found->second);
  found->second->used = Clock::now();
  return found->second->file;
}

void FileCache::moved(const ObjectId& object, const Location& to) {
  const auto found = index_.find(object);
  if (found != index_.end()) found->second->where = to;
}

FileHandle FileCache::put(const ObjectId& object, const Location& where, UniqueFd fd) {
  erase(object);
  slots_.push_front({object, where, std::make_shared<const UniqueFd>(std::move(fd)), Clock::now()});
  index_[object] = slots_.begin();
  FileHandle file = slots_.front().file;
  if (slots_.size() > most_open_) {
    index_.erase(slots_.back().object);
    slots_.pop_back();
  }
  return file;
}

void FileCache::erase(const ObjectId& object) {
  const auto found = index_.find(object);
  if (found == index_.end()) return;
  slots_.erase(found->second);
  index_.erase(found);
}

void FileCache::erase_at(const Location& where) {
  const auto there = [&](const Slot& slot) { return slot.where == where; };
  const auto found = std::find_if(slots_.begin(), slots_.end(), there);
  if (found != slots_.end()) erase(ObjectId(found->object));
}

void FileCache::erase_in(const ObjectId& parent) {
  for (auto slot = slots_.begin(); slot != slots_.end();) {
    if (slot->where.parent == parent) {
      index_.erase(slot->object);
      slot = slots_.erase(slot);
    } else {
      ++slot;
    }
  }
}

void FileCache::close_unused_since(Clock::time_point time) {
  while (!slots_.empty() && slots_.back().used < time) {
    index_.erase(slots_.back().object);
    slots_.pop_back();
  }
}

}  // namespace mirrorfs::state
