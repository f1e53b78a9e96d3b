#include "engine/stream/claims.h"

#include <xxhash.h>

#include <algorithm>

namespace mirrorfs::stream {
namespace {

constexpr std::size_t kIndexedFrom = 32;

struct ClaimBuilder {
  ClaimSet claims;

  void through(const std::optional<Location>& where) {
    if (!where) return;
    claims.shared(object_key(where->parent));
    claims.shared(entry_key(where->parent, where->name));
  }
  void changes(const Location& where) {
    claims.shared(object_key(where.parent));
    claims.exclusive(entry_key(where.parent, where.name));
  }
  void object(const ObjectId& id) { claims.exclusive(object_key(id)); }

  template <class Change>
    requires requires(const Change& c) {
      c.where->parent;
      c.after;
    }
  void operator()(const Change& change) {  // content and attributes of an existing object
    object(change.object);
    through(change.where);
  }

  template <class Entry>
    requires requires(const Entry& e) {
      e.where.parent;
      e.parent_after;
    }
  void operator()(const Entry& entry) {  // one directory entry made or removed
    object(entry.object);
    changes(entry.where);
  }

  void operator()(const Link& link) {
    object(link.object);
    changes(link.where);
    through(link.existing);
  }

  void operator()(const Rename& rename) {
    object(rename.object);
    if (rename.replaced) object(*rename.replaced);
    changes(rename.from);
    changes(rename.to);
  }

  void operator()(const LearnDirectory& learn) {
    object(learn.object);
    claims.shared(object_key(learn.where.parent));
  }

  void operator()(const Barrier&) {}  // the dispatcher itself holds everything back
  void operator()(const Unknown&) {}  // its footprint tells
};

}  // namespace

Key object_key(const ObjectId& object) {
  const std::uint64_t words[3] = {object.device, object.inode,
                                  static_cast<std::uint64_t>(object.birth_ns)};
  return XXH3_64bits(words, sizeof words);
}

Key entry_key(const ObjectId& parent, std::string_view name) {
  return XXH3_64bits_withSeed(name.data(), name.size(), object_key(parent));
}

void ClaimSet::add(Key key, bool exclusive) {
  Claim* same = nullptr;
  if (claims_.size() < kIndexedFrom) {
    for (Claim& claim : claims_) {
      if (claim.key == key) same = &claim;
    }
  } else {
    if (index_.empty()) {
      for (std::size_t at = 0; at < claims_.size(); ++at) index_.emplace(claims_[at].key, at);
    }
    const auto [found, fresh] = index_.emplace(key, claims_.size());
    if (!fresh) same = &claims_[found->second];
  }
  if (same == nullptr) {
    claims_.push_back({key, exclusive});
  } else {
    same->exclusive = same->exclusive || exclusive;
  }
}

ClaimSet claims_of(const Footprint& footprint) {
  ClaimBuilder builder;
  for (const ObjectId& object : footprint.objects()) builder.object(object);
  for (const Location& entry : footprint.entries()) builder.changes(entry);
  return std::move(builder.claims);
}

ClaimSet claims_of(const Operation& operation) {
  ClaimBuilder builder;
  std::visit(builder, operation);
  return std::move(builder.claims);
}

}  // namespace mirrorfs::stream
