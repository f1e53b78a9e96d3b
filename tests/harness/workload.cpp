#include "workload.h"

#include <unistd.h>

#include <chrono>
#include <numeric>
#include <system_error>

#include "as_user.h"

namespace mirrorfs::test {
namespace {

constexpr unsigned kFilesInDirectory = 40;
constexpr unsigned kNames = 12;
constexpr uid_t kSomebody = 1234;

/// What a writer meets when another one was quicker, or chose the same name, or when an object is
/// not of the kind that a call is for.
bool is_part_of_the_work(int code) {
  switch (code) {
    case ENOENT:
    case EEXIST:
    case ENOTDIR:
    case EISDIR:
    case ENOTEMPTY:
    case EINVAL:  // a directory into itself, or a range that does not fit
    case EPERM:   // link of a directory, or of another user's file
    case EACCES:  // what another user may not do, or a device where mounts have none
    case ELOOP:
    case ESTALE:
    case EBUSY:
    case ENODATA:             // no such attribute
    case ESPIPE:              // a FIFO where a file was expected
    case ENODEV:              // fallocate or mmap of a FIFO
    case EOPNOTSUPP:          // O_TMPFILE or fallocate here
    case EAGAIN:              // a FIFO without a reader
    case ENXIO: return true;  // open of a FIFO or socket without a reader
    default: return false;
  }
}

}  // namespace

void make_many_files(const Path& root, unsigned files) {
  const std::string bytes = pattern(40'000, 9);
  for (unsigned number = 0; number < files; ++number) {
    const unsigned directory = number / kFilesInDirectory;
    const Path place = root / ("group" + std::to_string(directory % 10)) /
                       ("set" + std::to_string(directory / 10));
    if (number % kFilesInDirectory == 0) std::filesystem::create_directories(place);
    const Path path = place / ("file" + std::to_string(number));
    if (number % 20 == 19) {
      make_link(place / ("file" + std::to_string(number - 1)), path);
    } else if (number % 20 == 7) {
      make_symlink("file" + std::to_string(number - 1), path);
    } else {
      write_file(path,
                 std::string_view(bytes).substr(0, number % 100 == 0 ? 40'000 : number % 700));
    }
  }
}

Path RandomWriter::some_directory() {
  Path path = root_;
  for (unsigned depth = below(4); depth > 0; --depth) {
    path /= "directory" + std::to_string(below(3));
  }
  return path;
}

std::string RandomWriter::some_name() { return "name" + std::to_string(below(kNames)); }

Path RandomWriter::some_path() { return some_directory() / some_name(); }

std::string RandomWriter::some_bytes(unsigned most) { return pattern(below(most), below(1000)); }

const std::vector<RandomWriter::Weighted>& RandomWriter::attempts() {
  using W = RandomWriter;
  static const std::vector<Weighted> all = {
      {6, &W::make_directories},
      {3, &W::remove_something},
      {3, &W::rename_something},
      {3, &W::rename_directory},
      {2, &W::exchange_something},
      {1, &W::rename_to_free_name},
      {3, &W::link_something},
      {2, &W::make_some_symlink},
      {2, &W::make_special_node},
      {1, &W::remove_whole_directory},
      {2, &W::make_unnamed_and_link},
      {3, &W::replace_safely},
      {9, &W::write_whole},
      {6, &W::append},
      {6, &W::write_somewhere},
      {3, &W::truncate},
      {3, &W::write_in_pieces},
      {2, &W::write_around_page_cache},
      {3, &W::write_through_mapping},
      {5, &W::allocate},
      {3, &W::copy_range},
      {2, &W::write_after_unlink},
      {3, &W::sync},
      {2, &W::write_deep_below_renamed_directory},
      {3, &W::change_some_mode},
      {2, &W::change_directory_mode},
      {3, &W::change_some_owner},
      {3, &W::change_some_times},
      {3, &W::set_some_xattr},
      {2, &W::remove_some_xattr},
      {3, &W::set_some_acl},
  };
  return all;
}

void RandomWriter::step() {
  static const unsigned sum =
      std::accumulate(attempts().begin(), attempts().end(), 0U,
                      [](unsigned total, const Weighted& each) { return total + each.weight; });
  unsigned point = below(sum);
  auto chosen = attempts().begin();
  for (; point >= chosen->weight; ++chosen) point -= chosen->weight;
  const bool as_somebody = below(8) == 0 && ::geteuid() == 0;
  try {
    const AsUser caller(as_somebody ? kSomebody : 0);
    (this->*chosen->attempt)();
  } catch (const std::system_error& problem) {
    if (!is_part_of_the_work(problem.code().value())) throw;
  }
}

void write_for(RandomWriter& writer, std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) writer.step();
}

}  // namespace mirrorfs::test
