#include "bench/ring_watch/memory.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <string_view>

namespace mirrorfs::bench {

void read_memory(pid_t process, std::uint64_t address, void* into, std::size_t size) {
  const iovec local{into, size};
  // NOLINTNEXTLINE(performance-no-int-to-ptr): an address of the other process
  const iovec remote{reinterpret_cast<void*>(address), size};
  const ssize_t count = ::process_vm_readv(process, &local, 1, &remote, 1, 0);
  if (count >= 0 && static_cast<std::size_t>(count) < size) errno = EFAULT;
  if (count < 0 || static_cast<std::size_t>(count) < size) fail("process_vm_readv");
}

std::optional<std::string> read_name(pid_t process, std::uint64_t address) {
  if (address == 0) return std::nullopt;
  constexpr std::uint64_t kPage = 4096;
  std::string name;
  std::array<char, kPage> piece{};
  // Never across the end of a page: the next one may not be there.
  while (name.size() < PATH_MAX) {
    const std::size_t size = kPage - (address + name.size()) % kPage;
    read_memory(process, address + name.size(), piece.data(), size);
    const std::string_view text(piece.data(), size);
    name += text.substr(0, text.find('\0'));
    if (text.find('\0') != text.npos) break;
  }
  return name;
}

pid_t process_of(pid_t thread) {
  std::ifstream status("/proc/" + std::to_string(thread) + "/status");
  constexpr std::string_view kLabel = "Tgid:";
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(kLabel)) return std::stoi(line.substr(kLabel.size()));
  }
  errno = ESRCH;
  fail("/proc/TID/status");
}

std::optional<std::string> descriptor_path(pid_t process, int fd) {
  if (fd < 0 && fd != AT_FDCWD) return std::nullopt;
  const std::string where = fd == AT_FDCWD ? "/cwd" : "/fd/" + std::to_string(fd);
  const std::string link = "/proc/" + std::to_string(process) + where;
  std::array<char, PATH_MAX> target{};
  const ssize_t size = ::readlink(link.c_str(), target.data(), target.size());
  if (size < 0) return std::nullopt;
  return std::string(target.data(), static_cast<std::size_t>(size));
}

std::string quoted(const std::optional<std::string>& text) {
  if (!text) return "NULL";
  std::string out = "\"";
  for (const char raw : *text) {
    const auto byte = static_cast<unsigned char>(raw);
    if (byte == '"' || byte == '\\') {
      out += '\\';
      out += raw;
    } else if (byte < 0x20 || byte > 0x7e) {
      std::array<char, 8> octal{};
      std::snprintf(octal.data(), octal.size(), "\\%03o", static_cast<unsigned>(byte));
      out += octal.data();
    } else {
      out += raw;
    }
  }
  return out + '"';
}

}  // namespace mirrorfs::bench
