#include "engine/stream/operation_facts.h"

#include <stdio.h>
#include <sys/stat.h>

#include <array>

namespace mirrorfs::stream {
namespace {

template <class Op>
concept ChangesObject = requires(const Op& op) {
  op.where->parent;  // an optional location
  op.after;
};

template <class Op>
concept ChangesEntry = requires(const Op& op) {
  op.where.parent;
  op.parent_after;
};

}  // namespace

bool is_replayable(const Operation& operation) {
  return std::visit([](const auto& op) { return ChangesObject<std::decay_t<decltype(op)>>; },
                    operation);
}

std::vector<Location> touched_entries(const Operation& operation) {
  return std::visit(
      []<class Op>(const Op& op) -> std::vector<Location> {
        if constexpr (ChangesObject<Op>) {
          if (op.where) return {*op.where};
        } else if constexpr (ChangesEntry<Op> || std::is_same_v<Op, LearnDirectory>) {
          return {op.where};
        } else if constexpr (std::is_same_v<Op, Rename>) {
          return {op.from, op.to};
        }
        return {};
      },
      operation);
}

std::vector<ObjectAfter> objects_after(const Operation& operation) {
  return std::visit(
      []<class Op>(const Op& op) -> std::vector<ObjectAfter> {
        if constexpr (ChangesObject<Op>) {
          return {{op.object, op.where}};
        } else if constexpr (std::is_same_v<Op, Unlink>) {
          if (op.last_link) return {};
          return {{op.object, op.other_name}};
        } else if constexpr (std::is_same_v<Op, RemoveDirectory>) {
          return {};
        } else if constexpr (std::is_same_v<Op, LearnDirectory>) {
          return {{op.object, op.where}};
        } else if constexpr (ChangesEntry<Op>) {
          return {{op.object, op.where}};
        } else if constexpr (std::is_same_v<Op, Rename>) {
          std::vector<ObjectAfter> objects = {{op.object, op.to}};
          const bool exchange = (op.flags & RENAME_EXCHANGE) != 0;
          if (op.replaced && exchange) objects.push_back({*op.replaced, op.from});
          if (op.replaced && !exchange) objects.push_back({*op.replaced, std::nullopt});
          return objects;
        } else {
          return {};
        }
      },
      operation);
}

std::vector<ObjectAfter> objects_renamed_or_unlinked(const Operation& operation) {
  if (const auto* unlink = std::get_if<Unlink>(&operation)) {
    if (unlink->last_link) return {};
    return {{unlink->object, unlink->where}};
  }
  const auto* rename = std::get_if<Rename>(&operation);
  if (rename == nullptr) return {};
  std::vector<ObjectAfter> objects = {{rename->object, rename->from}};
  if (rename->replaced) objects.push_back({*rename->replaced, rename->to});
  return objects;
}

std::vector<ObjectId> directories_held_by(const Operation& operation) {
  return std::visit(
      []<class Op>(const Op& op) -> std::vector<ObjectId> {
        if constexpr (ChangesObject<Op>) {
          if (op.where) return {op.where->parent};
        } else if constexpr (std::is_same_v<Op, Link>) {
          if (op.existing) return {op.where.parent, op.existing->parent};
          return {op.where.parent};
        } else if constexpr (ChangesEntry<Op> || std::is_same_v<Op, LearnDirectory>) {
          return {op.where.parent};
        } else if constexpr (std::is_same_v<Op, Rename>) {
          if (op.from.parent == op.to.parent) return {op.from.parent};
          return {op.from.parent, op.to.parent};
        }
        return {};
      },
      operation);
}

std::optional<ObjectId> changed_object(const Operation& operation) {
  return std::visit(
      []<class Op>(const Op& op) -> std::optional<ObjectId> {
        if constexpr (ChangesObject<Op>) return op.object;
        return std::nullopt;
      },
      operation);
}

std::optional<ObjectId> changed_linked_object(const Operation& operation) {
  return std::visit(
      []<class Op>(const Op& op) -> std::optional<ObjectId> {
        if constexpr (ChangesObject<Op>) {
          if (op.after.nlink > 1 && !op.after.is_directory()) return op.object;
        }
        return std::nullopt;
      },
      operation);
}

bool is_of_directory(const Operation& operation) {
  return std::visit(
      []<class Op>(const Op& op) {
        if constexpr (ChangesObject<Op>) return op.after.is_directory();
        return std::is_same_v<Op, MakeDirectory> || std::is_same_v<Op, RemoveDirectory> ||
               std::is_same_v<Op, LearnDirectory>;
      },
      operation);
}

bool sets_attributes(const Operation& operation) {
  return std::visit(
      []<class Op>(const Op&) {
        return std::is_same_v<Op, SetAttributes> || std::is_same_v<Op, SetXattr> ||
               std::is_same_v<Op, RemoveXattr> || std::is_same_v<Op, CreateNode> ||
               std::is_same_v<Op, MakeDirectory> || std::is_same_v<Op, MakeSymlink>;
      },
      operation);
}

std::optional<ObjectId> removed_directory(const Operation& operation) {
  if (const auto* removed = std::get_if<RemoveDirectory>(&operation)) return removed->object;
  const auto* rename = std::get_if<Rename>(&operation);
  const bool gone = rename != nullptr && (rename->flags & RENAME_EXCHANGE) == 0 &&
                    rename->replaced && S_ISDIR(rename->replaced_type);
  return gone ? rename->replaced : std::nullopt;
}

const char* kind_name(const Operation& operation) {
  static constexpr std::array<const char*, std::variant_size_v<Operation>> kNames = {
      "write",  "truncate",        "fallocate", "set attributes", "setxattr", "removexattr",
      "create", "mkdir",           "symlink",   "link",           "unlink",   "rmdir",
      "rename", "learn directory", "barrier",   "change"};
  return kNames[operation.index()];
}

}  // namespace mirrorfs::stream
