// What happened in a run, step by step: as a digest always, in words when asked for.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <cstdio>
#include <string_view>

#include "random.h"

namespace mirrorfs::simulation {

class Trace {
 public:
  explicit Trace(std::FILE* output = nullptr) : output_(output) {}

  [[nodiscard]] bool in_words() const { return output_ != nullptr; }
  [[nodiscard]] std::uint64_t digest() const { return digest_; }
  [[nodiscard]] std::uint64_t steps() const { return steps_; }

  /// A choice of the scheduler.
  void note(std::uint64_t value) {
    ++steps_;
    digest_ = (digest_ ^ value) * 0x100000001B3ULL;
  }

  template <class... Arguments>
  void say(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    if (output_ != nullptr) say_line(fmt::format(format, std::forward<Arguments>(arguments)...));
  }

 private:
  void say_line(std::string_view line);

  std::FILE* const output_;
  std::uint64_t digest_ = 0xCBF29CE484222325ULL;
  std::uint64_t steps_ = 0;
};

}  // namespace mirrorfs::simulation
