// Directory entries: made, linked, moved, removed.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/objects/attributes.h"
#include "engine/objects/dir_fd.h"
#include "engine/ring/ring.h"
#include "engine/stream/apply.h"

namespace mirrorfs::stream {
namespace {

constexpr const char* kAccessAcl = "system.posix_acl_access";
constexpr const char* kDefaultAcl = "system.posix_acl_default";
constexpr mode_t kSpecialBits = S_ISUID | S_ISGID | S_ISVTX;

}  // namespace

/// Owner and then mode: chown clears set-id bits (chown(2)). The umask is 0, so that without a
/// default ACL only special bits can be missing. A reconcile may have given the parent a default
/// ACL that is younger than the object: what this one inherited on the source is told by operations
/// of its own.
Result<void> Applier::own(int parent, int fd, const Metadata& after, const ObjectId& object,
                          const Location& where) {
  objects::Refusal refused;
  const auto set = [&refused](Result<void> done) {
    return objects::taken_or_refused(std::move(done), refused);
  };
  const auto finish = [&]() -> Result<void> {
    if (refused) view_.refused(where, object, *refused);
    return {};
  };
  auto owned = set(writer_.set_owner(fd, after, rights_));
  if (!owned) return owned;
  if (after.is_symlink()) return finish();
  const bool inherits =
      !rights_.fidelity.leaves_out_acls() && objects::has_xattr(parent, kDefaultAcl);
  if (inherits) {
    if (auto removed = set(writer_.remove_xattr(fd, kAccessAcl)); !removed) return removed;
    if (after.is_directory()) {
      if (auto removed = set(writer_.remove_xattr(fd, kDefaultAcl)); !removed) return removed;
    }
  }
  // Elsewhere the mode that it was made with may have come to nothing.
  const bool made_so = rights_.fidelity.replica.exact;
  if (!inherits && made_so && (after.mode & kSpecialBits) == 0) return finish();
  auto done = set(writer_.set_mode(fd, permissions_for(fd, after), rights_));
  if (!done) return done;
  return finish();
}

ring::Task<Result<void>> Applier::create_regular(const CreateNode& node, int parent) {
  auto file = co_await writer_.create_file(parent, node.where.name.c_str(), O_WRONLY,
                                           node.after.permissions());
  if (!file) co_return pass_on(std::move(file));
  auto owned = own(parent, file->get(), node.after, node.object, node.where);
  view_.files.put(node.object, node.where, std::move(*file));
  co_return owned;
}

ring::Task<Result<void>> Applier::create_special(const CreateNode& node, int parent) {
  if (rights_.fidelity.leaves_out_type(node.after.mode)) co_return Result<void>{};
  const char* name = node.where.name.c_str();
  const mode_t mode = node.after.type() | node.after.permissions();
  auto placed = writer_.make_special(parent, name, mode, node.after.rdev);
  if (!placed) co_return placed;
  auto made = co_await objects::open_path_at(ring_, parent, name);
  if (!made) co_return pass_on(std::move(made));
  co_return own(parent, made->get(), node.after, node.object, node.where);
}

ring::Task<Result<void>> Applier::run(const CreateNode& node) {
  auto parent = co_await view_.directories.open_replica(node.where.parent);
  if (!parent) co_return pass_on(std::move(parent));
  if (node.after.is_regular()) {
    auto made = co_await create_regular(node, (*parent)->get());
    co_return made;
  }
  auto made = co_await create_special(node, (*parent)->get());
  co_return made;
}

ring::Task<Result<void>> Applier::run(const MakeDirectory& made) {
  auto parent = co_await view_.directories.open_replica(made.where.parent);
  if (!parent) co_return pass_on(std::move(parent));
  const char* name = made.where.name.c_str();
  auto done = co_await writer_.make_directory((*parent)->get(), name, made.after.permissions());
  if (!done) co_return done;
  // A reading ahead of a rename may have met it elsewhere meanwhile, and has made it there.
  if (view_.directories.contains(made.object)) co_return fail(ESTALE, "mkdirat", name);
  if (view_.directories.excludes(made.where, true)) co_return fail(ESTALE, "mkdirat", name);
  view_.directories.made(made.object, made.where);
  auto directory = co_await view_.directories.open_replica(made.object);
  if (!directory) co_return pass_on(std::move(directory));
  co_return own((*parent)->get(), (*directory)->get(), made.after, made.object, made.where);
}

ring::Task<Result<void>> Applier::run(const MakeSymlink& made) {
  if (rights_.fidelity.leaves_out_type(S_IFLNK)) co_return Result<void>{};
  auto parent = co_await view_.directories.open_replica(made.where.parent);
  if (!parent) co_return pass_on(std::move(parent));
  const char* name = made.where.name.c_str();
  auto done = co_await writer_.make_symlink(made.target.c_str(), (*parent)->get(), name);
  if (!done) co_return done;
  auto link = co_await objects::open_path_at(ring_, (*parent)->get(), name);
  if (!link) co_return pass_on(std::move(link));
  co_return own((*parent)->get(), link->get(), made.after, made.object, made.where);
}

ring::Task<Result<void>> Applier::run(const Link& link) {
  std::optional<Location> existing = link.existing;
  if (!existing) existing = view_.links.any(link.object);
  if (!existing) co_return fail(ENOENT, "linkat: the object had no name", link.where.name);
  auto from = co_await view_.directories.open_replica(existing->parent);
  if (!from) co_return pass_on(std::move(from));
  auto to = co_await view_.directories.open_replica(link.where.parent);
  if (!to) co_return pass_on(std::move(to));
  auto done = co_await writer_.link((*from)->get(), existing->name.c_str(), (*to)->get(),
                                    link.where.name.c_str());
  if (!done) co_return done;
  const auto copy = co_await ring_.statx((*to)->get(), link.where.name.c_str());
  if (!copy) co_return std::unexpected(copy.error());
  view_.links.add(link.object, *existing);
  view_.links.add(link.object, link.where);
  view_.links.set_copy(link.object, copy->id());
  co_return done;
}

ring::Task<Result<void>> Applier::run(const Unlink& unlink) {
  auto parent = co_await view_.directories.open_replica(unlink.where.parent);
  if (!parent) co_return pass_on(std::move(parent));
  auto done = co_await writer_.unlink((*parent)->get(), unlink.where.name.c_str());
  if (!done) co_return done;
  if (unlink.last_link) {
    view_.links.release(unlink.where);
    view_.links.forget(unlink.object);
    view_.files.erase(unlink.object);
    co_return done;
  }
  const bool other_is_mirrored =
      unlink.other_name && !view_.directories.excludes(*unlink.other_name, false);
  if (other_is_mirrored) view_.links.add(unlink.object, *unlink.other_name);
  view_.links.release(unlink.where);
  view_.files.lost_name(unlink.object, unlink.where, view_.links.any(unlink.object));
  co_return done;
}

ring::Task<Result<void>> Applier::run(const RemoveDirectory& removed) {
  auto parent = co_await view_.directories.open_replica(removed.where.parent);
  if (!parent) co_return pass_on(std::move(parent));
  auto done = co_await writer_.remove_directory((*parent)->get(), removed.where.name.c_str());
  if (done && stands_at(removed.object, removed.where)) view_.directories.removed(removed.object);
  co_return done;
}

bool Applier::stands_at(const ObjectId& directory, const Location& place) const {
  return view_.directories.where(directory) == place;
}

void Applier::moved(const ObjectId& object, mode_t type, const Location& from, const Location& to) {
  if (S_ISDIR(type)) {
    if (stands_at(object, from)) view_.directories.moved(object, to);
  } else {
    view_.links.rename(object, from, to);
    view_.files.moved(object, to);
  }
}

void Applier::exchanged(const Rename& rename) {
  view_.links.exchange(rename.object, rename.from, *rename.replaced, rename.to);
  const bool one = stands_at(rename.object, rename.from);
  const bool other = stands_at(*rename.replaced, rename.to);
  if (one && other) view_.directories.exchanged(rename.object, *rename.replaced);
  if (one && !other) view_.directories.moved(rename.object, rename.to);
  if (other && !one) view_.directories.moved(*rename.replaced, rename.from);
  view_.files.moved(rename.object, rename.to);
  view_.files.moved(*rename.replaced, rename.from);
}

/// Where types decide what is excluded, what is left alone may have the name of what is mirrored.
ring::Task<Result<void>> Applier::is_of_type(int parent, std::string name, bool is_directory) {
  if (!view_.directories.judges_types()) co_return Result<void>{};
  const auto there = co_await ring_.statx(parent, name.c_str());
  if (!there) co_return std::unexpected(there.error());
  if (there->is_directory() != is_directory) co_return fail(ESTALE, "statx", name);
  co_return Result<void>{};
}

ring::Task<Result<void>> Applier::are_of_their_types(const Rename& rename, int from, int to) {
  auto moved = co_await is_of_type(from, rename.from.name, S_ISDIR(rename.type));
  if (!moved || !rename.replaced) co_return moved;
  auto replaced = co_await is_of_type(to, rename.to.name, S_ISDIR(rename.replaced_type));
  co_return replaced;
}

ring::Task<Result<void>> Applier::run(const Rename& rename) {
  auto from = co_await view_.directories.open_replica(rename.from.parent);
  if (!from) co_return pass_on(std::move(from));
  auto to = co_await view_.directories.open_replica(rename.to.parent);
  if (!to) co_return pass_on(std::move(to));
  auto right = co_await are_of_their_types(rename, (*from)->get(), (*to)->get());
  if (!right) co_return right;
  std::optional<state::DirectoryTable::Move> move;
  if (S_ISDIR(rename.type) || S_ISDIR(rename.replaced_type)) move.emplace(view_.directories);
  const bool stood = stands_at(rename.object, rename.from);
  const bool other_stood = rename.replaced && stands_at(*rename.replaced, rename.to);
  // The source has decided that nothing stood in the way; RENAME_NOREPLACE would add nothing.
  const unsigned flags = rename.flags & RENAME_EXCHANGE;
  const char* const old_name = rename.from.name.c_str();
  const char* const new_name = rename.to.name.c_str();
  Result<void> done;
  if (flags != 0) {
    done = co_await writer_.exchange((*from)->get(), old_name, (*to)->get(), new_name);
  } else {
    done = co_await writer_.replace((*from)->get(), old_name, (*to)->get(), new_name);
  }
  if (!done) co_return done;
  // A reconcile gave up a copy meanwhile, which then was moved when it may have been half removed,
  // or met the directory elsewhere: the operation has failed, and a walk has to meet the directory.
  const bool lost = (stood && !stands_at(rename.object, rename.from)) ||
                    (other_stood && !stands_at(*rename.replaced, rename.to));
  if (lost) co_return fail(ESTALE, "renameat2", rename.to.name);
  if (flags != 0 && rename.replaced) {
    exchanged(rename);
    co_return done;
  }
  if (other_stood) view_.directories.removed(*rename.replaced);
  if (rename.replaced) {
    view_.links.release(rename.to);
    view_.files.lost_name(*rename.replaced, rename.to, view_.links.any(*rename.replaced));
  }
  moved(rename.object, rename.type, rename.from, rename.to);
  co_return done;
}

/// A session that trusts the replica takes the directory that stands there for the source's.
ring::Task<Result<void>> Applier::run(const LearnDirectory& learn) {
  auto parent = co_await view_.directories.open_replica(learn.where.parent);
  if (!parent) co_return pass_on(std::move(parent));
  const char* name = learn.where.name.c_str();
  const auto copy = co_await ring_.statx((*parent)->get(), name);
  if (!copy) co_return std::unexpected(copy.error());
  if (!copy->is_directory()) co_return fail(ENOTDIR, "statx", name);
  if (view_.directories.contains(learn.object)) co_return Result<void>{};
  view_.directories.trusted(learn.object, learn.where, copy->id());
  co_return Result<void>{};
}

ring::Task<Result<void>> Applier::run(const Barrier&) { co_return Result<void>{}; }
ring::Task<Result<void>> Applier::run(const Unknown&) { co_return fail(EIO, "unknown"); }

}  // namespace mirrorfs::stream
