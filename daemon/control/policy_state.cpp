#include "daemon/control/policy_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "daemon/control/configuration_files.hpp"
#include "daemon/control/section.hpp"
#include "policy/priorities.hpp"

namespace keysluice::control {
namespace {

using policy::Direction;

/// The numbers by which the kernel knows a policy.
struct Numbers {
    std::uint32_t priority = 0;
    std::uint32_t reqid = 0;
};
using NumbersByName = std::map<std::pair<std::string, Direction>, Numbers>;

constexpr std::array<std::string_view, 2> kSwitch{"off", "on"};
constexpr std::array<std::string_view, 2> kDirections{"in", "out"};
constexpr std::string_view kNote =
    "# Written by keysluiced: the policies that hold. What is edited here is lost; `keysluice policy commit` writes\n"
    "# it anew from the configuration's files.\n\n";

bool is_manual_sa(const ListedPolicy& listed) {
    return std::holds_alternative<ManualSa>(listed.by);
}

NumbersByName numbers_of(const PolicySet& set) {
    NumbersByName numbers;
    for (const ListedPolicy& each : set.policies) {
        numbers.try_emplace({each.rule.name, each.rule.direction},
                            Numbers{.priority = each.rule.priority,
                                    .reqid = is_manual_sa(each) ? each.rule.protection.reqid.value : 0});
    }
    return numbers;
}

void apply_numbers(PolicySet& set, const NumbersByName& numbers) {
    for (ListedPolicy& each : set.policies) {
        const auto found = numbers.find({each.rule.name, each.rule.direction});
        if (found != numbers.end()) {
            each.rule.priority = found->second.priority;
            each.rule.protection.reqid = {is_manual_sa(each) ? found->second.reqid : 0};
        }
    }
}

std::vector<const ManualKeys*> keys_of(const ListedPolicy& listed) {
    std::vector<const ManualKeys*> all;
    if (const auto* const manual = std::get_if<ManualSa>(&listed.by)) {
        all.push_back(manual);
        if (manual->also) {
            all.push_back(&*manual->also);
        }
    }
    return all;
}

/// An SPI stays, and its keys or algorithms are others. The kernel does not show keys, so such an SA is known by
/// another number.
bool has_other_keys(const ListedPolicy& fresh, const ListedPolicy& before) {
    const auto old = keys_of(before);
    return std::ranges::any_of(keys_of(fresh), [&](const ManualKeys* now) {
        return std::ranges::any_of(old,
                                   [now](const ManualKeys* was) { return was->spi == now->spi && *was != *now; });
    });
}

/// Who stays keeps its numbers.
NumbersByName numbers_to_keep(const PolicySet& fresh, const PolicySet& before) {
    NumbersByName numbers = numbers_of(before);
    std::map<std::pair<std::string_view, Direction>, const ListedPolicy*> old;
    for (const ListedPolicy& each : before.policies) {
        old.try_emplace({each.rule.name, each.rule.direction}, &each);
    }
    for (const ListedPolicy& each : fresh.policies) {
        const auto found = old.find({each.rule.name, each.rule.direction});
        if (found != old.end() && has_other_keys(each, *found->second)) {
            numbers.at({each.rule.name, each.rule.direction}).reqid = 0;
        }
    }
    return numbers;
}

/// One [[number]] of the file.
void read_number(const PlacedTable& placed, Diagnostics& wrong, NumbersByName& into) {
    Section section(*placed.table, placed.where, "[[number]]", wrong);
    std::string name;
    Direction direction = Direction::in;
    Numbers numbers;
    constexpr std::int64_t kMost = 0xffff'ffff;
    section.name(name);
    section.choice("direction", kDirections, direction);
    section.integer("priority", 0, kMost, numbers.priority);
    section.integer("reqid", 0, kMost, numbers.reqid);
    section.refuse_the_rest();
    into.insert_or_assign({name, direction}, numbers);
}

}  // namespace

void number_policies(PolicySet& fresh, const PolicySet& before) {
    apply_numbers(fresh, numbers_to_keep(fresh, before));
    std::vector<std::uint32_t> priorities(fresh.policies.size());
    std::ranges::transform(fresh.policies, priorities.begin(),
                           [](const ListedPolicy& each) { return each.rule.priority; });
    priorities = policy::place_priorities(priorities);
    std::set<std::uint32_t> taken;
    for (const PolicySet* set : {&std::as_const(fresh), &before}) {
        for (const ListedPolicy& each : set->policies) {
            taken.insert(each.rule.protection.reqid.value);
        }
    }
    std::uint32_t next = kManualReqIdMark;
    for (std::size_t i = 0; i < fresh.policies.size(); ++i) {
        policy::Policy& rule = fresh.policies[i].rule;
        rule.priority = priorities[i];
        if (!is_manual_sa(fresh.policies[i]) || rule.protection.reqid.value != 0) {
            continue;
        }
        while (!taken.insert(++next).second) {
        }
        rule.protection.reqid = {next};
    }
}

std::string write_committed(const CommittedPolicies& committed) {
    std::string text(kNote);
    text += write_policies(committed.set);
    text += fmt::format("[state]\nenforced = \"{}\"\n", kSwitch.at(committed.enabled ? 1 : 0));
    if (committed.returns_at) {
        text += fmt::format("returns_at = {}\n", *committed.returns_at);
    }
    for (const auto& [key, numbers] : numbers_of(committed.set)) {
        text += fmt::format("\n[[number]]\nname = \"{}\"\ndirection = \"{}\"\npriority = {}\nreqid = {}\n", key.first,
                            kDirections.at(static_cast<std::size_t>(key.second)), numbers.priority, numbers.reqid);
    }
    return text;
}

std::expected<CommittedPolicies, Diagnostics> parse_committed(std::string_view text, const std::string& name) {
    auto document = parse_toml(text, name);
    if (!document) {
        return std::unexpected(Diagnostics{std::move(document).error()});
    }
    CommittedPolicies committed;
    Diagnostics wrong;
    NumbersByName numbers;
    Section file(*document, {name, 1, 1}, "the file", wrong);
    for (const PlacedTable& placed : file.tables("number", "number")) {
        read_number(placed, wrong, numbers);
    }
    const TomlValue* const state = file.value("state");
    if (const auto* const table = state == nullptr ? nullptr : std::get_if<TomlTable>(&state->content)) {
        Section section(*table, state->where, "[state]", wrong);
        section.choice("enforced", kSwitch, committed.enabled);
        if (section.has("returns_at")) {
            section.integer("returns_at", 0, INT64_MAX, committed.returns_at.emplace());
        }
        section.refuse_the_rest();
    }
    const PolicyDocument whole{.file = name, .table = *std::move(document)};
    auto set = read_policies({&whole, 1});
    if (!set || !wrong.empty()) {
        return std::unexpected(set ? std::move(wrong) : std::move(set).error());
    }
    committed.set = *std::move(set);
    apply_numbers(committed.set, numbers);
    return committed;
}

std::expected<std::optional<CommittedPolicies>, Diagnostics> load_committed(const std::filesystem::path& file) {
    std::error_code error;
    if (!std::filesystem::exists(file, error) && !error) {
        return std::optional<CommittedPolicies>();
    }
    const auto text = load_text(file);
    if (!text) {
        return std::unexpected(Diagnostics{text.error()});
    }
    auto committed = parse_committed(*text, file.string());
    if (!committed) {
        return std::unexpected(std::move(committed).error());
    }
    return std::optional(*std::move(committed));
}

}  // namespace keysluice::control
