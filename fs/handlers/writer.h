// Changing the content of files with the rights of the caller.
#pragma once

#include <cerrno>

#include "fs/handlers/credentials.h"

namespace mirrorfs::fs {

/// Who changes the content of a file.
struct Writer {
  const Caller& caller;
  int fd = -1;                 ///< the file; -1 where no bits are cleared
  mode_t mode = 0;             ///< of the file
  bool clears_set_id = false;  ///< has no right to keep set-id bits
};

/// The source's filesystem clears what the writer has no right to keep.
class ClearingSetId {
 public:
  ClearingSetId(const Credentials& own, const Writer& writer)
      : groups_(own, writer.caller, writer.fd,
                writer.clears_set_id && set_gid_is_for_members(writer.mode)),
        fsetid_(own, writer.clears_set_id && !set_gid_is_for_members(writer.mode)) {}

 private:
  const InGroupsOf groups_;
  const WithoutFsetid fsetid_;
};

/// The same, and blocks are taken in the writer's name: quotas hold, and what the filesystem keeps
/// for root is kept from others.
class AsWriter {
 public:
  AsWriter(const Credentials& own, const Writer& writer);
  AsWriter(const AsWriter&) = delete;
  AsWriter& operator=(const AsWriter&) = delete;
  ~AsWriter();

 private:
  const InGroupsOf groups_;
  const bool switched_;
  const WithoutFsetid fsetid_;
};

/// Threads started within the scope lack CAP_SYS_RESOURCE, with which every caller could exceed
/// quotas and use reserved blocks. For the thread that starts those which answer requests.
class WithoutReserve {
 public:
  explicit WithoutReserve(const Credentials& own);
  WithoutReserve(const WithoutReserve&) = delete;
  WithoutReserve& operator=(const WithoutReserve&) = delete;
  ~WithoutReserve();

 private:
  const Credentials& own_;
};

/// The thread has that capability back.
class WithReserve {
 public:
  explicit WithReserve(const Credentials& own);
  WithReserve(const WithReserve&) = delete;
  WithReserve& operator=(const WithReserve&) = delete;
  ~WithReserve();

 private:
  const Credentials& own_;
};

/// `attempt` returns as system calls do, and so does this. Root, who may exceed quotas, gets a
/// second attempt.
template <class Attempt>
[[nodiscard]] ssize_t write_as(const Credentials& own, const Writer& writer,
                               const Attempt& attempt) {
  {
    const AsWriter scope(own, writer);
    const ssize_t result = attempt();
    const bool no_room = result < 0 && (errno == EDQUOT || errno == ENOSPC);
    if (!no_room || writer.caller.uid != 0 || writer.clears_set_id) return result;
  }
  const WithReserve scope(own);
  return attempt();
}

}  // namespace mirrorfs::fs
