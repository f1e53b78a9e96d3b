#include "engine/compare/walk.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "engine/compare/entry.h"
#include "engine/compare/hidden_node.h"
#include "engine/compare/unchanged.h"
#include "engine/objects/descriptor_budget.h"
#include "engine/objects/file_clock.h"
#include "mirrorfs/object_calls.h"

namespace mirrorfs::compare {
namespace {

constexpr std::chrono::milliseconds kTick{200};

// One worker needs some 300 µs for the share of creations that is gathered.
constexpr ring::RingOptions kBulk = {.few_workers = true,
                                     .gather_time = std::chrono::microseconds(400)};

/// One directory's Observer: adds the path.
class NodeObserver final : public Observer {
 public:
  NodeObserver(WalkListener& listener, const WalkNode& node) : listener_(listener), node_(node) {}
  void listed(std::size_t names) override { listener_.listed(names); }
  void seen(const Metadata& source) override { listener_.seen(source); }
  void replica_is_covered() override { listener_.replica_is_covered(); }
  void expected(std::int64_t bytes) override { listener_.expected(bytes); }
  void reconciled(std::string_view, const Metadata& source) override {
    listener_.reconciled(source);
  }
  void difference(std::string_view name, std::string_view what) override {
    listener_.difference(node_.path_of(name), what);
  }
  void created(std::string_view) override { listener_.created(); }
  void removed(std::string_view) override { listener_.removed(); }
  void attributes_set(std::string_view) override { listener_.attributes_set(); }
  void copied(std::string_view, std::uint64_t bytes) override { listener_.copied(bytes); }
  void failed(std::string_view name, const Error& error) override {
    listener_.failed(node_.path_of(name), error);
  }

 private:
  WalkListener& listener_;
  const WalkNode& node_;
};

class Walk final : public copy::ReplicaDirectories {
 public:
  Walk(ring::Ring& ring, copy::Staging* staging, const Policy& policy, WalkListener& listener,
       const objects::DescriptorBudget& budget, const std::atomic<bool>* interrupted,
       replica::Keeper* keeper, const PairRules& rules)
      : ring_(ring),
        rules_(rules),
        writer_(ring, keeper),
        staging_(staging),
        policy_(policy),
        listener_(listener),
        rights_(objects::Rights::current(rules.fidelity)),
        budget_(budget),
        limits_{ring::Semaphore(budget.objects), copy::PieceBudget(copy::Limits::kPieces),
                copy::PieceBudget(budget.objects, copy::kSmallFile)},
        links_(*this),
        descriptors_(ring, budget.pairs) {
    limits_.pieces.cancel_by(interrupted);
  }

  ring::Task<Result<void>> run(std::shared_ptr<WalkNode> root, int replica_root);

  ring::Task<Result<std::shared_ptr<const objects::DirFd>>> open_replica(ObjectId id) override;
  void keep(ObjectId id) override;
  /// A walk that changes the replica runs under the pair's lock.
  [[nodiscard]] bool exclusive() const override { return true; }

 private:
  ring::Task<void> watch();
  ring::Task<void> work();
  ring::Task<void> process(std::shared_ptr<WalkNode> node);
  ring::Task<void> cannot_open(std::shared_ptr<WalkNode> node, const Error& error);
  ring::Task<void> look_again(std::shared_ptr<WalkNode> node);
  ring::Task<void> finish_upwards(std::shared_ptr<WalkNode> node);
  ring::Task<void> finish(std::shared_ptr<WalkNode> node);
  void add_children(const std::shared_ptr<WalkNode>& node, std::vector<ChildDirectory>& children);

  Context context_for(Observer& observer) {
    return {ring_,   writer_, staging_,           links_,           observer,
            limits_, rights_, &rules_.boundaries, &rules_.exclusion};
  }
  [[nodiscard]] DirectoryPair pair_of(const WalkNode& node, const OpenPair& open) const {
    const bool named = rules_.exclusion.needs_paths() && node.parent;
    return {.id = node.source.id(),
            .source = open.source.get(),
            .replica = open.replica.get(),
            .unchanged = node.unchanged,
            .path = named ? node.path_of("") : std::string()};
  }

