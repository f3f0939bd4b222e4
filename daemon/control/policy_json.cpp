// Beside status_json.cpp the only place for nlohmann-json in this folder: it is slow to compile.

#include "daemon/control/policy_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "daemon/control/policy_terms.hpp"
#include "xfrm/transaction.hpp"

namespace keysluice::control {
namespace {

using nlohmann::json;
using policy::Dimension;
using policy::Direction;

constexpr int kVersion = 1;
constexpr int kIndent = 2;

std::string write(const json& document) {
    return document.dump(kIndent, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string_view name_of(Direction direction) {
    return kPolicyDirectionNames.at(static_cast<std::size_t>(direction));
}

std::string_view name_of(policy::Disposition disposition) {
    return kDispositionNames.at(static_cast<std::size_t>(disposition));
}

json ranges(const std::vector<policy::AddressRange>& all) {
    json list = json::array();
    for (const policy::AddressRange& each : all) {
        list.push_back(each.first == each.last ? each.first.text()
                                               : fmt::format("{}-{}", each.first.text(), each.last.text()));
    }
    return list;
}

json ranges(const std::vector<policy::PortRange>& all) {
    json list = json::array();
    for (const policy::PortRange& each : all) {
        list.push_back(each.first == each.last ? std::to_string(each.first)
                                               : fmt::format("{}-{}", each.first, each.last));
    }
    return list;
}

json protection_of(const ListedPolicy& listed) {
    if (const auto* const negotiated = std::get_if<NegotiatedSa>(&listed.by)) {
        return {{"connection", negotiated->connection}, {"child", negotiated->child}};
    }
    const auto* const manual = std::get_if<ManualSa>(&listed.by);
    if (manual == nullptr) {
        return nullptr;
    }
    const policy::Protection& by = listed.rule.protection;
    json protection{{"ipsec", by.protocol == xfrm::Protocol::ah ? "ah" : "esp"},
                    {"mode", by.mode == xfrm::Mode::tunnel ? "tunnel" : "transport"},
                    {"spi", manual->spi.value},
                    {"spi_hex", fmt::format("0x{:x}", manual->spi.value)},
                    {"reqid", by.reqid.value}};
    if (manual->integrity) {
        protection["integrity"] = kIntegrityNames.at(static_cast<std::size_t>(manual->integrity->algorithm));
        protection["integrity_key"] = manual->integrity->key;
    }
    if (manual->confidentiality) {
        protection["confidentiality"] =
            kConfidentialityNames.at(static_cast<std::size_t>(manual->confidentiality->algorithm));
        protection["confidentiality_key"] = manual->confidentiality->key;
    }
    if (manual->also) {
        protection["also_spi"] = manual->also->spi.value;
    }
    if (by.mode == xfrm::Mode::tunnel) {
        protection["tunnel_local"] = by.tunnel_local.text();
        protection["tunnel_remote"] = by.tunnel_remote.text();
    }
    return protection;
}

/// What the kernel holds of a policy: its entries have its priority.
struct Held {
    std::size_t entries = 0;
    std::uint64_t used_at = 0;
};
using HeldByPriority = std::map<std::pair<xfrm::Direction, std::uint32_t>, Held>;

HeldByPriority held_by_priority(const KernelHoldings& holdings) {
    HeldByPriority held;
    for (const xfrm::PolicyState& each : holdings.policies) {
        Held& of = held[{each.policy.direction, each.policy.priority}];
        ++of.entries;
        of.used_at = std::max(of.used_at, each.used_at);
    }
    return held;
}

json policy_of(const ListedPolicy& listed, const HeldByPriority& held) {
    const policy::Policy& rule = listed.rule;
    const bool icmp = rule.protocol && policy::is_icmp(*rule.protocol);
    const auto found =
        held.find({rule.direction == Direction::in ? xfrm::Direction::in : xfrm::Direction::out, rule.priority});
    const Held of = found == held.end() ? Held{} : found->second;
    return {{"name", rule.name},
            {"direction", name_of(rule.direction)},
            {"disposition", name_of(rule.disposition)},
            {"local", ranges(rule.local)},
            {"remote", ranges(rule.remote)},
            {"protocol", rule.protocol ? json(protocol_name(*rule.protocol)) : json(nullptr)},
            {icmp ? "icmp_types" : "local_ports", ranges(rule.local_ports)},
            {icmp ? "icmp_codes" : "remote_ports", ranges(rule.remote_ports)},
            {"protection", protection_of(listed)},
            {"priority", rule.priority},
            {"kernel_entries", of.entries},
            {"used_at", of.used_at}};
}

json piece_of(const AnswerPiece& answer, const std::vector<policy::Policy>& rules) {
    const auto text = [&](Dimension dimension) {
        return interval_text(answer.piece.packets.at(static_cast<std::size_t>(dimension)), dimension,
                             answer.question->family);
    };
    const policy::Policy& first = rules.at(answer.piece.matches.front());
    json piece{{"direction", name_of(answer.question->direction)},
               {"family", answer.question->family == Family::ipv4 ? "ipv4" : "ipv6"},
               {"protocol", text(Dimension::protocol)},
               {"local_address", text(Dimension::local_address)},
               {"remote_address", text(Dimension::remote_address)},
               {"local_port", text(Dimension::local_port)},
               {"remote_port", text(Dimension::remote_port)},
               {"result", name_of(first.disposition)},
               {"first_match", first.name}};
    for (const std::string_view each : kDispositionNames) {
        piece["matching_" + std::string(each)] = json::array();
    }
    for (const std::size_t place : answer.piece.matches) {
        if (place != answer.piece.matches.front() && rules.at(place).name == policy::kOtherwiseName) {
            continue;  // no policy of anybody's
        }
        piece["matching_" + std::string(name_of(rules.at(place).disposition))].push_back(rules.at(place).name);
    }
    return piece;
}

template <typename Values, typename Text>
json texts(const Values& values, Text text) {
    json list = json::array();
    for (const auto* const each : values) {
        list.push_back(text(*each));
    }
    return list;
}

json differences_of(const Differences& found) {
    const auto policy = [](const xfrm::Policy& each) {
        return fmt::format("{}, priority {}", describe(each.id()), each.priority);
    };
    const auto state = [&](const xfrm::PolicyState& each) { return policy(each.policy); };
    const auto sa = [](const xfrm::Sa& each) { return describe(each.id()); };
    const auto sa_state = [](const xfrm::SaState& each) { return describe(each.id); };
    return {{"missing", texts(found.missing, policy)},         {"different", texts(found.different, policy)},
            {"surplus", texts(found.surplus, state)},          {"missing_sas", texts(found.missing_sas, sa)},
            {"different_sas", texts(found.different_sas, sa)}, {"surplus_sas", texts(found.surplus_sas, sa_state)}};
}

json or_null(const std::optional<std::uint64_t>& number) {
    return number ? json(*number) : json(nullptr);
}

}  // namespace

std::string policies_json(std::string_view which, const CommittedPolicies& policies, const KernelHoldings& holdings,
                          const std::vector<std::uint64_t>& discarded) {
    const auto count_at = [&](std::size_t place) {
        return place < discarded.size() ? json(discarded[place]) : json(nullptr);
    };
    const HeldByPriority held = held_by_priority(holdings);
    json list = json::array();
    for (const ListedPolicy& each : policies.set.policies) {
        list.push_back(policy_of(each, held));
        list.back()["discarded"] = count_at(list.size() - 1);
    }
    json otherwise = json::object();
    std::size_t place = list.size();
    for (const policy::Policy& each : policy::policies_for(policies.set.otherwise)) {
        const bool four = each.remote.front().first.family() == Family::ipv4;
        otherwise[fmt::format("{}_{}", name_of(each.direction), four ? "ipv4" : "ipv6")] = {
            {"disposition", name_of(each.disposition)}, {"discarded", count_at(place++)}};
    }
    json tests = json::array();
    for (const SavedTest& each : policies.set.tests) {
        tests.push_back(each.name);
    }
    return write({{"version", kVersion},
                  {"set", which},
                  {"enforced", policies.enabled},
                  {"default", kOtherwiseNames.at(static_cast<std::size_t>(policies.set.otherwise))},
                  {"otherwise", std::move(otherwise)},
                  {"returns_at", or_null(policies.returns_at)},
                  {"kernel_entries", holdings.policies.size()},
                  {"policies", std::move(list)},
                  {"tests", std::move(tests)}});
}

std::string answer_json(std::string_view which, const std::vector<AnswerPiece>& answer,
                        const std::vector<policy::Policy>& rules) {
    json pieces = json::array();
    for (const AnswerPiece& each : answer) {
        pieces.push_back(piece_of(each, rules));
    }
    return write({{"version", kVersion}, {"set", which}, {"pieces", std::move(pieces)}});
}

std::string change_json(const PolicyChange& change) {
    json warnings = json::array();
    for (const Diagnostic& each : change.warnings) {
        warnings.push_back({{"reason", each.reason}, {"sentence", to_string(each)}});
    }
    return write({{"version", kVersion},
                  {"policies", change.policies},
                  {"enforced", change.enforced},
                  {"added", change.added},
                  {"removed", change.removed},
                  {"changed", change.changed},
                  {"kernel", differences_of(change.kernel)},
                  {"warnings", std::move(warnings)},
                  {"returns_at", or_null(change.returns_at)}});
}

std::string verification_json(const Differences& differences, bool enforced) {
    json document = differences_of(differences);
    document["version"] = kVersion;
    document["holds"] = differences.none();
    document["enforced"] = enforced;
    return write(document);
}

std::string keys_json(const std::vector<NamedKeys::Listed>& keys) {
    json list = json::array();
    for (const NamedKeys::Listed& each : keys) {
        const bool good = each.wrong.reason.empty();
        list.push_back({{"name", each.name},
                        {"place", each.place == NamedKeys::Place::file ? "file" : "credential"},
                        {"kind", good ? json(name_of(each.kind)) : json(nullptr)},
                        {"fingerprint", good ? json(each.fingerprint) : json(nullptr)},
                        {"problem", good ? json(nullptr) : json(each.wrong.sentence)}});
    }
    return write({{"version", kVersion}, {"keys", std::move(list)}});
}

std::string files_json(const std::vector<std::string>& files) {
    return write({{"version", kVersion}, {"files", files}});
}

std::string enforced_json(bool enforced) {
    return write({{"version", kVersion}, {"enforced", enforced}});
}

}  // namespace keysluice::control
