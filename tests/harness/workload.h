// Trees to begin with and writers that keep changing them.
#pragma once

#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "calls.h"

namespace mirrorfs::test {

/// About `files` files of mixed sizes in nested directories, with links of both kinds among them.
void make_many_files(const Path& root, unsigned files);

/// One writer: changes random things below `root`, which it may share with others. Losing a race
/// (an object is gone, exists already) is part of the work; any other failure throws.
class RandomWriter {
 public:
  RandomWriter(Path root, std::uint64_t seed) : root_(std::move(root)), random_(seed) {}
  void step();

 private:
  Path some_directory();
  Path some_path();
  std::string some_name();
  unsigned below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }
  void attempt(unsigned choice);
  void attempt_in_namespace(unsigned choice);
  void attempt_on_file(unsigned choice);
  void attempt_rarer(unsigned choice);
  void write_in_pieces(const Path& path);
  void write_through_mapping(const Path& path);
  void allocate(const Path& path, int mode);
  void make_unnamed_and_link(const Path& path);
  void replace_safely(const Path& path);
  void write_after_unlink(const Path& path);

  Path root_;
  std::mt19937_64 random_;
};

/// Runs steps until the time is over.
void write_for(RandomWriter& writer, std::chrono::milliseconds time);

}  // namespace mirrorfs::test
