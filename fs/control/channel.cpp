#include "fs/control/channel.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace mirrorfs::control {
namespace {

using Clock = std::chrono::steady_clock;
using Deadline = std::optional<Clock::time_point>;

constexpr std::size_t kMostDescriptors = 8;

Deadline deadline_in(Timeout timeout) {
  if (!timeout) return std::nullopt;
  return Clock::now() + *timeout;
}

Result<void> wait_for(int socket, short events, Deadline deadline) {
  while (true) {
    int milliseconds = -1;
    if (deadline) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now());
      milliseconds = static_cast<int>(std::clamp<long long>(left.count(), 0, 1 << 30));
    }
    pollfd waiting{socket, events, 0};
    const int ready = poll(&waiting, 1, milliseconds);
    if (ready > 0) return {};
    if (ready == 0) return fail(ETIMEDOUT, "poll");
    if (errno != EINTR) return fail_errno("poll");
  }
}

void collect_descriptors(msghdr& message, std::vector<UniqueFd>& descriptors) {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
      descriptors.emplace_back(fd);
    }
  }
}

/// One recvmsg: 0 bytes at the end of the stream.
Result<std::size_t> receive(int socket, std::span<char> buffer, std::vector<UniqueFd>& fds) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostDescriptors * sizeof(int))> control{};
  iovec piece{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t count = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (count < 0) return fail_errno("recvmsg");
  collect_descriptors(message, fds);
  return static_cast<std::size_t>(count);
}

/// One sendmsg of as much of `bytes` as the socket takes, with the descriptors.
Result<std::size_t> send_some(int socket, std::string_view bytes, std::span<const int> fds) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostDescriptors * sizeof(int))> control{};
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  const ssize_t count = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (count < 0) return fail_errno("sendmsg");
  return static_cast<std::size_t>(count);
}

bool is_transient(const Error& error) { return error.code == EAGAIN || error.code == EINTR; }

}  // namespace

Result<Line> read_line(int socket, Timeout timeout, std::size_t most) {
  const Deadline deadline = deadline_in(timeout);
  Line line;
  std::array<char, 4096> buffer;
  while (line.text.size() <= most) {
    if (auto ready = wait_for(socket, POLLIN, deadline); !ready) return pass_on(std::move(ready));
    const auto count = receive(socket, buffer, line.descriptors);
    if (!count && is_transient(count.error())) continue;
    if (!count) return std::unexpected(count.error());
    if (*count == 0) return fail(ECONNRESET, "recvmsg");
    const std::string_view chunk(buffer.data(), *count);
    const std::size_t newline = chunk.find('\n');
    line.text += chunk.substr(0, newline);
    if (newline != std::string_view::npos) return line;
  }
  return fail(EMSGSIZE, "recvmsg");
}

Result<void> write_line(int socket, std::string_view text, Timeout timeout,
                        std::span<const int> descriptors) {
  if (descriptors.size() > kMostDescriptors) return fail(EINVAL, "sendmsg");
  const Deadline deadline = deadline_in(timeout);
  const std::string bytes = std::string(text) + '\n';
  std::string_view left = bytes;
  while (!left.empty()) {
    if (auto ready = wait_for(socket, POLLOUT, deadline); !ready) return ready;
    const auto count = send_some(socket, left, descriptors);
    if (!count && is_transient(count.error())) continue;
    if (!count) return std::unexpected(count.error());
    left.remove_prefix(*count);
    descriptors = {};
  }
  return {};
}

bool peer_is_gone(int socket) {
  pollfd waiting{socket, POLLRDHUP, 0};
  return poll(&waiting, 1, 0) > 0 && (waiting.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

}  // namespace mirrorfs::control
