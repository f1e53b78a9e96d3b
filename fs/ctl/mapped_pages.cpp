#include "fs/ctl/mapped_pages.h"

#include <fcntl.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>

#include "fs/ctl/daemon_calls.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::ctl {
namespace {

/// fs/fuse/inode.c, fuse_encode_fh(): the node's number in two halves, and its generation.
constexpr int kFuseHandle = 0x81;  // FILEID_INO64_GEN
using HandleWords = std::array<std::uint32_t, 3>;

struct FuseHandle {
  alignas(file_handle) std::array<char, sizeof(file_handle) + sizeof(HandleWords)> bytes{};
};

UniqueFd open_node(int mount, std::uint64_t node, std::uint32_t generation) {
  FuseHandle handle;
  auto* const head = reinterpret_cast<file_handle*>(handle.bytes.data());
  head->handle_bytes = sizeof(HandleWords);
  head->handle_type = kFuseHandle;
  const HandleWords words{static_cast<std::uint32_t>(node >> 32), static_cast<std::uint32_t>(node),
                          generation};
  std::memcpy(head->f_handle, words.data(), sizeof words);
  return UniqueFd(::open_by_handle_at(mount, head, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
}

bool may_block(const std::filesystem::path& mount) {
  const auto status = status_of(mount);
  return !status || status->value("state", "") == "paused" || status->value("mode", "") == "sync";
}

}  // namespace

void write_back_mapped_pages(const std::filesystem::path& mount) {
  const auto files = mapped_files(mount);
  if (!files || files->nodes.empty() || may_block(mount)) return;
  const UniqueFd root(::open(mount.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) return;
  for (const std::uint64_t node : files->nodes) {
    const UniqueFd file = open_node(root.get(), node, files->generation);
    constexpr unsigned kAll =
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    if (file) static_cast<void>(::sync_file_range(file.get(), 0, 0, kAll));
  }
}

}  // namespace mirrorfs::ctl
