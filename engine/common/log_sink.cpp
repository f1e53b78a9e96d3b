#include "engine/common/log_sink.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/pattern_formatter.h>
#include <sys/stat.h>
#include <sys/syslog.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string_view>

namespace mirrorfs {
namespace {

constexpr mode_t kFileMode = 0640;

bool is_the_journal(int fd) {
  const char* const stream = std::getenv("JOURNAL_STREAM");
  struct stat status{};
  if (stream == nullptr || ::fstat(fd, &status) != 0) return false;
  return fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
}

/// «<3>» before an error, and so on.
class PriorityFlag final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const std::string_view prefix = prefix_of(message.level);
    out.append(prefix.data(), prefix.data() + prefix.size());
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<PriorityFlag>();
  }

 private:
  static std::string_view prefix_of(spdlog::level::level_enum level) {
    static_assert(LOG_ERR == 3 && LOG_WARNING == 4 && LOG_INFO == 6 && LOG_DEBUG == 7);
    switch (level) {
      case spdlog::level::trace:
      case spdlog::level::debug: return "<7>";
      case spdlog::level::info: return "<6>";
      case spdlog::level::warn: return "<4>";
      default: return "<3>";
    }
  }
};

UniqueFd open_file_in(int directory, const char* name) {
  return UniqueFd(
      ::openat(directory, name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, kFileMode));
}

}  // namespace

DescriptorSink::DescriptorSink() : fd_(STDERR_FILENO) {
  if (!is_the_journal(fd_)) {
    set_pattern("mirrorfs: %Y-%m-%d %H:%M:%S.%e %l: %v");
    return;
  }
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<PriorityFlag>('*').set_pattern("%*%v");
  set_formatter(std::move(formatter));
}

void DescriptorSink::sink_it_(const spdlog::details::log_msg& message) {
  spdlog::memory_buf_t line;
  formatter_->format(message, line);
  std::string_view left(line.data(), line.size());
  while (!left.empty()) {
    const ssize_t count = ::write(fd_, left.data(), left.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;  // a full disk: the line is lost
    left.remove_prefix(static_cast<std::size_t>(count));
  }
}

void DescriptorSink::write_to(UniqueFd fd) {
  own_ = std::move(fd);
  fd_ = own_.get();
}

FileSink::FileSink(UniqueFd directory, std::string name, UniqueFd file)
    : DescriptorSink(std::move(file)), directory_(std::move(directory)), name_(std::move(name)) {
  set_pattern("%Y-%m-%d %H:%M:%S.%e [%P] %l: %v");
}

std::shared_ptr<FileSink> FileSink::open(const std::string& path, std::string& error) {
  const std::filesystem::path whole(path);
  const std::string parent = whole.has_parent_path() ? whole.parent_path().string() : ".";
  UniqueFd directory(::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  std::string name = whole.filename().string();
  UniqueFd file = directory ? open_file_in(directory.get(), name.c_str()) : UniqueFd();
  if (!file) {
    error = std::strerror(errno);
    return nullptr;
  }
  return std::shared_ptr<FileSink>(
      new FileSink(std::move(directory), std::move(name), std::move(file)));
}

bool FileSink::reopen() {
  UniqueFd file = open_file_in(directory_.get(), name_.c_str());
  if (!file) return false;
  const std::lock_guard lock(mutex_);
  write_to(std::move(file));
  return true;
}

}  // namespace mirrorfs
