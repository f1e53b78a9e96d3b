// From libfuse's C callbacks to the handlers.
#include <fcntl.h>
#include <pthread.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "fs/handlers/ahead.h"
#include "fs/handlers/handlers.h"
#include "mirrorfs/log.h"

namespace mirrorfs::fs {
namespace {

Filesystem& filesystem_of(fuse_req_t raw) {
  return *static_cast<Filesystem*>(fuse_req_userdata(raw));
}

/// libfuse cancels the threads of its rings when the session ends, which must not end a handler
/// half-way.
class NotCancelled {
 public:
  NotCancelled() { ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
  NotCancelled(const NotCancelled&) = delete;
  NotCancelled& operator=(const NotCancelled&) = delete;
  ~NotCancelled() { ::pthread_setcancelstate(before_, nullptr); }

 private:
  int before_ = PTHREAD_CANCEL_ENABLE;
};

/// Nothing is thrown through libfuse.
template <class Work>
void guarded(const Work& work) {
  try {
    work();
  } catch (const std::exception& error) {
    log_error("a request failed: {}", error.what());
  } catch (...) {
    log_error("a request failed for an unknown reason");
  }
}

/// A C function that calls `Handler` with a FuseRequest.
template <auto Handler>
struct Callback;

template <class... Arguments, void (*Handler)(FuseRequest&, Filesystem&, Arguments...)>
struct Callback<Handler> {
  static void call(fuse_req_t raw, Arguments... arguments) {
    const NotCancelled scope;
    FuseRequest request(raw);
    guarded([&] { Handler(request, filesystem_of(raw), arguments...); });
  }
};

// An argument of a request that is put aside: libfuse's own goes when its callback returns.
template <class Value>
struct Owned {
  explicit Owned(Value given) : value(given) {}
  Value get() { return value; }
  Value value;
};
template <>
struct Owned<const char*> {
  explicit Owned(const char* given) : value(given) {}
  const char* get() { return value.c_str(); }
  std::string value;
};
template <class Pointee>
struct Owned<Pointee*> {
  explicit Owned(const Pointee* given) {
    if (given != nullptr) value = *given;
  }
  Pointee* get() { return value ? &*value : nullptr; }
  std::optional<Pointee> value;
};

/// Room, if there is and the journal has what is ahead on the disk.
std::optional<Admission> admit(Filesystem& fs, std::size_t bytes, const Footprint& ahead) {
  if (!fs.replicator.is_ahead(ahead)) return std::nullopt;
  return fs.replicator.admit(bytes);
}

/// Calls `handler(request, admission, arguments...)` once there is room for the operation, and the
/// journal has what `guess(fs, arguments...)` names: now, with the arguments as they are, or later
/// with copies of them.
template <class Handler, class Guess, class... Arguments>
void with_room(fuse_req_t raw, std::size_t payload, const Handler& handler, const Guess& guess,
               Arguments... arguments) {
  const NotCancelled scope;
  Filesystem& fs = filesystem_of(raw);
  FuseRequest request(raw);
  guarded([&] {
    const std::size_t bytes = fs.replicator.cost(payload);
    Footprint ahead = guess(fs, arguments...);
    if (auto admission = admit(fs, bytes, ahead)) {
      return handler(request, fs, std::move(*admission), arguments...);
    }
    fs.suspended.until_admitted(std::move(request), bytes, std::move(ahead),
                                [&fs, handler, owned = std::tuple(Owned<Arguments>(arguments)...)](
                                    FuseRequest& resumed, Admission admission) mutable {
                                  std::apply(
                                      [&](auto&... argument) {
                                        handler(resumed, fs, std::move(admission),
                                                argument.get()...);
                                      },
                                      owned);
                                });
  });
}

/// The same as Callback for a handler that changes the source.
template <auto Handler>
struct Change;

template <class... Arguments, void (*Handler)(FuseRequest&, Filesystem&, Admission, Arguments...)>
struct Change<Handler> {
  static void call(fuse_req_t raw, Arguments... arguments) {
    const auto guess = [](Filesystem& fs, auto... given) {
      return Ahead<Handler>::of(fs, given...);
    };
    with_room(raw, 0, Handler, guess, arguments...);
  }
};

// Only what truncates the file changes anything, and only that may have to wait.
void open_callback(fuse_req_t raw, fuse_ino_t id, fuse_file_info* file) {
  if ((file->flags & O_TRUNC) != 0) return Change<handle_open_truncating>::call(raw, id, file);
  Callback<handle_open>::call(raw, id, file);
}

void write_callback(fuse_req_t raw, fuse_ino_t id, fuse_bufvec* data, off_t offset,
                    fuse_file_info* file) {
  const NotCancelled scope;
  Filesystem& fs = filesystem_of(raw);
  FuseRequest request(raw);
  guarded([&] {
    auto owned = take_data(*data);
    if (!owned) return request.error(owned.error());
    const std::size_t bytes = fs.replicator.cost(owned->size);
    Footprint ahead = ahead_of_object(fs, id);
    if (auto admission = admit(fs, bytes, ahead)) {
      return handle_write(request, fs, std::move(*admission), id, std::move(*owned), offset, file);
    }
    fs.suspended.until_admitted(std::move(request), bytes, std::move(ahead),
                                [&fs, id, bytes_of_write = std::move(*owned), offset, info = *file](
                                    FuseRequest& resumed, Admission admission) mutable {
                                  handle_write(resumed, fs, std::move(admission), id,
                                               std::move(bytes_of_write), offset, &info);
                                });
  });
}

void setxattr_callback(fuse_req_t raw, fuse_ino_t id, const char* name, const char* value,
                       std::size_t size, int flags) {
  const NotCancelled scope;
  Filesystem& fs = filesystem_of(raw);
  FuseRequest request(raw);
  guarded([&] {
    const std::span given(reinterpret_cast<const std::byte*>(value), size);
    const std::size_t bytes = fs.replicator.cost(size);
    Footprint ahead = ahead_of_object(fs, id);
    if (auto admission = admit(fs, bytes, ahead)) {
      return handle_setxattr(request, fs, std::move(*admission), id, name, given, flags);
    }
    fs.suspended.until_admitted(
        std::move(request), bytes, std::move(ahead),
        [&fs, id, name = std::string(name), kept = std::vector(given.begin(), given.end()), flags](
            FuseRequest& resumed, Admission admission) {
          handle_setxattr(resumed, fs, std::move(admission), id, name.c_str(), kept, flags);
        });
  });
}

void copy_file_range_callback(fuse_req_t raw, fuse_ino_t from_id, off_t from_offset,
                              fuse_file_info* from, fuse_ino_t to_id, off_t to_offset,
                              fuse_file_info* to, std::size_t size, int flags) {
  const auto guess = [](Filesystem& fs, fuse_ino_t, off_t, fuse_file_info*, fuse_ino_t changed,
                        auto...) { return ahead_of_object(fs, changed); };
  with_room(raw, std::min(size, kCopyPiece), handle_copy_file_range, guess, from_id, from_offset,
            from, to_id, to_offset, to, size, flags);
}

}  // namespace

void fill_callbacks(fuse_lowlevel_ops& table) {
  table.lookup = Callback<handle_lookup>::call;
  table.forget = Callback<handle_forget>::call;
  table.forget_multi = Callback<handle_forget_multi>::call;
  table.getattr = Callback<handle_getattr>::call;
  table.setattr = Change<handle_setattr>::call;
  table.statfs = Callback<handle_statfs>::call;
  table.readlink = Callback<handle_readlink>::call;
  table.mkdir = Change<handle_mkdir>::call;
  table.mknod = Change<handle_mknod>::call;
  table.symlink = Change<handle_symlink>::call;
  table.create = Change<handle_create>::call;
  table.tmpfile = Callback<handle_tmpfile>::call;
  table.open = open_callback;
  table.flush = Callback<handle_flush>::call;
  table.release = Callback<handle_release>::call;
  table.read = Callback<handle_read>::call;
  table.write_buf = write_callback;
  table.fsync = Change<handle_fsync>::call;
  table.lseek = Callback<handle_lseek>::call;
  table.fallocate = Change<handle_fallocate>::call;
  table.copy_file_range = copy_file_range_callback;
  table.unlink = Change<handle_unlink>::call;
  table.rmdir = Change<handle_rmdir>::call;
  table.link = Change<handle_link>::call;
  table.rename = Change<handle_rename>::call;
  table.opendir = Callback<handle_opendir>::call;
  table.readdir = Callback<handle_readdir>::call;
  table.readdirplus = Callback<handle_readdirplus>::call;
  table.releasedir = Callback<handle_releasedir>::call;
  table.fsyncdir = Change<handle_fsyncdir>::call;
  table.setxattr = setxattr_callback;
  table.getxattr = Callback<handle_getxattr>::call;
  table.listxattr = Callback<handle_listxattr>::call;
  table.removexattr = Change<handle_removexattr>::call;
  table.ioctl = Callback<handle_ioctl>::call;
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
  table.statx = Callback<handle_statx>::call;
#endif
}

}  // namespace mirrorfs::fs
