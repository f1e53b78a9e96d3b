#include "engine/state/file_cache.h"

#include <algorithm>

namespace mirrorfs::state {

FileCache::FileCache(std::size_t most_open)
    : most_open_(most_open < 4 ? 4 : most_open), leaving_(std::make_shared<Leaving>()) {}

FileCache::~FileCache() {
  while (!cached_.empty()) leave(cached_.begin());
}

FileHandle FileCache::find(const ObjectId& object, const std::optional<Location>& where) {
  const auto found = index_.find(object);
  if (found == index_.end()) return nullptr;
  if (where && found->second->where != where) return nullptr;
  cached_.splice(cached_.begin(), cached_, found->second);
  found->second->used = Clock::now();
  return found->second->handle;
}

void FileCache::moved(const ObjectId& object, const Location& to) {
  const auto found = index_.find(object);
  if (found != index_.end()) found->second->where = to;
  for (OpenFile& file : leaving_->files) {
    if (file.object == object) file.where = to;
  }
}

void FileCache::lost_name(const ObjectId& object, const Location& name,
                          const std::optional<Location>& other) {
  for (OpenFile& file : leaving_->files) {
    if (file.object == object && file.where == name) file.where = other;
  }
  const auto found = index_.find(object);
  if (found == index_.end() || found->second->where != name) return;
  found->second->where = other;
  if (!other) leave(found->second);
}

FileHandle FileCache::put(const ObjectId& object, const Location& where, UniqueFd fd) {
  erase(object);
  cached_.push_front({object, where, std::move(fd), nullptr, Clock::now()});
  const auto file = cached_.begin();
  file->handle = FileHandle(&file->fd, [leaving = leaving_, file](const UniqueFd*) {
    file->unused = true;
    leaving->unused.set();
  });
  index_[object] = file;
  FileHandle handle = file->handle;
  if (cached_.size() > most_open_) leave(std::prev(cached_.end()));
  return handle;
}

void FileCache::leave(Files::iterator file) {
  index_.erase(file->object);
  leaving_->files.splice(leaving_->files.end(), cached_, file);
  file->handle.reset();
}

void FileCache::erase(const ObjectId& object) {
  const auto found = index_.find(object);
  if (found != index_.end()) leave(found->second);
}

void FileCache::erase_at(const Location& where) {
  const auto there = [&](const OpenFile& file) { return file.where == where; };
  const auto found = std::find_if(cached_.begin(), cached_.end(), there);
  if (found != cached_.end()) leave(found);
}

void FileCache::erase_in(const ObjectId& parent) {
  for (auto file = cached_.begin(); file != cached_.end();) {
    const auto next = std::next(file);
    if (file->where && file->where->parent == parent) leave(file);
    file = next;
  }
}

void FileCache::close_unused_since(Clock::time_point time) {
  while (!cached_.empty() && cached_.back().used < time) leave(std::prev(cached_.end()));
}

FileCache::OpenFile* FileCache::next_unused() {
  for (OpenFile& file : leaving_->files) {
    if (!file.unused || file.close_number != 0) continue;
    file.close_number = ++closes_begun_;
    return &file;
  }
  return nullptr;
}

bool FileCache::any_closing_of(std::uint64_t number) const {
  return std::ranges::any_of(leaving_->files, [number](const OpenFile& file) {
    return file.close_number != 0 && file.close_number <= number;
  });
}

void FileCache::closed(const OpenFile* file) {
  leaving_->files.remove_if([file](const OpenFile& one) { return &one == file; });
}

}  // namespace mirrorfs::state
