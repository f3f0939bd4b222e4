#include "daemon/control/policy_table.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <utility>

#include "daemon/control/configuration_files.hpp"
#include "daemon/control/text_file.hpp"
#include "daemon/shared/quoted.hpp"
#include "daemon/shared/service.hpp"

namespace keysluice::control {
namespace {

/// What could not be taken back is tried again after so many seconds.
constexpr std::uint64_t kTakingBackPause = 30;
constexpr std::array<std::string_view, 2> kWhichNames{"candidate", "committed"};

std::string_view name_of(PolicyTable::Which which) {
    return kWhichNames.at(static_cast<std::size_t>(which));
}

std::unexpected<Refusal> refuse(Error error) {
    return std::unexpected(Refusal(std::move(error)));
}

std::unexpected<Refusal> refuse(Diagnostics wrong) {
    return std::unexpected(Refusal(std::move(wrong)));
}

/// "PROTECTFTPIN (in)", by name and direction.
std::map<std::string, const ListedPolicy*> by_title(const PolicySet& set) {
    std::map<std::string, const ListedPolicy*> titles;
    for (const ListedPolicy& each : set.policies) {
        titles.emplace(fmt::format("{} ({})", each.rule.name,
                                   kPolicyDirectionNames.at(static_cast<std::size_t>(each.rule.direction))),
                       &each);
    }
    return titles;
}

bool is_same(const ListedPolicy& a, const ListedPolicy& b) {
    return a.rule.disposition == b.rule.disposition && a.rule.local == b.rule.local &&
           a.rule.remote == b.rule.remote && a.rule.protocol == b.rule.protocol &&
           a.rule.local_ports == b.rule.local_ports && a.rule.remote_ports == b.rule.remote_ports &&
           a.rule.protection == b.rule.protection && a.rule.priority == b.rule.priority && a.by == b.by;
}

PolicyChange compare_sets(const PolicySet& before, const PolicySet& after) {
    PolicyChange change{.policies = after.policies.size(),
                        .added = {},
                        .removed = {},
                        .changed = {},
                        .kernel = {},
                        .warnings = {},
                        .returns_at = {}};
    const auto old = by_title(before);
    const auto fresh = by_title(after);
    for (const auto& [title, listed] : fresh) {
        const auto found = old.find(title);
        if (found == old.end()) {
            change.added.push_back(title);
        } else if (!is_same(*found->second, *listed)) {
            change.changed.push_back(title);
        }
    }
    for (const auto& [title, listed] : old) {
        if (!fresh.contains(title)) {
            change.removed.push_back(title);
        }
    }
    return change;
}

std::string turned_text(const PolicySet& set) {
    std::string text;
    for (const TomlTable& each : turned(set)) {
        write_table(text, "policy", each);
    }
    return text;
}

bool names_key(const ManualKeys& keys, const std::string& key) {
    return (keys.integrity && keys.integrity->key == key) ||
           (keys.confidentiality && keys.confidentiality->key == key);
}

bool names_key(const ListedPolicy& listed, const std::string& key) {
    const auto* const manual = std::get_if<ManualSa>(&listed.by);
    return manual != nullptr && (names_key(*manual, key) || (manual->also && names_key(*manual->also, key)));
}

}  // namespace

NamedKeys PolicyTable::keys() const {
    return {places_.configuration.parent_path() / std::filesystem::path(kKeyFolder).filename(), places_.credentials};
}

std::expected<KernelShare, Refusal> PolicyTable::share_of(const PolicySet& set, policy::Discards discards) const {
    LoadedKeys loaded = load_keys(set, keys());
    if (!loaded.wrong.empty()) {
        return refuse(std::move(loaded.wrong));
    }
    auto share = kernel_share(set, loaded, own_addresses_(), discards);
    if (!share) {
        return refuse(std::move(share).error());
    }
    return *std::move(share);
}

std::expected<KernelShare, Refusal> PolicyTable::share_of(const CommittedPolicies& committed) const {
    return committed.enabled ? share_of(committed.set, discards_->discards()) : std::expected<KernelShare, Refusal>();
}

PolicyTable::Held PolicyTable::apply(Databases& databases, const CommittedPolicies& committed, Keys needed,
                                     const Also& also) const {
    LoadedKeys loaded = committed.enabled ? load_keys(committed.set, keys()) : LoadedKeys();
    if (needed == Keys::all && !loaded.wrong.empty()) {
        return refuse(std::move(loaded.wrong));
    }
    auto share = committed.enabled ? kernel_share(committed.set, loaded, own_addresses_(), discards_->discards())
                                   : Result<KernelShare>();
    if (!share) {
        return refuse(std::move(share).error());
    }
    std::set<xfrm::ReqId> renewed;
    for (const ListedPolicy& each : committed.set.policies) {
        if (!also.renewed_key.empty() && names_key(each, also.renewed_key)) {
            renewed.insert(each.rule.protection.reqid);
        }
    }
    std::set<xfrm::SaId> anew;
    for (const xfrm::Sa& each : share->sas) {
        if (renewed.contains(each.reqid)) {
            anew.insert(each.id());
        }
    }
    auto holdings = kernel_holdings(databases);
    if (!holdings) {
        return refuse(std::move(holdings).error());
    }
    // SAs whose keys are not there any more can't be made again.
    std::erase_if(holdings->sas, [&](const xfrm::SaState& each) { return loaded.without.contains(each.reqid); });
    share->children = place_anew(holdings->children, also.children, ListedChildren(committed));
    if (auto done = control::enforce(databases, *holdings, *std::move(share), anew, also.leaving); !done) {
        return refuse(std::move(done).error());
    }
    return std::move(loaded.wrong);
}

PolicyTable::Held PolicyTable::start(Databases& databases, std::span<const ChildPolicy> children) {
    auto before = load_committed(file_before());
    auto committed = load_committed(file());
    if (!before || !committed) {
        return refuse(before ? std::move(committed).error() : std::move(before).error());
    }
    if (std::optional<CommittedPolicies>& found = *committed) {
        committed_ = *std::move(found);
        counting_ = true;  // perhaps: who was killed may not have come to its removal
    }
    before_ = *std::move(before);
    // Where nothing was ever committed, nothing in the kernel is ours.
    return committed_.set.policies.empty() && !committed_.enabled
               ? Held()
               : apply(databases, committed_, Keys::those_there, {.children = children});
}

PolicyTable::Held PolicyTable::change_to(Databases& databases, CommittedPolicies next, Keys needed,
                                         std::span<const ChildPolicy> children) {
    // It is written down first: whoever comes after a kill in the middle goes on towards it.
    if (auto written = write_text_file(file(), write_committed(next)); !written) {
        return refuse(std::move(written).error());
    }
    leaving_.clear();
    auto applied = apply(databases, next, needed, {.children = children, .leaving = &leaving_});
    if (!applied) {
        static_cast<void>(write_text_file(file(), write_committed(committed_)));
        static_cast<void>(apply(databases, committed_, Keys::those_there, {.children = children}));
        return applied;
    }
    committed_ = std::move(next);
    return applied;
}

Result<void> PolicyTable::keep_before(const std::optional<CommittedPolicies>& before) const {
    if (before) {
        return write_text_file(file_before(), write_committed(*before));
    }
    if (::unlink(file_before().c_str()) != 0 && errno != ENOENT) {
        return std::unexpected(unwritable(file_before(), "removing it"));
    }
    flush_folder(places_.state);
    return {};
}

PolicyTable::Answer PolicyTable::show(Databases& databases, Which which) {
    const auto holdings = kernel_holdings(databases);
    if (!holdings) {
        return refuse(holdings.error());
    }
    if (which == Which::committed) {
        CommittedPolicies shown = committed_;
        shown.returns_at = returns_at();
        const auto counted = committed_.enabled ? discards_->counts() : std::vector<std::uint64_t>();
        return policies_json(name_of(which), shown, *holdings, counted.value_or(std::vector<std::uint64_t>()));
    }
    auto candidate = read_policy_files(places_.configuration);
    if (!candidate) {
        return refuse(std::move(candidate).error());
    }
    number_policies(*candidate, committed_.set);
    return policies_json(name_of(which), {.set = *std::move(candidate), .enabled = committed_.enabled}, {}, {});
}

PolicyTable::Answer PolicyTable::test(Which which, const QuestionTexts& texts) {
    const auto question = read_question(texts);
    if (!question) {
        return refuse(question.error());
    }
    std::vector<policy::Policy> rules = committed_.set.rules();
    if (which == Which::candidate) {
        const auto candidate = read_policy_files(places_.configuration);
        if (!candidate) {
            return refuse(candidate.error());
        }
        rules = candidate->rules();
    }
    const auto answer = answer_question(rules, *question);
    if (!answer) {
        return refuse(answer.error());
    }
    return answer_json(name_of(which), *answer, rules);
}

std::expected<PolicyTable::Plan, Refusal> PolicyTable::plan(Databases& databases) const {
    auto candidate = read_policy_files(places_.configuration);
    if (!candidate) {
        return refuse(std::move(candidate).error());
    }
    const auto settings = read_configuration(places_.configuration, places_.credentials);
    if (!settings) {
        return refuse(settings.error());
    }
    PolicyFindings findings = check_policies(*candidate, *settings);
    if (!findings.wrong.empty()) {
        return refuse(std::move(findings.wrong));
    }
    number_policies(*candidate, committed_.set);
    Plan plan{.next = {.set = *std::move(candidate), .enabled = committed_.enabled},
              .change = {},
              .holdings = {},
              .share = {}};
    // Where nothing is enforced it must be possible all the same, and the kernel is not asked what it can do.
    auto share = share_of(plan.next.set, plan.next.enabled ? discards_->discards() : policy::Discards::blocked);
    if (!share) {
        return std::unexpected(std::move(share).error());
    }
    auto holdings = kernel_holdings(databases);
    if (!holdings) {
        return refuse(std::move(holdings).error());
    }
    plan.share = plan.next.enabled ? *std::move(share) : KernelShare();
    plan.holdings = *std::move(holdings);
    plan.change = compare_sets(committed_.set, plan.next.set);
    plan.change.kernel = compare(plan.holdings, plan.share);
    plan.change.enforced = plan.next.enabled;
    plan.change.warnings = std::move(findings.warnings);
    return plan;
}

PolicyTable::Answer PolicyTable::diff(Databases& databases) {
    const auto planned = plan(databases);
    if (!planned) {
        return std::unexpected(planned.error());
    }
    return change_json(planned->change);
}

PolicyTable::Answer PolicyTable::commit(Databases& databases, std::optional<std::chrono::seconds> confirm_within,
                                        std::span<const ChildPolicy> children) {
    auto planned = plan(databases);
    if (!planned) {
        return std::unexpected(std::move(planned).error());
    }
    // A commit while another one waits for its confirmation goes back to before both.
    std::optional<CommittedPolicies> before;
    if (confirm_within) {
        before = before_ ? before_ : committed_;
        before->returns_at = clock_() + static_cast<std::uint64_t>(confirm_within->count());
        planned->change.returns_at = before->returns_at;
    }
    std::string document = change_json(planned->change);
    // Who is killed in the middle leaves a set that is taken back, and none that nobody has confirmed.
    if (before) {
        if (auto kept = keep_before(before); !kept) {
            return refuse(std::move(kept).error());
        }
    }
    if (auto changed = change_to(databases, std::move(planned->next), Keys::all, children); !changed) {
        static_cast<void>(keep_before(before_));
        return std::unexpected(std::move(changed).error());
    }
    if (!before) {
        if (auto kept = keep_before(std::nullopt); !kept) {
            return refuse(std::move(kept).error());
        }
    }
    before_ = std::move(before);
    return document;
}

PolicyTable::Answer PolicyTable::confirm() {
    if (!before_) {
        return refuse(Error{"nothing-to-confirm",
                            "no commit waits for its confirmation: it was confirmed, or its time has "
                            "passed and the set before it holds again"});
    }
    if (auto kept = keep_before(std::nullopt); !kept) {
        return refuse(std::move(kept).error());
    }
    before_.reset();
    return enforced_json(committed_.enabled);
}

std::expected<std::optional<Diagnostics>, Refusal> PolicyTable::give_back(Databases& databases,
                                                                          std::span<const ChildPolicy> children) {
    if (!before_ || !before_->returns_at || clock_() < *before_->returns_at) {
        return std::nullopt;
    }
    CommittedPolicies next = *before_;
    next.returns_at.reset();
    next.enabled = next.enabled && committed_.enabled;  // who has switched them off meanwhile means it
    auto changed = change_to(databases, std::move(next), Keys::those_there, children);
    auto forgotten = changed ? keep_before(std::nullopt) : Result<void>();
    if (!changed || !forgotten) {
        before_->returns_at = clock_() + kTakingBackPause;
        return changed ? std::unexpected(Refusal(std::move(forgotten).error()))
                       : std::unexpected(std::move(changed).error());
    }
    before_.reset();
    return std::optional(*std::move(changed));
}

PolicyTable::Answer PolicyTable::verify(Databases& databases) {
    const auto share = share_of(committed_);
    if (!share) {
        return std::unexpected(share.error());
    }
    const auto holdings = kernel_holdings(databases);
    if (!holdings) {
        return refuse(holdings.error());
    }
    Differences found = compare(*holdings, *share);
    std::erase_if(found.surplus_sas, [this](const xfrm::SaState* each) { return leaving_.contains(each->id); });
    return verification_json(found, committed_.enabled);
}

PolicyTable::Answer PolicyTable::enforce(Databases& databases, bool enabled, std::span<const ChildPolicy> children) {
    for (const policy::Direction direction : {policy::Direction::in, policy::Direction::out}) {
        const bool has = std::ranges::any_of(committed_.set.policies, [direction](const ListedPolicy& each) {
            return each.rule.direction == direction;
        });
        if (enabled && !has) {
            return refuse(
                Error{"policies-one-sided",
                      fmt::format("the committed set has no policy of the direction \"{}\": what goes that way "
                                  "would meet the default alone. Commit one first",
                                  kPolicyDirectionNames.at(static_cast<std::size_t>(direction)))});
        }
    }
    CommittedPolicies next = committed_;
    next.enabled = enabled;
    if (auto changed = change_to(databases, std::move(next), Keys::all, children); !changed) {
        return std::unexpected(std::move(changed).error());
    }
    return enforced_json(enabled);
}

PolicyTable::Answer PolicyTable::list_keys() const {
    const auto listed = keys().list();
    if (!listed) {
        return refuse(listed.error());
    }
    return keys_json(*listed);
}

PolicyTable::Answer PolicyTable::edit(const PolicyEdit& change) const {
    const auto paths = policy_files(places_.configuration);
    if (!paths) {
        return refuse(Diagnostics{paths.error()});
    }
    std::vector<PolicyText> texts;
    for (const std::filesystem::path& path : *paths) {
        auto text = load_text(path);
        if (!text) {
            return refuse(Diagnostics{std::move(text).error()});
        }
        texts.push_back({.file = path, .text = *std::move(text)});
    }
    const auto changed =
        edit_policies(texts, change, places_.configuration.parent_path() / kPolicyFolder / "policies.toml");
    if (!changed) {
        return refuse(changed.error());
    }
    if (auto read = read_policy_files(places_.configuration, *changed); !read) {
        return refuse(std::move(read).error());
    }
    std::vector<std::string> names;
    for (const PolicyText& each : *changed) {
        if (auto written = write_text_file(each.file, each.text); !written) {
            return refuse(std::move(written).error());
        }
        names.push_back(each.file.string());
    }
    return files_json(names);
}

PolicyTable::Answer PolicyTable::exported() const {
    std::string text = "# Policies as this host has them. `keysluice policy import` turns them round.\n\n";
    std::vector<TomlTable> tables = committed_.set.policy_tables;
    for (const ListedPolicy& each : committed_.set.policies) {
        const auto* const manual = std::get_if<ManualSa>(&each.by);
        const bool open = manual != nullptr && each.rule.local.empty() && !each.rule.remote.empty();
        const auto source = open ? source_towards_(each.rule.remote.front().first) : std::nullopt;
        if (source) {
            auto& entries = tables.at(each.table).entries;
            std::erase_if(entries, [](const TomlEntry& entry) { return entry.key == "local"; });
            entries.push_back({.key = "local", .where = {}, .value = {{}, source->text()}});
        }
    }
    for (const TomlTable& each : committed_.set.group_tables) {
        write_table(text, "host_group", each);
    }
    for (const TomlTable& each : tables) {
        write_table(text, "policy", each);
    }
    return text;
}

PolicyTable::Answer PolicyTable::import(std::string_view text, const std::string& name) const {
    if (!is_service_name(name)) {
        return refuse(
            Error{"bad-name", fmt::format("{} can't be the name of a file: expected letters, digits, \"_\", "
                                          "\".\" or \"-\"",
                                          in_quotes(name))});
    }
    const auto theirs = parse_policies(text, "the other host's policies");
    if (!theirs) {
        return refuse(theirs.error());
    }
    const PolicyText fresh{.file = places_.configuration.parent_path() / kPolicyFolder / (name + ".toml"),
                           .text = "# Another host's policies, turned round.\n\n" + turned_text(*theirs)};
    std::error_code error;
    if (std::filesystem::exists(fresh.file, error)) {
        return refuse(Error{"file-exists", fmt::format("{} is there already", fresh.file.string())});
    }
    if (auto read = read_policy_files(places_.configuration, {fresh}); !read) {
        return refuse(std::move(read).error());
    }
    if (auto written = write_text_file(fresh.file, fresh.text); !written) {
        return refuse(std::move(written).error());
    }
    return files_json({fresh.file.string()});
}

PolicyTable::Answer PolicyTable::renew(Databases& databases, const std::string& key) {
    if (std::ranges::none_of(committed_.set.policies,
                             [&](const ListedPolicy& each) { return names_key(each, key); })) {
        return refuse(Error{"key-not-used", fmt::format("no committed policy uses the key {}", key)});
    }
    if (auto applied = apply(databases, committed_, Keys::all, {.renewed_key = key}); !applied) {
        return std::unexpected(std::move(applied).error());
    }
    return enforced_json(committed_.enabled);
}

Result<bool> PolicyTable::count_discards() {
    if (!committed_.enabled && !counting_) {
        return false;
    }
    const auto loaded = committed_.enabled ? discards_->load(counted_rules(committed_.set)) : discards_->remove();
    if (!loaded) {
        return std::unexpected(loaded.error());
    }
    counting_ = committed_.enabled;
    return counting_;
}

PolicyTable::Held PolicyTable::follow(Databases& databases) {
    leaving_.clear();
    return committed_.enabled ? apply(databases, committed_, Keys::those_there, {}) : Held();
}

}  // namespace keysluice::control
