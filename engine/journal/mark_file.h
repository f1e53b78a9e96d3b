// The format of the journal of marks: records that are only ever appended, each with a checksum.
//
//   file    = header record*
//   record  = length (u32, of the payload), kind (u32), checksum (u64), payload
//
// The checksum is XXH3 of kind and payload, seeded with the salt of the file's header, so that what
// a reused block held before is no record. Reading ends at the first record that is torn or wrong:
// what comes later was never relied on. Numbers are those of this machine: the file does not
// travel.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mirrorfs/operation.h"
#include "mirrorfs/types.h"

namespace mirrorfs::journal {

/// Whose marks they are.
struct JournalOwner {
  std::string pair_id;
  std::string nonce;     ///< of the session that wrote them
  std::string boot;      ///< boot_id() then
  ObjectId root;         ///< of the source
  bool durable = false;  ///< what was relied on is on the disk
  bool operator==(const JournalOwner&) const = default;
};

/// The entry may differ.
struct JournalMark {
  Location entry;     ///< name empty: the root itself
  ObjectId object;    ///< that stands there, if that is known
  bool names = true;  ///< it may also stand for another object than it did, with all below
  bool operator==(const JournalMark&) const = default;
};

/// Where a directory stood when the record was written.
struct JournalPlace {
  ObjectId directory;
  Location where;
  bool operator==(const JournalPlace&) const = default;
};

struct JournalContent {
  JournalOwner owner;
  bool everything = false;  ///< the whole tree may differ
  std::vector<JournalMark> marks;
  std::vector<JournalPlace> places;  ///< of a directory the last counts
};

/// Builds the bytes of a journal.
class JournalWriter {
 public:
  JournalWriter(std::uint64_t salt, std::string& bytes) : salt_(salt), bytes_(bytes) {}
  void header(const JournalOwner& owner);
  void mark(const JournalMark& mark);
  void place(const JournalPlace& place);
  void everything();

 private:
  void record(std::uint32_t kind, std::uint64_t seed, std::string_view payload);
  std::uint64_t salt_;
  std::string& bytes_;
};

/// nullopt: no journal, or one whose header cannot be read.
[[nodiscard]] std::optional<JournalContent> parse_journal(std::string_view bytes);

/// The source's root as it is now: device numbers change with mounts. False: it is another tree, or
/// there are marks on a filesystem mounted inside, of which the new number is not known.
[[nodiscard]] bool translate_device(JournalContent& content, const ObjectId& root);

}  // namespace mirrorfs::journal
