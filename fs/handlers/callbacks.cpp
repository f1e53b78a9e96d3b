// From libfuse's C callbacks to the handlers.
#include <cxxabi.h>

#include <exception>

#include "fs/handlers/handlers.h"
#include "mirrorfs/log.h"

namespace mirrorfs::fs {
namespace {

/// A C function that calls `Handler` with a FuseRequest. Nothing is thrown through libfuse.
template <auto Handler>
struct Callback;

template <class... Arguments, void (*Handler)(FuseRequest&, Filesystem&, Arguments...)>
struct Callback<Handler> {
  static void call(fuse_req_t raw, Arguments... arguments) {
    auto& fs = *static_cast<Filesystem*>(fuse_req_userdata(raw));
    FuseRequest request(raw);
    try {
      Handler(request, fs, arguments...);
    } catch (const abi::__forced_unwind&) {
      throw;  // libfuse cancels its threads; none is cancelled here
    } catch (const std::exception& error) {
      log_error("a request failed: {}", error.what());
    } catch (...) {
      log_error("a request failed for an unknown reason");
    }
  }
};

}  // namespace

void fill_callbacks(fuse_lowlevel_ops& table) {
  table.lookup = Callback<handle_lookup>::call;
  table.forget = Callback<handle_forget>::call;
  table.forget_multi = Callback<handle_forget_multi>::call;
  table.getattr = Callback<handle_getattr>::call;
  table.setattr = Callback<handle_setattr>::call;
  table.statfs = Callback<handle_statfs>::call;
  table.readlink = Callback<handle_readlink>::call;
  table.mkdir = Callback<handle_mkdir>::call;
  table.mknod = Callback<handle_mknod>::call;
  table.symlink = Callback<handle_symlink>::call;
  table.create = Callback<handle_create>::call;
  table.tmpfile = Callback<handle_tmpfile>::call;
  table.open = Callback<handle_open>::call;
  table.flush = Callback<handle_flush>::call;
  table.release = Callback<handle_release>::call;
  table.read = Callback<handle_read>::call;
  table.write_buf = Callback<handle_write_buf>::call;
  table.fsync = Callback<handle_fsync>::call;
  table.lseek = Callback<handle_lseek>::call;
  table.fallocate = Callback<handle_fallocate>::call;
  table.copy_file_range = Callback<handle_copy_file_range>::call;
  table.unlink = Callback<handle_unlink>::call;
  table.rmdir = Callback<handle_rmdir>::call;
  table.link = Callback<handle_link>::call;
  table.rename = Callback<handle_rename>::call;
  table.opendir = Callback<handle_opendir>::call;
  table.readdir = Callback<handle_readdir>::call;
  table.readdirplus = Callback<handle_readdirplus>::call;
  table.releasedir = Callback<handle_releasedir>::call;
  table.fsyncdir = Callback<handle_fsyncdir>::call;
  table.setxattr = Callback<handle_setxattr>::call;
  table.getxattr = Callback<handle_getxattr>::call;
  table.listxattr = Callback<handle_listxattr>::call;
  table.removexattr = Callback<handle_removexattr>::call;
  table.ioctl = Callback<handle_ioctl>::call;
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
  table.statx = Callback<handle_statx>::call;
#endif
}

}  // namespace mirrorfs::fs
