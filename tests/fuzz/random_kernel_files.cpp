// What a random kernel does with open files and directories.
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/falloc.h>
#include <unistd.h>

#include <array>

#include "tests/fuzz/random_kernel.h"

namespace mirrorfs::testing {

RandomKernel::Sent RandomKernel::use_file() {
  if (client_.files().empty()) return request_by_node();
  const OpenedFile file = client_.files().at(below(client_.files().size()));
  const auto sent = [&](const char* what, Answer answer) {
    return Sent{.what = fmt::format("{} of the open file {}", what, file.node),
                .answer = std::move(answer)};
  };
  const auto size = static_cast<std::uint32_t>(below(kMostRandomBytes));
  switch (below(10)) {
    case 0: return sent("release", client_.release(file));
    case 1: return sent("flush", client_.flush(file));
    case 2: return sent("fsync", client_.sync(file));
    case 3: {
      Answer answer = client_.seek(file, some_offset(), below(2) == 0 ? SEEK_DATA : SEEK_HOLE);
      return sent("lseek", std::move(answer));
    }
    case 4:
    case 5:
      if (file.readable()) return sent("read", client_.read(file, some_offset(), size));
      [[fallthrough]];
    default: return file.writable() ? change_file(file) : sent("flush", client_.flush(file));
  }
}

RandomKernel::Sent RandomKernel::change_file(const OpenedFile& file) {
  const auto sent = [&](const char* what, Answer answer) {
    return Sent{.what = fmt::format("{} of the open file {}", what, file.node),
                .answer = std::move(answer)};
  };
  constexpr std::array<std::uint32_t, 6> kModes = {0,
                                                   FALLOC_FL_KEEP_SIZE,
                                                   FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                                   FALLOC_FL_ZERO_RANGE,
                                                   FALLOC_FL_COLLAPSE_RANGE,
                                                   0xffff};
  const OpenedFile& other = client_.files().at(below(client_.files().size()));
  switch (below(5)) {
    case 0:
      return sent("fallocate", client_.allocate(file, kModes.at(below(kModes.size())),
                                                below(kMostRandomBytes), below(kMostRandomBytes)));
    case 1:
      if (!other.readable()) return sent("flush", client_.flush(file));
      return sent("copy_file_range",
                  client_.copy_range(other, below(kMostRandomBytes), file, below(kMostRandomBytes),
                                     below(kMostRandomBytes)));
    default:
      return sent("write", client_.write(file, below(2 * kMostRandomBytes),
                                         std::string(below(kMostRandomBytes),
                                                     static_cast<char>(below(256)))));
  }
}

RandomKernel::Sent RandomKernel::use_directory() {
  if (client_.directories().empty()) {
    const Node node = some_node();
    return {.what = fmt::format("opendir of {}", node.id),
            .answer = client_.open_directory(node.id),
            .bad_node = node.bad};
  }
  const OpenedFile directory = client_.directories().at(below(client_.directories().size()));
  const auto sent = [&](const char* what, Answer answer) {
    return Sent{.what = fmt::format("{} of the open directory {}", what, directory.node),
                .answer = std::move(answer)};
  };
  const auto room = static_cast<std::uint32_t>(below(6000));
  const std::uint64_t offset = below(3) == 0 ? 0 : below(100);
  switch (below(6)) {
    case 0: return sent("releasedir", client_.release_directory(directory));
    case 1: return sent("fsyncdir", client_.sync_directory(directory));
    case 2: return sent("readdir", client_.list(directory, offset, room));
    default: return sent("readdirplus", client_.list_plus(directory, offset, room));
  }
}

}  // namespace mirrorfs::testing
