// What a request is about to change, as far as that can be told without locks: for a journal that
// has to be on the disk before the source changes, which a thread that serves requests must not
// wait for.
#pragma once

#include "fs/handlers/handlers.h"
#include "mirrorfs/footprint.h"

namespace mirrorfs::fs {

/// Names nothing where the journal needs no notice. What is missed here is waited for by
/// Replicator::begin().
[[nodiscard]] Footprint ahead_of_entry(Filesystem& fs, fuse_ino_t parent, const char* name);
[[nodiscard]] Footprint ahead_of_object(Filesystem& fs, fuse_ino_t id);
[[nodiscard]] Footprint ahead_of_rename(Filesystem& fs, fuse_ino_t from, const char* name,
                                        fuse_ino_t to, const char* new_name);
[[nodiscard]] inline Footprint nothing_ahead() {
  return std::move(Footprint().change(Footprint::Change::kNothing));
}

/// The same by handler, from its arguments: most change the object that they name first.
template <auto Handler>
struct Ahead {
  template <class... Rest>
  static Footprint of(Filesystem& fs, fuse_ino_t id, const Rest&...) {
    return ahead_of_object(fs, id);
  }
};

struct AheadOfEntry {
  template <class... Rest>
  static Footprint of(Filesystem& fs, fuse_ino_t parent, const char* name, const Rest&...) {
    return ahead_of_entry(fs, parent, name);
  }
};
template <>
struct Ahead<handle_mkdir> : AheadOfEntry {};
template <>
struct Ahead<handle_mknod> : AheadOfEntry {};
template <>
struct Ahead<handle_create> : AheadOfEntry {};
template <>
struct Ahead<handle_unlink> : AheadOfEntry {};
template <>
struct Ahead<handle_rmdir> : AheadOfEntry {};
template <>
struct Ahead<handle_symlink> {
  static Footprint of(Filesystem& fs, const char*, fuse_ino_t parent, const char* name) {
    return ahead_of_entry(fs, parent, name);
  }
};
template <>
struct Ahead<handle_link> {
  static Footprint of(Filesystem& fs, fuse_ino_t, fuse_ino_t parent, const char* name) {
    return ahead_of_entry(fs, parent, name);
  }
};
template <>
struct Ahead<handle_rename> {
  static Footprint of(Filesystem& fs, fuse_ino_t from, const char* name, fuse_ino_t to,
                      const char* new_name, unsigned) {
    return ahead_of_rename(fs, from, name, to, new_name);
  }
};

struct AheadOfNothing {
  template <class... Any>
  static Footprint of(Filesystem&, const Any&...) {
    return nothing_ahead();
  }
};
template <>
struct Ahead<handle_fsync> : AheadOfNothing {};
template <>
struct Ahead<handle_fsyncdir> : AheadOfNothing {};

}  // namespace mirrorfs::fs
