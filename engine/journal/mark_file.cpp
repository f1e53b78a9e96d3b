#include "engine/journal/mark_file.h"

#include <xxhash.h>

#include <cstring>

namespace mirrorfs::journal {
namespace {

constexpr std::string_view kMagic = "mirrorfs marks 1";
constexpr std::size_t kLongestPayload = 1U << 16;

enum Kind : std::uint32_t { kHeader = 1, kMark, kPlace, kEverything };

struct RecordHead {
  std::uint32_t length = 0;
  std::uint32_t kind = 0;
  std::uint64_t checksum = 0;
};

std::uint64_t checksum_of(std::uint32_t kind, std::uint64_t seed, std::string_view payload) {
  return XXH3_64bits_withSeed(payload.data(), payload.size(),
                              seed ^ (std::uint64_t{kind} << 32 | payload.size()));
}

void put(std::string& out, std::uint64_t number) {
  out.append(reinterpret_cast<const char*>(&number), sizeof number);
}
void put(std::string& out, const ObjectId& id) {
  put(out, id.device);
  put(out, id.inode);
  put(out, static_cast<std::uint64_t>(id.birth_ns));
}
void put(std::string& out, std::string_view text) {
  put(out, std::uint64_t{text.size()});
  out += text;
}
void put(std::string& out, const Location& where) {
  put(out, where.parent);
  put(out, std::string_view(where.name));
}

/// Takes values from the front; after the first that is not there all are empty, and ok() is false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  [[nodiscard]] bool ok() const { return ok_; }

  std::uint64_t number() {
    std::uint64_t value = 0;
    const std::string_view raw = take(sizeof value);
    if (ok_) std::memcpy(&value, raw.data(), sizeof value);
    return value;
  }
  ObjectId object() {
    ObjectId id;
    id.device = number();
    id.inode = number();
    id.birth_ns = static_cast<std::int64_t>(number());
    return id;
  }
  std::string text() { return std::string(take(number())); }
  Location location() {
    Location where;
    where.parent = object();
    where.name = text();
    return where;
  }
  std::string_view take(std::uint64_t size) {
    ok_ = ok_ && size <= bytes_.size();
    if (!ok_) return {};
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }

 private:
  std::string_view bytes_;
  bool ok_ = true;
};

/// The next record that is whole and right under this seed.
struct Record {
  std::uint32_t kind;
  std::string_view payload;
};
std::optional<Record> next_record(Reader& reader, std::uint64_t seed) {
  RecordHead head;
  const std::string_view raw = reader.take(sizeof head);
  if (!reader.ok()) return std::nullopt;
  std::memcpy(&head, raw.data(), sizeof head);
  if (head.length > kLongestPayload) return std::nullopt;
  const std::string_view payload = reader.take(head.length);
  if (!reader.ok() || checksum_of(head.kind, seed, payload) != head.checksum) return std::nullopt;
  return Record{head.kind, payload};
}

bool read_header(Reader& reader, JournalOwner& owner, std::uint64_t& salt) {
  const auto record = next_record(reader, 0);
  if (!record || record->kind != kHeader) return false;
  Reader payload(record->payload);
  const bool magic = payload.text() == kMagic;
  salt = payload.number();
  owner.pair_id = payload.text();
  owner.nonce = payload.text();
  owner.boot = payload.text();
  owner.root = payload.object();
  owner.durable = payload.number() != 0;
  return magic && payload.ok();
}

/// False: not a record that this version knows.
bool add_record(const Record& record, JournalContent& content) {
  Reader payload(record.payload);
  if (record.kind == kEverything) {
    content.everything = true;
  } else if (record.kind == kMark) {
    JournalMark mark;
    mark.entry = payload.location();
    mark.object = payload.object();
    mark.names = payload.number() != 0;
    if (payload.ok()) content.marks.push_back(std::move(mark));
  } else if (record.kind == kPlace) {
    JournalPlace place;
    place.directory = payload.object();
    place.where = payload.location();
    if (payload.ok()) content.places.push_back(std::move(place));
  } else {
    return false;
  }
  return payload.ok();
}

}  // namespace

void JournalWriter::record(std::uint32_t kind, std::uint64_t seed, std::string_view payload) {
  const RecordHead head{.length = static_cast<std::uint32_t>(payload.size()),
                        .kind = kind,
                        .checksum = checksum_of(kind, seed, payload)};
  bytes_.append(reinterpret_cast<const char*>(&head), sizeof head);
  bytes_ += payload;
}

void JournalWriter::header(const JournalOwner& owner) {
  std::string payload;
  put(payload, kMagic);
  put(payload, salt_);
  put(payload, std::string_view(owner.pair_id));
  put(payload, std::string_view(owner.nonce));
  put(payload, std::string_view(owner.boot));
  put(payload, owner.root);
  put(payload, std::uint64_t{owner.durable});
  record(kHeader, 0, payload);
}

void JournalWriter::mark(const JournalMark& mark) {
  std::string payload;
  put(payload, mark.entry);
  put(payload, mark.object);
  put(payload, std::uint64_t{mark.names});
  record(kMark, salt_, payload);
}

void JournalWriter::place(const JournalPlace& place) {
  std::string payload;
  put(payload, place.directory);
  put(payload, place.where);
  record(kPlace, salt_, payload);
}

void JournalWriter::everything() { record(kEverything, salt_, {}); }

std::optional<JournalContent> parse_journal(std::string_view bytes) {
  Reader reader(bytes);
  JournalContent content;
  std::uint64_t salt = 0;
  if (!read_header(reader, content.owner, salt)) return std::nullopt;
  while (const auto record = next_record(reader, salt)) {
    if (!add_record(*record, content)) content.everything = true;
  }
  return content;
}

bool translate_device(JournalContent& content, const ObjectId& root) {
  ObjectId& recorded = content.owner.root;
  const std::uint64_t before = recorded.device;
  recorded.device = root.device;
  if (recorded != root) return false;
  if (before == root.device) return true;
  bool all = true;
  const auto translate = [&](ObjectId& id) {
    if (!id) return;
    all = all && id.device == before;
    id.device = root.device;
  };
  for (JournalMark& mark : content.marks) {
    translate(mark.entry.parent);
    translate(mark.object);
  }
  for (JournalPlace& place : content.places) {
    translate(place.directory);
    translate(place.where.parent);
  }
  return all;
}

}  // namespace mirrorfs::journal
