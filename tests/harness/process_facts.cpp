#include "process_facts.h"

#include <fmt/core.h>

#include <filesystem>
#include <fstream>
#include <optional>

namespace mirrorfs::test {
namespace {

std::optional<std::string> field_of(const std::string& status_file, const std::string& name) {
  std::ifstream file(status_file);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(name + ":")) continue;
    const auto begin = line.find_first_not_of(" \t", name.size() + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return std::nullopt;
}

std::uint64_t bytes_of(pid_t process, const char* field) {
  const auto value = field_of(fmt::format("/proc/{}/status", process), field);
  return value ? std::stoull(*value) * 1024 : 0;
}

}  // namespace

std::uint64_t resident_memory(pid_t process) { return bytes_of(process, "VmRSS"); }

std::uint64_t peak_memory(pid_t process) { return bytes_of(process, "VmHWM"); }

void reset_peak_memory(pid_t process) {
  std::ofstream(fmt::format("/proc/{}/clear_refs", process)) << "5";
}

std::map<std::string, std::uint64_t> sleeps_by_thread(pid_t process) {
  std::map<std::string, std::uint64_t> sleeps;
  const std::string threads = fmt::format("/proc/{}/task", process);
  for (const auto& thread : std::filesystem::directory_iterator(threads)) {
    const std::string status = thread.path() / "status";
    const auto name = field_of(status, "Name");
    const auto count = field_of(status, "voluntary_ctxt_switches");
    if (!name || !count) continue;  // it has ended meanwhile
    sleeps[fmt::format("{} ({})", *name, thread.path().filename().string())] = std::stoull(*count);
  }
  return sleeps;
}

char state_of(pid_t process) {
  const auto state = field_of(fmt::format("/proc/{}/status", process), "State");
  return state && !state->empty() ? state->front() : '\0';
}

}  // namespace mirrorfs::test
