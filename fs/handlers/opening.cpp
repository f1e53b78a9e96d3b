// create, tmpfile, open, flush, release.
#include <fcntl.h>
#include <unistd.h>

#include <memory>

#include "fs/handlers/creation.h"
#include "fs/handlers/foresight.h"
#include "fs/handlers/handlers.h"
#include "fs/handlers/recording.h"
#include "fs/handlers/writer.h"
#include "fs/io_policy/open_decision.h"

namespace mirrorfs::fs {
namespace {

/// Of the application's flags those that our descriptor has too.
int source_flags(int flags) { return flags & (O_ACCMODE | O_SYNC | O_DSYNC | O_NOATIME); }

bool writes_whole(int flags) {
  return (flags & O_ACCMODE) == O_WRONLY && (flags & (O_CREAT | O_TRUNC)) != 0;
}

/// Whoever writes a file as a whole may do so past us: then we have to read what was written.
int readable_if_whole(const Filesystem& fs, int flags) {
  const bool readable =
      writes_whole(flags) && fs.open_modes.allowed() && fs.source.shows_every_write();
  return readable ? (flags & ~O_ACCMODE) | O_RDWR : flags;
}

bool is_privileged(const Node& node) {
  return (node.known_mode() & (S_ISUID | S_ISGID)) != 0 ||
         node.capabilities != FileCapabilities::kAbsent;
}

bool expects_large(const Filesystem& fs, const NodeRef& node, int flags) {
  if (!writes_whole(flags)) return false;
  const auto where = fs.nodes.location(node);
  return where && fs.written_sizes.expects_large(where->parent);
}

/// A large one is told of as soon as it is: in data.cpp.
void note_written(Filesystem& fs, const OpenFile& closed) {
  if (!closed.written_whole()) return;
  const auto where = fs.nodes.location(closed.node);
  if (!where || !fs.written_sizes.expects_large(where->parent)) return;
  const auto now = fs.source.stat(closed.fd->get());
  if (now) fs.written_sizes.note(where->parent, now->size);
}

/// What replaces a large file is most likely as large.
void note_replaced(Filesystem& fs, const NodeRef& node, int flags) {
  if (!writes_whole(flags) || !fs.open_modes.allowed()) return;
  const auto path = fs.nodes.descriptor(node);
  if (!path) return;
  const auto before = fs.source.stat((*path)->get());
  if (!before || before->size < WrittenSizes::kLarge) return;
  if (const auto where = fs.nodes.location(node)) {
    fs.written_sizes.note(where->parent, before->size);
  }
}

OpenFacts facts_of(const Filesystem& fs, const NodeRef& node, int flags) {
  const NodeLocks locks(node);
  return {.access = access_mode(flags),
          .creates = (flags & O_CREAT) != 0,
          .truncates = (flags & O_TRUNC) != 0,
          .appends = (flags & O_APPEND) != 0,
          .direct_io = (flags & O_DIRECT) != 0,
          .synchronous = (flags & (O_SYNC | O_DSYNC)) != 0,
          .privileged = is_privileged(*node),
          .mode = fs.options.mode,
          .io = fs.options.io,
          .passthrough_available = node->object().device == fs.source.root_metadata().id().device,
          .writes_show = fs.source.shows_every_write() && fs.source_keeps_nanoseconds &&
                         fs.captures.has_room(),
          .expects_large = expects_large(fs, node, flags)};
}

/// An open descriptor of the source.
struct Opened {
  SharedFd fd;
  bool appends = false;
};

/// Nothing is written through it; or only by write(2), where what the source's filesystem has to
/// say is said at once. Through a mapping, which needs both accesses, pages may be written as late
/// as at close(2).
bool has_nothing_to_flush(const Filesystem& fs, const OpenFile& open) {
  if (!open.writable()) return true;
  return !open.readable() && fs.source.says_nothing_at_close(open.node->object());
}

/// Everything is known of the handle before the kernel is: RELEASE may come at once.
OpenFile& prepare(Filesystem& fs, const Caller& caller, const NodeRef& node, Opened opened,
                  fuse_file_info& file) {
  auto open = std::make_unique<OpenFile>(OpenFile{
      .node = node, .fd = std::move(opened.fd), .flags = file.flags, .appends = opened.appends});
  file.noflush = has_nothing_to_flush(fs, *open) ? 1U : 0U;
  OpenFile& kept = *open;
  file.fh = reinterpret_cast<std::uint64_t>(&kept);
  fs.open_files.keep(std::move(open));
  const auto way = fs.open_modes.enter(
      *node, facts_of(fs, node, kept.flags),
      {.fd = kept.fd->get(), .own = fs.own, .writer = kept.writable() ? &caller : nullptr});
  kept.way = way.decision;
  file.backing_id = way.backing.value;
  file.direct_io = way.decision.path == DataPath::kPassthroughDirectIo ? 1U : 0U;
  if (way.decision.unseen != Unseen::kNothing) {
    fs.captures.opened(fs, node, kept.fd, way.decision.unseen);
  }
  return kept;
}

void close_file(Filesystem& fs, OpenFile& open) {
  const auto closed = fs.open_files.take(open);
  if (!closed) return;
  note_written(fs, *closed);
  if (closed->way.unseen != Unseen::kNothing) {
    fs.captures.released(fs, closed->node, closed->way.unseen);
  } else {
    fs.open_modes.leave(*closed->node, closed->way.path);
  }
  fs.nodes.take_back_descriptor(closed->node, closed->fd);
  if (!closed->writable()) return;
  const NodeLocks locks(closed->node);
  closed->node->seen.reset();
}

Result<Changed<SharedFd>> open_truncating(Filesystem& fs, Admission admission, const Caller& caller,
                                          const NodeRef& node, int flags, bool kill_set_id) {
  const auto path = fs.nodes.descriptor(node);
  if (!path) return std::unexpected(path.error());
  const int path_fd = (*path)->get();
  ChangeLocks locks(fs, node);
  const FileCapabilities before = capabilities_before(fs, node, path_fd);
  Recording recording(fs, std::move(admission), footprint_of(fs, node, path_fd));
  auto fd = [&] {
    const ClearingSetId as_caller(fs.own, {.caller = caller,
                                           .fd = path_fd,
                                           .mode = node->known_mode(),
                                           .clears_set_id = kill_set_id});
    return fs.source.reopen(path_fd, flags | O_TRUNC);
  }();
  if (!fd) {
    recording.refused(fd.error().code);
    return pass_on(std::move(fd));
  }
  auto after = fs.source.stat(fd->get());
  if (!after) return pass_on(std::move(after));
  recording.record(
      Truncate{.object = node->object(), .where = fs.nodes.location(node), .after = *after});
  recording.record_privileges(node, path_fd, *after, before);
  return Changed<SharedFd>{std::make_shared<const UniqueFd>(std::move(*fd)), recording.complete()};
}

Result<Opened> open_existing(Filesystem& fs, const NodeRef& node, int flags) {
  const auto path_fd = fs.nodes.descriptor(node);
  if (!path_fd) return std::unexpected(path_fd.error());
  const int path = (*path_fd)->get();
  auto fd = fs.source.reopen(path, source_flags(flags));
  // An append-only file (chattr(1)) opens in no other way for writing.
  const bool appends = !fd && fd.error().code == EPERM && (flags & O_APPEND) != 0;
  if (appends) fd = fs.source.reopen(path, source_flags(flags) | O_APPEND);
  if (!fd) return pass_on(std::move(fd));
  return Opened{.fd = std::make_shared<const UniqueFd>(std::move(*fd)), .appends = appends};
}

void reply_opened(FuseRequest& request, Filesystem& fs, const NodeRef& node, Opened opened,
                  fuse_file_info& file) {
  OpenFile& open = prepare(fs, request.caller(), node, std::move(opened), file);
  if (!request.opened(file)) close_file(fs, open);
}

struct Created {
  Entry entry;
  SharedFd fd;
};

Result<Changed<Created>> create_file(Filesystem& fs, Admission admission, const Caller& caller,
                                     const NewName& at, mode_t mode, int flags) {
  ChangeLocks locks(fs, at.parent);
  const int directory = at.directory->get();
  keep_but_for_names(fs, at.parent, locks.take_seen());
  const bool inherits = has_default_acl(fs, directory);
  Recording recording(fs, std::move(admission), footprint_of(at));
  auto fd = [&]() -> Result<UniqueFd> {
    const AsCaller as_caller(fs.own, caller);
    if (!as_caller.ok()) return fail(EPERM, "setfsuid", at.name);
    return fs.source.create(directory, at.name, source_flags(readable_if_whole(fs, flags)),
                            creation_mode(caller, mode & 07777, inherits));
  }();
  if (!fd) {
    recording.refused(fd.error().code);
    return pass_on(std::move(fd));
  }
  auto metadata = fs.source.stat(fd->get());
  if (!metadata) return pass_on(std::move(metadata));
  Entry entry = adopt_new(fs, at, *metadata);
  Kept kept(fs, entry);
  recording.record(CreateNode{.object = entry.node->object(),
                              .where = {at.parent->object(), at.name},
                              .after = *metadata,
                              .parent_after = Metadata::with_unknown_times()});
  if (inherits) {
    auto told = record_inherited_acls(fs, recording, entry, fd->get());
    if (!told) return pass_on(std::move(told));
  }
  kept.is_answered();
  auto open = std::make_shared<const UniqueFd>(std::move(*fd));
  fs.nodes.lend_descriptor(entry.node, open);
  if (!inherits) entry.node->seen = remember(fs, entry.node, *metadata);
  return Changed<Created>{{.entry = std::move(entry), .fd = std::move(open)}, recording.complete()};
}

void reply_created(FuseRequest& request, Filesystem& fs, Created created, fuse_file_info& file) {
  OpenFile& open =
      prepare(fs, request.caller(), created.entry.node, {.fd = std::move(created.fd)}, file);
  if (request.created(to_entry(fs, created.entry), file)) return;
  close_file(fs, open);  // the kernel will not release what it did not get
  fs.nodes.forget(created.entry.node->id(), 1);
}

}  // namespace

void handle_create(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t parent,
                   const char* name, mode_t mode, fuse_file_info* file) {
  const Caller caller = request.caller();
  const auto at = new_name(fs, parent, name);
  if (!at) return request.error(at.error());
  auto created = create_file(fs, std::move(admission), caller, *at, mode, file->flags);
  if (!created) {
    // The kernel believed the name to be free and has checked no right to what stands there: ESTALE
    // makes it look again (do_filp_open, LOOKUP_REVAL).
    const bool unexpected = created.error().code == EEXIST && (file->flags & O_EXCL) == 0;
    return request.error(unexpected ? ESTALE : created.error().code);
  }
  answer(request, fs, std::move(created->settlement),
         [&fs, made = std::move(created->value), info = *file](FuseRequest& settled,
                                                               const Result<void>& result) mutable {
           if (result) return reply_created(settled, fs, std::move(made), info);
           fs.nodes.take_back_descriptor(made.entry.node, made.fd);
           fs.nodes.forget(made.entry.node->id(), 1);
           settled.error(result.error());
         });
}

// Nothing to record: the engine hears of the file when it is linked.
void handle_tmpfile(FuseRequest& request, Filesystem& fs, fuse_ino_t parent, mode_t mode,
                    fuse_file_info* file) {
  const Caller caller = request.caller();
  const auto node = fs.node(parent);
  if (!node) return request.error(node.error());
  const auto directory = fs.nodes.descriptor(*node);
  if (!directory) return request.error(directory.error());
  const bool inherits = has_default_acl(fs, (*directory)->get());
  auto fd = [&]() -> Result<UniqueFd> {
    const AsCaller as_caller(fs.own, caller);
    if (!as_caller.ok()) return fail(EPERM, "setfsuid");
    return fs.source.create_nameless((*directory)->get(),
                                     source_flags(file->flags) | (file->flags & O_EXCL),
                                     creation_mode(caller, mode & 07777, inherits));
  }();
  if (!fd) return request.error(fd.error());
  const auto metadata = fs.source.stat(fd->get());
  if (!metadata) return request.error(metadata.error());
  Entry entry{.node = fs.nodes.acquire_new(*metadata), .metadata = *metadata};
  fs.nodes.add_lookup(entry.node);
  auto path_fd = fs.source.reopen(fd->get(), O_PATH);
  if (!path_fd) {
    fs.nodes.forget(entry.node->id(), 1);
    return request.error(path_fd.error());
  }
  fs.nodes.pin_descriptor(entry.node, std::make_shared<const UniqueFd>(std::move(*path_fd)));
  reply_created(request, fs,
                {.entry = std::move(entry), .fd = std::make_shared<const UniqueFd>(std::move(*fd))},
                *file);
}

// FIFOs and devices are the kernel's own business on the mount; opening one here has effects.
void handle_open(FuseRequest& request, Filesystem& fs, fuse_ino_t id, fuse_file_info* file) {
  const auto node = fs.node(id);
  if (!node) return request.error(node.error());
  if (!(*node)->is_regular()) return request.error(EOPNOTSUPP);
  auto opened = open_existing(fs, *node, file->flags);
  if (!opened) return request.error(opened.error());
  reply_opened(request, fs, *node, std::move(*opened), *file);
}

void handle_open_truncating(FuseRequest& request, Filesystem& fs, Admission admission,
                            fuse_ino_t id, fuse_file_info* file) {
  const auto node = fs.node(id);
  if (!node) return request.error(node.error());
  if (!(*node)->is_regular()) return request.error(EOPNOTSUPP);
  const Caller caller = request.caller();
  note_replaced(fs, *node, file->flags);
  auto opened = open_truncating(fs, std::move(admission), caller, *node,
                                source_flags(readable_if_whole(fs, file->flags)),
                                kills_set_id(*file, caller));
  if (!opened) return request.error(opened.error());
  answer(request, fs, std::move(opened->settlement),
         [&fs, node = *node, fd = std::move(opened->value), info = *file](
             FuseRequest& settled, const Result<void>& result) mutable {
           if (!result) return settled.error(result.error());
           reply_opened(settled, fs, node, {.fd = std::move(fd)}, info);
         });
}

// Closing a duplicate reports what the filesystem below still has to say about the writes.
void handle_flush(FuseRequest& request, Filesystem& fs, fuse_ino_t id, fuse_file_info* file) {
  (void)fs, (void)id;
  const int copy = ::fcntl(open_file(*file).fd->get(), F_DUPFD_CLOEXEC, 0);
  if (copy < 0 || ::close(copy) != 0) return request.error(errno);
  request.done();
}

void handle_release(FuseRequest& request, Filesystem& fs, fuse_ino_t id, fuse_file_info* file) {
  (void)id;
  close_file(fs, open_file(*file));
  request.done();
}

}  // namespace mirrorfs::fs
