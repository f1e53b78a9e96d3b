#include "object_kinds.h"

#include <sys/sysmacros.h>

namespace mirrorfs::test {

std::string to_string(Kind kind) {
  switch (kind) {
    case Kind::kEmptyFile: return "EmptyFile";
    case Kind::kSmallFile: return "SmallFile";
    case Kind::kLargeFile: return "LargeFile";
    case Kind::kLinkedFile: return "LinkedFile";
    case Kind::kEmptyDirectory: return "EmptyDirectory";
    case Kind::kFullDirectory: return "FullDirectory";
    case Kind::kSymlink: return "Symlink";
    case Kind::kDanglingSymlink: return "DanglingSymlink";
    case Kind::kFifo: return "Fifo";
    case Kind::kSocket: return "Socket";
    case Kind::kCharacterDevice: return "CharacterDevice";
    case Kind::kBlockDevice: return "BlockDevice";
  }
  return "?";
}

bool is_directory(Kind kind) {
  return kind == Kind::kEmptyDirectory || kind == Kind::kFullDirectory;
}

bool is_symlink(Kind kind) { return kind == Kind::kSymlink || kind == Kind::kDanglingSymlink; }

bool is_regular(Kind kind) {
  return kind == Kind::kEmptyFile || kind == Kind::kSmallFile || kind == Kind::kLargeFile ||
         kind == Kind::kLinkedFile;
}

void make_object(Kind kind, const Path& path) {
  switch (kind) {
    case Kind::kEmptyFile: return write_file(path, "");
    case Kind::kSmallFile: return write_file(path, "a few bytes\n", 0640);
    case Kind::kLargeFile: return write_file(path, pattern(3'000'001, 1));
    case Kind::kLinkedFile:
      write_file(path, pattern(5000, 2));
      return make_link(path, path.parent_path() / "other-name");
    case Kind::kEmptyDirectory: return make_directory(path, 0750);
    case Kind::kFullDirectory:
      make_directory(path);
      write_file(path / "file", pattern(2000, 3));
      make_symlink("file", path / "link");
      make_directory(path / "below");
      return write_file(path / "below" / "deep", "deep");
    case Kind::kSymlink: return make_symlink("..", path);
    case Kind::kDanglingSymlink: return make_symlink("/nowhere/at all", path);
    case Kind::kFifo: return make_node(path, S_IFIFO | 0620);
    case Kind::kSocket: return make_node(path, S_IFSOCK | 0600);
    case Kind::kCharacterDevice: return make_node(path, S_IFCHR | 0600, makedev(1, 3));
    case Kind::kBlockDevice: return make_node(path, S_IFBLK | 0660, makedev(7, 250));
  }
}

void remove_object(Kind kind, const Path& path) {
  if (kind == Kind::kFullDirectory) {
    unlink_file(path / "below" / "deep");
    remove_directory(path / "below");
    unlink_file(path / "link");
    unlink_file(path / "file");
  }
  if (is_directory(kind)) return remove_directory(path);
  unlink_file(path);
}

}  // namespace mirrorfs::test
