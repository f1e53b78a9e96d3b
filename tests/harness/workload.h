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

/// One writer: changes random things below `root`, which it may share with others, by every kind of
/// call that changes something; when it is root, now and then as another user. Losing a race (an
/// object is gone, exists already) and lacking a right are part of the work; any other failure
/// throws. For a process with one working thread.
class RandomWriter {
 public:
  RandomWriter(Path root, std::uint64_t seed) : root_(std::move(root)), random_(seed) {}
  void step();

 private:
  using Attempt = void (RandomWriter::*)();
  struct Weighted {
    unsigned weight;
    Attempt attempt;
  };
  static const std::vector<Weighted>& attempts();

  Path some_directory();
  Path some_path();
  std::string some_name();
  std::string some_bytes(unsigned most);
  unsigned below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }

  // random_names.cpp: what changes the namespace
  void make_directories();
  void remove_something();
  void rename_something();
  void rename_directory();
  void exchange_something();
  void rename_to_free_name();
  void link_something();
  void make_some_symlink();
  void make_special_node();
  void remove_whole_directory();
  void make_unnamed_and_link();
  void replace_safely();

  // random_data.cpp: what changes content
  void write_whole();
  void append();
  void write_somewhere();
  void truncate();
  void write_in_pieces();
  void write_around_page_cache();
  void write_through_mapping();
  void allocate();
  void copy_range();
  void write_after_unlink();
  void write_deep_below_renamed_directory();
  void sync();

  // random_attributes.cpp: what changes attributes
  void change_some_mode();
  void change_directory_mode();
  void change_some_owner();
  void change_some_times();
  void set_some_xattr();
  void remove_some_xattr();
  void set_some_acl();

  Path root_;
  std::mt19937_64 random_;
};

/// Runs steps until the time is over.
void write_for(RandomWriter& writer, std::chrono::milliseconds time);

}  // namespace mirrorfs::test
