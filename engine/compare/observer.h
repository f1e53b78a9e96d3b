// Receives what a reconcile finds and does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "mirrorfs/error.h"
#include "mirrorfs/metadata.h"

namespace mirrorfs::compare {

/// Receives events, for status and reports. Names are relative to the directory worked on.
class Observer {
 public:
  virtual ~Observer() = default;
  /// A source directory was listed and has `names` names.
  virtual void listed(std::size_t names) { (void)names; }
  /// A source object was looked at.
  virtual void seen(const Metadata& source) { (void)source; }
  /// Something is mounted on an object of the replica.
  virtual void replica_is_covered() {}
  /// Before or after seen(): `bytes` more (or less, if negative) have to be read than seen() said.
  virtual void expected(std::int64_t bytes) { (void)bytes; }
  /// Work on a source object ended well (dry_run: it was compared).
  virtual void reconciled(std::string_view name, const Metadata& source) {
    (void)name, (void)source;
  }
  /// The replica differs there (and is made equal unless dry_run).
  virtual void difference(std::string_view name, std::string_view what) { (void)name, (void)what; }
  virtual void created(std::string_view name) { (void)name; }
  virtual void removed(std::string_view name) { (void)name; }
  virtual void attributes_set(std::string_view name) { (void)name; }
  /// The content of a file was written: `bytes` of it.
  virtual void copied(std::string_view name, std::uint64_t bytes) { (void)name, (void)bytes; }
  /// The replica's filesystem takes no further name of an object: it has more than one copy of it.
  virtual void names_are_split(const Metadata& source) { (void)source; }
  /// The replica does not take one of its attributes; all else was done.
  virtual void refused(std::string_view name, const Error& error) { failed(name, error); }
  virtual void failed(std::string_view name, const Error& error) { (void)name, (void)error; }
};

}  // namespace mirrorfs::compare
