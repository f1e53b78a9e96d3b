// mkdir, mknod, symlink, and what they share with create.
#include "fs/handlers/creation.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "fs/handlers/foresight.h"
#include "fs/handlers/handlers.h"
#include "fs/nodes/reserved_name.h"

namespace mirrorfs::fs {
namespace {

constexpr const char* kDefaultAcl = "system.posix_acl_default";
constexpr const char* kAccessAcl = "system.posix_acl_access";

Result<void> record_acl(Filesystem& fs, Recording& recording, const Entry& made, int fd,
                        const char* name) {
  std::array<std::byte, 4096> value;  // ext4 and xfs take fewer than 512 entries of 8 bytes
  const auto size = fs.xattrs.get(fd, name, value);
  if (!size && size.error().code != ENODATA && size.error().code != EOPNOTSUPP) {
    return std::unexpected(size.error());
  }
  if (!size || *size == 0) return {};
  recording.record(SetXattr{.object = made.node->object(),
                            .where = fs.nodes.location(made.node),
                            .name = name,
                            .value = Payload(std::span(value).first(*size)),
                            .after = made.metadata});
  return {};
}

struct Made {
  Metadata metadata;
  UniqueFd fd;  ///< of a directory: more is going to be made in it
};

Result<Made> look_at_made(Filesystem& fs, const NewName& at, bool is_directory) {
  const int directory = at.directory->get();
  Made made;
  if (is_directory) made.fd = fs.source.open_path(directory, at.name).value_or(UniqueFd());
  auto metadata = made.fd ? fs.source.stat(made.fd.get()) : fs.source.stat_at(directory, at.name);
  if (!metadata) return pass_on(std::move(metadata));
  made.metadata = *metadata;
  return made;
}

/// `make(directory, mode)` makes the object; `describe(entry)` is its operation.
template <class Make, class Describe>
Result<Changed<Entry>> make_child(Filesystem& fs, const Caller& caller, Admission admission,
                                  const NewName& at, mode_t mode, bool is_directory,
                                  const Make& make, const Describe& describe) {
  ChangeLocks locks(fs, at.parent);
  const int directory = at.directory->get();
  keep_but_for_names(fs, at.parent, locks.take_seen());
  const bool inherits = has_default_acl(fs, directory);
  Recording recording(fs, std::move(admission), footprint_of(at));
  {
    const AsCaller as_caller(fs.own, caller);
    const bool made = as_caller.ok() && make(directory, creation_mode(caller, mode, inherits)) == 0;
    if (!made) {
      auto failed =
          as_caller.ok() ? fail_errno("create", at.name) : fail(EPERM, "setfsuid", at.name);
      recording.refused(failed.error().code);
      return failed;
    }
  }
  auto seen = look_at_made(fs, at, is_directory);
  if (!seen) return pass_on(std::move(seen));
  Entry entry = adopt_new(fs, at, seen->metadata);
  Kept kept(fs, entry);
  recording.record(describe(entry));
  if (seen->fd) fs.nodes.give_descriptor(entry.node, std::move(seen->fd));
  if (is_directory) {
    fs.nodes.set_learnt(entry.node);
    entry.node->lookup_missed = true;  // nothing is in it yet
    if (!inherits) keep_seen(fs, entry.node, remember(fs, entry.node, entry.metadata));
  }
  if (inherits && !entry.metadata.is_symlink()) {
    auto fd = fs.nodes.descriptor(entry.node);
    if (!fd) return pass_on(std::move(fd));
    if (auto told = record_inherited_acls(fs, recording, entry, (*fd)->get()); !told) {
      return pass_on(std::move(told));
    }
  }
  kept.is_answered();
  return Changed<Entry>{std::move(entry), recording.complete()};
}

}  // namespace

Result<NewName> new_name(Filesystem& fs, fuse_ino_t parent, const char* name) {
  auto node = fs.node(parent);
  if (!node) return pass_on(std::move(node));
  if (!is_single_component(name)) return fail(EINVAL, "create", name);
  if (fs.hides(**node, name)) return fail(EPERM, "create", name);
  auto directory = fs.nodes.descriptor(*node);
  if (!directory) return pass_on(std::move(directory));
  return NewName{.parent = std::move(*node), .directory = std::move(*directory), .name = name};
}

mode_t creation_mode(const Caller& caller, mode_t mode, bool parent_has_default_acl) {
  return parent_has_default_acl ? mode : mode & ~caller.umask;
}

bool has_default_acl(Filesystem& fs, int directory) {
  return fs.xattrs.has(directory, kDefaultAcl);
}

Entry adopt_new(Filesystem& fs, const NewName& at, const Metadata& metadata) {
  Entry entry{.node = fs.nodes.acquire_new(metadata), .metadata = metadata};
  entry.node->capabilities = FileCapabilities::kAbsent;
  fs.nodes.add_name(entry.node, at.parent, at.name);
  fs.nodes.add_lookup(entry.node);
  return entry;
}

Footprint footprint_of(const NewName& at) {
  return std::move(Footprint().entry({.parent = at.parent->object(), .name = at.name}));
}

Result<void> record_inherited_acls(Filesystem& fs, Recording& recording, const Entry& made,
                                   int fd) {
  if (auto told = record_acl(fs, recording, made, fd, kAccessAcl); !told) return told;
  if (!made.metadata.is_directory()) return {};
  return record_acl(fs, recording, made, fd, kDefaultAcl);
}

void answer_entry(FuseRequest& request, Filesystem& fs, Result<Changed<Entry>> made) {
  if (!made) return request.error(made.error());
  answer(request, fs, std::move(made->settlement),
         [&fs, entry = std::move(made->value)](FuseRequest& settled, const Result<void>& result) {
           if (result) return reply_entry(settled, fs, entry);
           fs.nodes.forget(entry.node->id(), 1);
           settled.error(result.error());
         });
}

void handle_mkdir(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t parent,
                  const char* name, mode_t mode) {
  const auto at = new_name(fs, parent, name);
  if (!at) return request.error(at.error());
  const auto make = [name](int directory, mode_t masked) {
    return ::mkdirat(directory, name, masked);
  };
  const auto describe = [&at](const Entry& made) {
    return MakeDirectory{.object = made.node->object(),
                         .where = {at->parent->object(), at->name},
                         .after = made.metadata,
                         .parent_after = Metadata::with_unknown_times()};
  };
  answer_entry(
      request, fs,
      make_child(fs, request.caller(), std::move(admission), *at, mode, true, make, describe));
}

void handle_mknod(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t parent,
                  const char* name, mode_t mode, dev_t device) {
  const auto at = new_name(fs, parent, name);
  if (!at) return request.error(at.error());
  const auto make = [name, device](int directory, mode_t masked) {
    return ::mknodat(directory, name, masked, device);
  };
  const auto describe = [&at](const Entry& made) {
    return CreateNode{.object = made.node->object(),
                      .where = {at->parent->object(), at->name},
                      .after = made.metadata,
                      .parent_after = Metadata::with_unknown_times()};
  };
  answer_entry(
      request, fs,
      make_child(fs, request.caller(), std::move(admission), *at, mode, false, make, describe));
}

void handle_symlink(FuseRequest& request, Filesystem& fs, Admission admission, const char* target,
                    fuse_ino_t parent, const char* name) {
  const auto at = new_name(fs, parent, name);
  if (!at) return request.error(at.error());
  const auto make = [name, target](int directory, mode_t) {
    return ::symlinkat(target, directory, name);
  };
  const auto describe = [&at, target](const Entry& made) {
    return MakeSymlink{.object = made.node->object(),
                       .where = {at->parent->object(), at->name},
                       .target = target,
                       .after = made.metadata,
                       .parent_after = Metadata::with_unknown_times()};
  };
  answer_entry(
      request, fs,
      make_child(fs, request.caller(), std::move(admission), *at, 0777, false, make, describe));
}

}  // namespace mirrorfs::fs
