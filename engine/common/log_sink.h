// Where lines of the log go that are written to a descriptor.
#pragma once

#include <spdlog/sinks/base_sink.h>

#include <mutex>
#include <string>

#include "mirrorfs/unique_fd.h"

namespace mirrorfs {

/// One write(2) for each line, so that lines of several processes do not mix and none is lost in a
/// kill -9. Any thread.
class DescriptorSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  /// Standard error. Where that is the journal (systemd.exec(5), $JOURNAL_STREAM), lines begin with
  /// their priority as sd-daemon(3) has it, and without what the journal adds itself.
  DescriptorSink();

 protected:
  explicit DescriptorSink(UniqueFd fd) : own_(std::move(fd)), fd_(own_.get()) {}
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}
  void write_to(UniqueFd fd);  ///< with mutex_ held

 private:
  UniqueFd own_;  ///< not valid: standard error
  int fd_;
};

/// A file that can be reopened. Its directory is kept open: nothing is resolved from the root
/// later.
class FileSink final : public DescriptorSink {
 public:
  /// Error: errno, in words.
  [[nodiscard]] static std::shared_ptr<FileSink> open(const std::string& path, std::string& error);
  /// False: it cannot be opened; the old one is written on.
  bool reopen();

 private:
  FileSink(UniqueFd directory, std::string name, UniqueFd file);

  const UniqueFd directory_;
  const std::string name_;
};

}  // namespace mirrorfs
