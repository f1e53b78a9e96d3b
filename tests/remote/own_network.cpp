#include "own_network.h"

#include <sched.h>

#include <filesystem>
#include <stdexcept>
#include <string>

namespace mirrorfs::test {
namespace {

/// The server's mount namespace has a copy of every mount, which would keep those that the test
/// unmounts.
constexpr const char* kLeaveMounts =
    R"(awk '$3 ~ /^fuse/ { print $2 }' /proc/mounts | xargs -r -n 1 umount -l; exec "$0" "$@")";

ChildProcess new_network() {
  check(::unshare(CLONE_NEWNET), "unshare", {});
  const UniqueFd output = open_file("/dev/null", O_WRONLY);
  return ChildProcess::start({"unshare", "--net", "sleep", "infinity"}, {}, output.get(),
                             output.get());
}

std::string namespace_of(const std::string& process) {
  return std::filesystem::read_symlink("/proc/" + process + "/ns/net").string();
}

}  // namespace

OwnNetwork::OwnNetwork() : other_machine_(new_network()) {
  const std::string other = std::to_string(other_machine_.pid());
  if (!eventually([&] { return namespace_of(other) != namespace_of("self"); })) {
    throw std::runtime_error("no second network namespace");
  }
  run_or_throw({"ip", "link", "set", "lo", "up"});
  run_or_throw(
      {"ip", "link", "add", "here", "type", "veth", "peer", "name", "there", "netns", other});
  run_or_throw({"ip", "addr", "add", "10.77.0.1/24", "dev", "here"});
  run_on_server({"ip", "addr", "add", std::string(kServer) + "/24", "dev", "there"});
  run_on_server({"ip", "link", "set", "lo", "up"});
  run_on_server({"ip", "link", "set", "there", "up"});
  mend();
}

void OwnNetwork::run_on_server(const std::vector<std::string>& command) const {
  std::vector<std::string> words = {"nsenter", "--net", "--target",
                                    std::to_string(other_machine_.pid())};
  words.insert(words.end(), command.begin(), command.end());
  run_or_throw(words);
}

std::vector<std::string> OwnNetwork::on_server(const std::vector<std::string>& command) const {
  std::vector<std::string> words = {
      "nsenter",      "--net", "--target", std::to_string(other_machine_.pid()),
      "unshare",      "--pid", "--fork",   "--kill-child",
      "--mount-proc", "sh",    "-c",       kLeaveMounts};
  words.insert(words.end(), command.begin(), command.end());
  return words;
}

void OwnNetwork::cut() const { run_or_throw({"ip", "link", "set", "here", "down"}); }
void OwnNetwork::mend() const { run_or_throw({"ip", "link", "set", "here", "up"}); }

}  // namespace mirrorfs::test
