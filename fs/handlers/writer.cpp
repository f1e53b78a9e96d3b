#include "fs/handlers/writer.h"

namespace mirrorfs::fs {

// Leaving uid 0 takes CAP_FSETID away, among others that are of no use for a write
// (capabilities(7)).
AsWriter::AsWriter(const Credentials& own, const Writer& writer)
    : groups_(own, writer.caller, writer.fd,
              writer.clears_set_id && set_gid_is_for_members(writer.mode)),
      switched_(own.can_switch() && writer.caller.uid != 0 && set_thread_fsuid(writer.caller.uid)),
      fsetid_(own, writer.clears_set_id && !switched_ && !set_gid_is_for_members(writer.mode)) {
  if (switched_ && !writer.clears_set_id) restore_or_abort(own.usual_.apply());
}

AsWriter::~AsWriter() {
  if (switched_) restore_or_abort(set_thread_fsuid(0));
}

WithoutReserve::WithoutReserve(const Credentials& own) : own_(own) {
  restore_or_abort(own.usual_.apply());
}

WithoutReserve::~WithoutReserve() { restore_or_abort(own_.own_.apply()); }

WithReserve::WithReserve(const Credentials& own) : own_(own) { restore_or_abort(own.own_.apply()); }

WithReserve::~WithReserve() { restore_or_abort(own_.usual_.apply()); }

}  // namespace mirrorfs::fs