  ring::Ring& ring_;
  const PairRules& rules_;
  replica::Writer writer_;
  copy::Staging* const staging_;
  Policy policy_;
  WalkListener& listener_;
  const objects::Rights rights_;
  const objects::DescriptorBudget budget_;
  copy::Limits limits_;
  copy::HardlinkMap links_;
  WalkDescriptors descriptors_;
  int replica_root_ = -1;
  std::vector<std::shared_ptr<WalkNode>> waiting_;  // last in, first out: depth before breadth
  std::size_t busy_ = 0;
  ring::Event more_;  // set when waiting_ grew or the walk ended
  std::optional<Error> root_error_;
  // Directories that links were remembered in, and those in flight that may become so.
  std::unordered_map<ObjectId, std::weak_ptr<WalkNode>> active_;
  std::unordered_map<ObjectId, std::shared_ptr<WalkNode>> kept_;
};

ring::Task<Result<void>> Walk::run(std::shared_ptr<WalkNode> root, int replica_root) {
  replica_root_ = replica_root;
  if (objects::stamps_with_our_clock(root->open->source.get()))
    policy_.sight_device = root->source.dev;
  policy_.hide_new_directories = !policy_.dry_run;
  root->unchanged = policy_.unchanged_since &&
                    roots_are_unchanged(*policy_.unchanged_since, root->source, *root->replica);
  waiting_.push_back(std::move(root));
  ring_.spawn(watch());
  ring::TaskGroup workers(ring_);
  for (std::size_t i = 0; i < budget_.directories; ++i) workers.spawn(work());
  co_await workers.join();
  if (limits_.pieces.cancelled()) {
    if (staging_ != nullptr) staging_->remove_if_unpaired(replica_root_);
    co_return fail(ECANCELED, "walk");
  }
  if (root_error_) co_return std::unexpected(std::move(*root_error_));
  co_return Result<void>{};
}

/// Until the walk ends.
ring::Task<void> Walk::watch() {
  for (;;) {
    const bool go_on = co_await ring_.sleep(kTick);
    if (!go_on) co_return;
    listener_.tick(limits_.pieces.under_way());
  }
}

ring::Task<void> Walk::work() {
  for (;;) {
    while (waiting_.empty() && busy_ > 0) {
      more_.reset();
      co_await more_.wait();
    }
    if (limits_.pieces.cancelled()) waiting_.clear();
    if (waiting_.empty()) break;
    std::shared_ptr<WalkNode> node = std::move(waiting_.back());
    waiting_.pop_back();
    ++busy_;
    co_await process(std::move(node));
    --busy_;
    if (!waiting_.empty() || busy_ == 0) more_.set();
  }
  more_.set();
}

ring::Task<void> Walk::process(std::shared_ptr<WalkNode> node) {
  NodeObserver observer(listener_, *node);
  active_[node->source.id()] = node;
  Context context = context_for(observer);
  HiddenNode hidden(context, descriptors_, node);
  const bool is_new = !node->replica && !node->missing;
  ring::Task<Result<std::shared_ptr<const OpenPair>>> opening =
      is_new ? hidden.build() : descriptors_.acquire(node);
  Result<std::shared_ptr<const OpenPair>> open = co_await std::move(opening);
  if (!open) {
    co_await cannot_open(node, open.error());
    co_return;
  }
  DirectoryPair pair = pair_of(*node, **open);
  if (is_new) pair.hidden = &hidden;
  ring::Task<Result<DirectoryResult>> task =
      reconcile_directory(context, pair, policy_, nullptr, node->parent == nullptr);
  Result<DirectoryResult> result = co_await std::move(task);
  if (!result) {
    observer.failed("", result.error());
    if (!node->parent) root_error_ = result.error();
    co_await hidden.discard();
  } else {
    node->touched |= result->changed;
    add_children(node, result->children);
  }
  listener_.walked(node->share);
  open->reset();
  if (node->pending == 0) co_await finish_upwards(node);
}

ring::Task<void> Walk::cannot_open(std::shared_ptr<WalkNode> node, const Error& error) {
  if (objects::means_vanished(error.code)) {
    co_await look_again(node);
  } else {
    NodeObserver(listener_, *node).failed("", error);
  }
  listener_.walked(node->share);
  descriptors_.drop(*node);
  active_.erase(node->source.id());
  if (node->parent && --node->parent->pending == 0) co_await finish_upwards(node->parent);
}

void Walk::add_children(const std::shared_ptr<WalkNode>& node,
                        std::vector<ChildDirectory>& children) {
  node->pending = children.size();
  node->share /= static_cast<double>(children.size() + 1);
  for (auto child = children.rbegin(); child != children.rend(); ++child) {
    auto next = std::make_shared<WalkNode>();
    next->parent = node;
    next->name = std::move(child->name);
    next->source = child->source;
    next->replica = child->replica;
    next->missing = child->missing;
    next->unchanged = node->unchanged && child->replica &&
                      is_unchanged(*policy_.unchanged_since, child->source, *child->replica);
    next->touched = child->opened_up;
    next->share = node->share;
    waiting_.push_back(std::move(next));
  }
  if (!children.empty()) more_.set();
}

/// The directory went away, or became something else, after its parent was listed.
ring::Task<void> Walk::look_again(std::shared_ptr<WalkNode> node) {
  if (!node->parent) co_return;
  NodeObserver observer(listener_, *node->parent);
  Result<std::shared_ptr<const OpenPair>> open = co_await descriptors_.acquire(node->parent);
  if (!open) co_return observer.failed(node->name, open.error());
  Context context = context_for(observer);
  const DirectoryPair pair = pair_of(*node->parent, **open);
  Result<EntryResult> entry =
      co_await reconcile_entry(context, pair, node->name, std::nullopt, std::nullopt, policy_);
  if (!entry) co_return;  // already reported
  node->parent->touched |= entry->changed;
  if (entry->is_directory) {
    const Error error{EBUSY, "copy (the source keeps changing)", node->name};
    observer.failed(node->name, error);
  }
}

/// Finishes the directory and every ancestor whose last child it was.
ring::Task<void> Walk::finish_upwards(std::shared_ptr<WalkNode> node) {
  while (node) {
    co_await finish(node);
    descriptors_.drop(*node);
    active_.erase(node->source.id());
    std::shared_ptr<WalkNode> parent = node->parent;
    if (parent && --parent->pending > 0) break;
    node = std::move(parent);
  }
}

ring::Task<void> Walk::finish(std::shared_ptr<WalkNode> node) {
  if (node->missing) co_return;
  NodeObserver observer(listener_, *node);
  Result<std::shared_ptr<const OpenPair>> open = co_await descriptors_.acquire(node);
  if (!open) co_return observer.failed("", open.error());
  if (!node->parent && staging_ != nullptr) {
    node->touched |= staging_->remove_if_unpaired(replica_root_);
  }
  Context context = context_for(observer);
  FinishOptions options{.source = node->source,
                        .replica = node->replica,
                        .created = !node->replica.has_value(),
                        .touched = node->touched};
  const DirectoryPair pair = pair_of(*node, **open);
  Result<bool> finished =
      co_await finish_directory(context, pair, std::string(), std::move(options), policy_);
  static_cast<void>(finished);  // a failure was reported to the observer
}

ring::Task<Result<std::shared_ptr<const objects::DirFd>>> Walk::open_replica(ObjectId id) {
  const auto node = kept_.find(id);
  if (node == kept_.end()) co_return fail(ENOENT, "open the directory of a hard link");
  Result<std::shared_ptr<const OpenPair>> open = co_await descriptors_.acquire(node->second);
  if (!open) co_return pass_on(std::move(open));
  const objects::DirFd* replica = &(*open)->replica;
  co_return std::shared_ptr<const objects::DirFd>(std::move(*open), replica);
}

void Walk::keep(ObjectId id) {
  if (const auto node = active_.find(id); node != active_.end()) kept_[id] = node->second.lock();
}

Result<objects::DirFd> reopened(int root) {
  UniqueFd fd(calls::open_beneath(root, ".", O_RDONLY | O_DIRECTORY));
  if (!fd) return fail(-fd.get(), "openat2", ".");
  return objects::DirFd(std::move(fd));
}

/// Start-up, by direct calls: both roots as a node, with descriptors of its own (their offsets are
/// not the caller's).
Result<std::shared_ptr<WalkNode>> open_roots(const Roots& roots) {
  auto root = std::make_shared<WalkNode>();
  auto pair = std::make_shared<OpenPair>();
  Result<objects::DirFd> source_fd = reopened(roots.source);
  if (!source_fd) return pass_on(std::move(source_fd));
  Result<objects::DirFd> replica_fd = reopened(roots.replica);
  if (!replica_fd) return pass_on(std::move(replica_fd));
  pair->source = std::move(*source_fd);
  pair->replica = std::move(*replica_fd);
  WalkDescriptors::pin(*root, std::move(pair));
  return root;
}

/// Before anything is changed in them.
ring::Task<Result<void>> look_at_roots(ring::Ring& ring, WalkNode& root,
                                       std::optional<Metadata> source_seen) {
  const std::shared_ptr<const OpenPair> open = root.open;
  if (!source_seen) {
    Result<Metadata> source = co_await ring.statx(open->source.get(), "", AT_EMPTY_PATH);
    if (!source) co_return pass_on(std::move(source));
    source_seen = *source;
  }
  Result<Metadata> replica = co_await ring.statx(open->replica.get(), "", AT_EMPTY_PATH);
  if (!replica) co_return pass_on(std::move(replica));
  root.source = *source_seen;
  root.replica = *replica;
  co_return Result<void>{};
}

}  // namespace

Result<void> walk_trees(const Roots& roots, const Policy& policy, WalkListener& listener,
                        const std::atomic<bool>* interrupted, replica::Keeper* keeper,
                        const PairRules& rules) {
  Result<std::shared_ptr<WalkNode>> root = open_roots(roots);
  if (!root) return pass_on(std::move(root));
  const objects::DescriptorBudget budget = objects::DescriptorBudget::of_process();
  budget.enlarge_table();
  Result<std::unique_ptr<ring::Ring>> ring = ring::Ring::create(kBulk);
  if (!ring) return pass_on(std::move(ring));
  Result<void> looked = (*ring)->run_task(look_at_roots(**ring, **root, roots.source_seen));
  if (!looked) return looked;
  std::optional<copy::Staging> staging;
  if (!policy.dry_run) {
    Result<copy::Staging> opened = copy::Staging::open(roots.replica);
    if (!opened) return pass_on(std::move(opened));
    staging.emplace(std::move(*opened));
    staging->learn_owner();
    (*root)->touched = staging->made_reserved();
  }
  Walk walk(**ring, staging ? &*staging : nullptr, policy, listener, budget, interrupted, keeper,
            rules);
  Result<void> walked = (*ring)->run_task(walk.run(std::move(*root), roots.replica));
  listener.ring_used((*ring)->counters());
  return walked;
}

}  // namespace mirrorfs::compare
