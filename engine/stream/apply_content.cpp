// Content and attributes of objects that exist.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/objects/attributes.h"
#include "engine/objects/dir_fd.h"
#include "engine/objects/xattrs.h"
#include "engine/ring/ring.h"
#include "engine/stream/apply.h"

namespace mirrorfs::stream {
namespace {

constexpr const char* kNoNameKnown = "no name known for an object that has one";

}  // namespace

ring::Task<Result<void>> Applier::apply(const Operation& operation) {
  return std::visit([this](const auto& kind) { return run(kind); }, operation);
}

/// The file for writing. A null handle: the object has no name left and nobody will ever see it.
ring::Task<Result<state::FileHandle>> Applier::open_content(ObjectId object,
                                                            std::optional<Location> where,
                                                            std::uint32_t source_links) {
  if (state::FileHandle open = view_.files.find(object, where)) co_return open;
  if (!where) where = view_.links.any(object);
  if (!where) {
    if (source_links == 0) co_return state::FileHandle{};
    co_return fail(ENOENT, kNoNameKnown);
  }
  auto parent = co_await view_.directories.open_replica(where->parent);
  if (!parent) co_return pass_on(std::move(parent));
  auto opened = co_await ring_.open((*parent)->get(), where->name.c_str(),
                                    O_WRONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!opened) co_return pass_on(std::move(opened));
  co_return view_.files.put(object, *where, std::move(*opened));
}

ring::Task<Result<state::FileHandle>> Applier::open_object(ObjectId object,
                                                           std::optional<Location> where,
                                                           const Metadata& after) {
  if (state::FileHandle open = view_.files.find(object, where)) co_return open;
  if (object == view_.directories.root()) {
    auto root = co_await view_.directories.open_replica(object);
    if (!root) co_return pass_on(std::move(root));
    co_return std::make_shared<const UniqueFd>(::fcntl((*root)->get(), F_DUPFD_CLOEXEC, 0));
  }
  if (!where) where = view_.links.any(object);
  if (!where) {
    if (after.nlink == 0) co_return state::FileHandle{};
    co_return fail(ENOENT, kNoNameKnown);
  }
  auto parent = co_await view_.directories.open_replica(where->parent);
  if (!parent) co_return pass_on(std::move(parent));
  auto opened = co_await objects::open_path_at(ring_, (*parent)->get(), where->name.c_str());
  if (!opened) co_return pass_on(std::move(opened));
  // Where types decide what is excluded, what is left alone may have the name of what is mirrored.
  struct stat status{};
  const bool right =
      !view_.directories.judges_types() ||
      (::fstat(opened->get(), &status) == 0 && S_ISDIR(status.st_mode) == after.is_directory());
  if (!right) co_return fail(ESTALE, "open", where->name);
  co_return std::make_shared<const UniqueFd>(std::move(*opened));
}

ring::Task<Result<void>> Applier::run(const Write& write) {
  auto file = co_await open_content(write.object, write.where, write.after.nlink);
  if (!file) co_return pass_on(std::move(file));
  if (*file == nullptr) co_return Result<void>{};
  auto written = co_await writer_.overwrite((*file)->get(), write.data.view(), write.offset);
  if (!written) {
    view_.files.erase(write.object);
    co_return written;
  }
  bytes_written_ += write.data.size();
  co_return Result<void>{};
}

ring::Task<Result<void>> Applier::run(const Truncate& truncate) {
  auto file = co_await open_content(truncate.object, truncate.where, truncate.after.nlink);
  if (!file) co_return pass_on(std::move(file));
  if (*file == nullptr) co_return Result<void>{};
  auto done = co_await writer_.truncate((*file)->get(), truncate.after.size);
  co_return done;
}

ring::Task<Result<void>> Applier::run(const Allocate& allocate) {
  auto file = co_await open_content(allocate.object, allocate.where, allocate.after.nlink);
  if (!file) co_return pass_on(std::move(file));
  if (*file == nullptr) co_return Result<void>{};
  auto done = co_await writer_.allocate((*file)->get(), allocate.flags, allocate.range);
  co_return done;
}

mode_t Applier::permissions_for(int fd, const Metadata& after) {
  constexpr mode_t kSetIds = S_ISUID | S_ISGID;
  struct stat now{};
  if ((after.mode & kSetIds) == 0 || after.is_directory()) return after.permissions();
  const bool same = ::fstat(fd, &now) == 0 && now.st_uid == after.uid && now.st_gid == after.gid;
  return same ? after.permissions() : after.permissions() & ~kSetIds;
}

Result<void> Applier::taken(Result<void> set, const ObjectId& object,
                            const std::optional<Location>& where) {
  if (set || !objects::is_refusal(set.error())) return set;
  if (object == view_.directories.root()) {
    view_.refused({object, {}}, object, set.error());
  } else if (const auto name = where ? where : view_.links.any(object)) {
    view_.refused(*name, object, set.error());
  }
  return {};
}

/// A descriptor or a name leads to the object; or nobody will ever see it again.
bool Applier::can_reach(const ObjectId& object, const std::optional<Location>& where,
                        std::uint32_t source_links) {
  return where || source_links == 0 || view_.directories.contains(object) ||
         view_.links.any(object) || view_.files.find(object, std::nullopt);
}

/// Times are set later, as after any other operation (state/pending_times.h).
ring::Task<Result<void>> Applier::run(const SetAttributes& change) {
  if (change.changed == SetAttributes::kTimes) {
    if (can_reach(change.object, change.where, change.after.nlink)) co_return Result<void>{};
    co_return fail(ENOENT, kNoNameKnown);
  }
  auto object = co_await open_object(change.object, change.where, change.after);
  if (!object) co_return pass_on(std::move(object));
  if (*object == nullptr) co_return Result<void>{};
  const int fd = (*object)->get();
  if ((change.changed & SetAttributes::kOwner) != 0) {
    auto set = taken(writer_.set_owner(fd, change.after, rights_), change.object, change.where);
    if (!set) co_return set;
  }
  const bool mode = (change.changed & (SetAttributes::kMode | SetAttributes::kOwner)) != 0;
  if (!mode || change.after.is_symlink()) co_return Result<void>{};
  co_return taken(writer_.set_mode(fd, permissions_for(fd, change.after), rights_), change.object,
                  change.where);
}

ring::Task<Result<void>> Applier::run(const SetXattr& set) {
  if (objects::is_left_out(set.name, rights_.fidelity)) co_return Result<void>{};
  auto object = co_await open_object(set.object, set.where, set.after);
  if (!object) co_return pass_on(std::move(object));
  if (*object == nullptr) co_return Result<void>{};
  const auto bytes = set.value.view();
  const std::string_view value(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  auto done =
      taken(writer_.set_xattr((*object)->get(), set.name.c_str(), value), set.object, set.where);
  // An access ACL changes the mode (acl(5)), and a chmod the ACL's mask: the mode comes last.
  if (done && !set.after.is_symlink() && set.name.starts_with("system.posix_acl")) {
    done = taken(writer_.set_mode((*object)->get(), set.after.permissions(), rights_), set.object,
                 set.where);
  }
  co_return done;
}

ring::Task<Result<void>> Applier::run(const RemoveXattr& removed) {
  if (objects::is_left_out(removed.name, rights_.fidelity)) co_return Result<void>{};
  auto object = co_await open_object(removed.object, removed.where, removed.after);
  if (!object) co_return pass_on(std::move(object));
  if (*object == nullptr) co_return Result<void>{};
  co_return taken(writer_.remove_xattr((*object)->get(), removed.name.c_str()), removed.object,
                  removed.where);
}

}  // namespace mirrorfs::stream
