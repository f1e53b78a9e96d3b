// A kernel gone mad, reproducibly: random requests with good and bad names, nodes and ranges, while
// objects vanish from the source.
#pragma once

#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/fuzz/protocol_client.h"

namespace mirrorfs::testing {

inline constexpr std::uint64_t kMostRandomBytes = 60'000;

/// One thread. Several may work on one mount, each with a seed of its own.
class RandomKernel {
 public:
  RandomKernel(FakeKernel& kernel, std::filesystem::path source, std::uint64_t seed)
      : client_(kernel), source_(std::move(source)), random_(seed) {}

  /// One request. What was wrong with the answer, or nothing.
  [[nodiscard]] std::optional<std::string> step();
  void finish() { client_.release_everything(); }

 private:
  struct Sent {
    std::string what;  ///< the request, for people to read
    Answer answer;
    bool bad_name = false, bad_node = false;
  };
  /// A node to ask about.
  struct Node {
    std::uint64_t id = 0;
    bool bad = false;  ///< not known to the daemon
  };
  struct Name {
    std::string text;
    bool bad = false;  ///< not a single component of at most 255 bytes
  };

  [[nodiscard]] Sent request_by_name();
  [[nodiscard]] Sent make_something();
  [[nodiscard]] Sent move_something();
  [[nodiscard]] Sent request_by_node();
  [[nodiscard]] Sent change_attributes();
  [[nodiscard]] Sent use_xattrs();
  [[nodiscard]] Sent use_file();
  [[nodiscard]] Sent change_file(const OpenedFile& file);
  [[nodiscard]] Sent use_directory();
  [[nodiscard]] Sent forget_something();
  [[nodiscard]] Sent change_behind_the_back();

  [[nodiscard]] std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  [[nodiscard]] Node some_node();
  [[nodiscard]] Name some_name();
  [[nodiscard]] std::uint64_t some_offset();
  [[nodiscard]] std::optional<std::string> judge(const Sent& sent) const;
  [[nodiscard]] std::optional<std::string> judge_identity(std::uint64_t node, const Answer& answer);

  ProtocolClient client_;
  std::filesystem::path source_;
  std::mt19937_64 random_;
  std::vector<std::uint64_t> forgotten_;
  std::optional<std::string> wrong_identity_;
};

}  // namespace mirrorfs::testing
