#include "fs/handlers/fuse_request.h"

namespace mirrorfs::fs {

Caller FuseRequest::caller() const {
  const fuse_ctx* const context = fuse_req_ctx(raw_);
  return {.uid = context->uid, .gid = context->gid, .pid = context->pid, .umask = context->umask};
}

bool FuseRequest::by_ring() const {
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
  return fuse_req_is_uring(raw_);
#else
  return false;
#endif
}

// Where the result is dropped: a reply the kernel does not take means that the request was given up
// (ENOENT, fuse_dev_do_write) or the mount is gone; nobody waits for either.
void FuseRequest::error(int code) { (void)fuse_reply_err(take(), code); }

// ENOSYS has a meaning of its own in the protocol: «never ask this again».
void FuseRequest::error(const Error& error) {
  this->error(error.code == ENOSYS ? EOPNOTSUPP : error.code);
}

void FuseRequest::result(const Result<void>& result) {
  if (result) {
    done();
  } else {
    error(result.error());
  }
}

void FuseRequest::none() { fuse_reply_none(take()); }

bool FuseRequest::entry(const fuse_entry_param& entry) {
  return fuse_reply_entry(take(), &entry) == 0;
}

bool FuseRequest::created(const fuse_entry_param& entry, const fuse_file_info& file) {
  return fuse_reply_create(take(), &entry, &file) == 0;
}

bool FuseRequest::opened(const fuse_file_info& file) { return fuse_reply_open(take(), &file) == 0; }

void FuseRequest::no_entry(double timeout) {
  fuse_entry_param nothing{};
  nothing.entry_timeout = timeout;
  (void)fuse_reply_entry(take(), &nothing);
}

void FuseRequest::attributes(const struct stat& attributes, double timeout) {
  (void)fuse_reply_attr(take(), &attributes, timeout);
}

void FuseRequest::extended_attributes(struct statx& attributes, double timeout) {
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
  (void)fuse_reply_statx(take(), 0, &attributes, timeout);
#else
  (void)attributes, (void)timeout;
  (void)fuse_reply_err(take(), ENOSYS);
#endif
}

void FuseRequest::link_target(const char* target) { (void)fuse_reply_readlink(take(), target); }

void FuseRequest::written(std::size_t count) { (void)fuse_reply_write(take(), count); }

bool FuseRequest::bytes(std::span<const std::byte> bytes) {
  return fuse_reply_buf(take(), reinterpret_cast<const char*>(bytes.data()), bytes.size()) == 0;
}

// Not FUSE_BUF_SPLICE_MOVE: it would take the pages out of the page cache of the source.
void FuseRequest::file_range(int fd, off_t offset, std::size_t size) {
  fuse_bufvec source = FUSE_BUFVEC_INIT(size);
  source.buf[0].flags = static_cast<fuse_buf_flags>(FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK);
  source.buf[0].fd = fd;
  source.buf[0].pos = offset;
  (void)fuse_reply_data(take(), &source, fuse_buf_copy_flags{});
}

void FuseRequest::size_of_value(std::size_t size) { (void)fuse_reply_xattr(take(), size); }

void FuseRequest::filesystem(const struct statvfs& statistics) {
  (void)fuse_reply_statfs(take(), &statistics);
}

void FuseRequest::position(off_t offset) { (void)fuse_reply_lseek(take(), offset); }

}  // namespace mirrorfs::fs
