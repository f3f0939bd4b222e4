#include "daemon/control/policy_reader.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <netinet/in.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "daemon/control/policy_question.hpp"
#include "daemon/control/policy_terms.hpp"
#include "daemon/control/section.hpp"
#include "daemon/shared/quoted.hpp"
#include "daemon/shared/service.hpp"
#include "policy/priorities.hpp"

namespace keysluice::control {
namespace {

using policy::AddressRange;
using policy::Direction;
using policy::Disposition;
using policy::PortRange;

constexpr std::size_t kMostItems = 4096;  ///< of one list
constexpr std::size_t kMostTests = 4096;
constexpr std::string_view kSpiExpected = "a number from 256 to 4294967295, decimal or hexadecimal (0x…)";

using Groups = std::map<std::string, std::vector<AddressRange>, std::less<>>;

/// What a list or a single value says, as texts: numbers need no quotes.
std::vector<PlacedText> items_of(Section& section, std::string_view key) {
    const TomlValue* const value = section.value(key);
    if (value == nullptr) {
        return {};
    }
    const auto* const array = std::get_if<TomlArray>(&value->content);
    const std::span<const TomlValue> items = array == nullptr ? std::span(value, 1) : std::span(array->items);
    if (items.empty() || items.size() > kMostItems) {
        section.report(value->where, "out-of-range",
                       fmt::format("{} has {} items: expected 1 to {}", key, items.size(), kMostItems));
        return {};
    }
    std::vector<PlacedText> texts;
    for (const TomlValue& item : items) {
        if (const auto* const text = std::get_if<std::string>(&item.content)) {
            texts.push_back({*text, item.where});
        } else if (const auto* const number = std::get_if<std::int64_t>(&item.content)) {
            texts.push_back({std::to_string(*number), item.where});
        } else {
            section.report(item.where, "wrong-type",
                           fmt::format("{}: expected strings or integers, got {}", key, kind_of(item)));
        }
    }
    return texts;
}

/// The one item of a key, read; nothing where there is no such key or it is wrong.
template <typename Value>
std::optional<Value> one_of(Section& section, std::string_view key, std::string_view reason,
                            std::string_view expected, std::optional<Value> (*parse)(std::string_view)) {
    const auto items = items_of(section, key);
    if (items.empty()) {
        return std::nullopt;
    }
    auto value = items.size() == 1 ? parse(items.front().text) : std::nullopt;
    if (!value) {
        section.report(items.front().where, reason,
                       fmt::format("{} = {}: expected {}", key, in_quotes(items.front().text), expected));
    }
    return value;
}

std::vector<AddressRange> read_addresses(Section& section, std::string_view key, const Groups& groups) {
    std::vector<AddressRange> ranges;
    const auto items = items_of(section, key);
    for (const PlacedText& item : items) {
        const auto group = groups.find(item.text);
        if (group != groups.end()) {
            ranges.insert(ranges.end(), group->second.begin(), group->second.end());
        } else if (const auto range = parse_address_range(item.text)) {
            ranges.push_back(*range);
        } else if (item.text != "any" || items.size() > 1) {
            section.report(item.where, "bad-address",
                           fmt::format("{}: {} is no address, prefix, range (\"10.0.0.1-10.0.0.9\") or name of a "
                                       "[[host_group]]; \"any\" stands alone",
                                       key, in_quotes(item.text)));
        }
    }
    return ranges;
}

std::vector<PortRange> read_ports(Section& section, std::string_view key) {
    std::vector<PortRange> ranges;
    for (const PlacedText& item : items_of(section, key)) {
        if (const auto range = parse_port_range(item.text)) {
            ranges.push_back(*range);
        } else {
            section.report(item.where, "bad-port-range",
                           fmt::format("{}: {} is no port or range of ports, as in \"443\" or \"1024-65535\"", key,
                                       in_quotes(item.text)));
        }
    }
    return ranges;
}

/// Types and, behind a slash, codes: all types with all codes, or several codes of one type.
void read_icmp(Section& section, policy::Policy& rule) {
    constexpr std::uint16_t kMost = 255;
    std::vector<PortRange> types;
    std::vector<PortRange> codes;
    const auto items = items_of(section, "icmp");
    for (const PlacedText& item : items) {
        const std::size_t slash = item.text.find('/');
        const auto type = parse_port_range(std::string_view(item.text).substr(0, slash));
        const bool coded = slash != std::string::npos;
        const auto code = coded ? parse_port_range(std::string_view(item.text).substr(slash + 1)) : std::nullopt;
        if (!type || type->last > kMost || (coded && (!code || code->last > kMost))) {
            section.report(item.where, "bad-icmp",
                           fmt::format("icmp: {} is no type or type/code, as in \"128\", \"3/4\" or \"133-137\"",
                                       in_quotes(item.text)));
            return;
        }
        types.push_back(*type);
        if (code) {
            codes.push_back(*code);
        }
    }
    const bool same_type = std::ranges::all_of(types, [&](const PortRange& each) { return each == types.front(); });
    if (!codes.empty() && (codes.size() != types.size() || !same_type)) {
        section.report(section.position("icmp"), "icmp-not-one-type",
                       "icmp: codes of several types at once can't be one policy: write one for each type");
        return;
    }
    if (!codes.empty()) {
        types.resize(1);
    }
    rule.local_ports = std::move(types);
    rule.remote_ports = std::move(codes);
}

/// The selectors of a [[policy]], seen from this host.
void read_selectors(Section& section, const Groups& groups, policy::Policy& rule) {
    rule.local = read_addresses(section, "local", groups);
    rule.remote = read_addresses(section, "remote", groups);
    rule.protocol = one_of<std::uint8_t>(section, "protocol", "bad-protocol", kExpectedProtocol, parse_protocol);
    const bool ports = rule.protocol && policy::has_ports(*rule.protocol);
    const bool icmp = rule.protocol && policy::is_icmp(*rule.protocol);
    if (icmp) {
        read_icmp(section, rule);
    } else if (ports) {
        rule.local_ports = read_ports(section, "local_ports");
        rule.remote_ports = read_ports(section, "remote_ports");
    }
    for (const std::string_view key : {"local_ports", "remote_ports", "icmp"}) {
        const bool fits = key == "icmp" ? icmp : ports;
        if (section.has(key) && !fits) {
            static_cast<void>(section.value(key));
            section.report(
                section.position(key), "protocol-without-ports",
                fmt::format("{} needs a protocol {}", key,
                            key == "icmp" ? "icmp or ipv6-icmp" : "with ports: tcp, udp, sctp, dccp or udplite"));
        }
    }
}

/// The keys of a section that name a key.
struct KeyOfName {
    std::string_view any;
    std::string_view in;
    std::string_view out;
};

/// By direction where it is said so.
std::optional<PlacedText> key_name(Section& section, const KeyOfName& keys, Direction direction) {
    const TomlValue* const any = section.value(keys.any);
    const TomlValue* const in = section.value(keys.in);
    const TomlValue* const out = section.value(keys.out);
    const TomlValue* const sided = direction == Direction::in ? in : out;
    const TomlValue* const found = sided == nullptr ? any : sided;
    if (found == nullptr) {
        return std::nullopt;
    }
    const auto* const text = std::get_if<std::string>(&found->content);
    if (text != nullptr && is_service_name(*text)) {
        return PlacedText{*text, found->where};
    }
    section.report(found->where, "bad-name",
                   fmt::format("{}: expected the name of a key: letters, digits, \"_\", \".\" or \"-\"", keys.any));
    return std::nullopt;
}

template <typename Algorithm>
std::optional<Keyed<Algorithm>> read_keyed(Section& section, std::string_view key, const KeyOfName& key_of_name,
                                           std::span<const std::string_view> names, Direction direction) {
    if (!section.has(key)) {
        return std::nullopt;
    }
    Keyed<Algorithm> keyed{.algorithm = {}, .key = {}, .where = section.position(key)};
    section.choice(key, names, keyed.algorithm);
    if (auto name = key_name(section, key_of_name, direction)) {
        keyed.key = std::move(name->text);
        keyed.where = std::move(name->where);
    } else {
        section.report(section.position(key), "key-missing",
                       fmt::format("{} needs {}: the name of the key", key, key_of_name.any));
    }
    return keyed;
}

/// Which algorithms go with AH and ESP.
void check_algorithms(Section& section, xfrm::Protocol protocol, const ManualSa& sa) {
    const Position where = section.position("ipsec");
    const auto* const confidentiality = sa.confidentiality ? &*sa.confidentiality : nullptr;
    if (protocol == xfrm::Protocol::ah && (!sa.integrity || confidentiality != nullptr)) {
        section.report(where, "bad-algorithms", "AH needs integrity, and has no confidentiality");
    } else if (!sa.integrity && confidentiality == nullptr) {
        section.report(where, "bad-algorithms", "ESP needs confidentiality, integrity, or both");
    } else if (sa.integrity && confidentiality != nullptr && confidentiality->algorithm == Confidentiality::aes_gcm) {
        section.report(where, "bad-algorithms", "aes-gcm has its own integrity: leave out the other");
    }
}

/// Other keys for the same algorithms, with an SPI of their own.
std::optional<ManualKeys> read_also(Section& section, const ManualSa& sa, Direction direction) {
    const auto spi = one_of<xfrm::Spi>(section, "also_spi", "bad-spi", kSpiExpected, parse_spi);
    ManualKeys also{
        .spi = spi.value_or(xfrm::Spi{}), .integrity = sa.integrity, .confidentiality = sa.confidentiality};
    const auto rename = [&](std::string_view key, auto& keyed) {
        const auto name = key_name(section, {key, key, key}, direction);
        if (name && keyed) {
            keyed->key = name->text;
            keyed->where = name->where;
        } else if (name) {
            section.report(name->where, "bad-algorithms", fmt::format("{} needs the algorithm of the policy", key));
        }
    };
    rename("also_integrity_key", also.integrity);
    rename("also_confidentiality_key", also.confidentiality);
    return spi && direction == Direction::in ? std::optional(std::move(also)) : std::nullopt;
}

ManualSa read_manual(Section& section, Direction direction, bool both, xfrm::Protocol protocol) {
    const std::string_view key = !both ? "spi" : direction == Direction::in ? "spi_in" : "spi_out";
    ManualSa sa;
    section.require(key, "disposition = \"protect\" with manual keys");
    sa.spi = one_of<xfrm::Spi>(section, key, "bad-spi", kSpiExpected, parse_spi).value_or(xfrm::Spi{});
    sa.integrity = read_keyed<Integrity>(
        section, "integrity", {"integrity_key", "integrity_key_in", "integrity_key_out"}, kIntegrityNames, direction);
    sa.confidentiality = read_keyed<Confidentiality>(
        section, "confidentiality", {"confidentiality_key", "confidentiality_key_in", "confidentiality_key_out"},
        kConfidentialityNames, direction);
    check_algorithms(section, protocol, sa);
    sa.also = read_also(section, sa, direction);
    return sa;
}

/// RFC 4301 section 4.4.1.2: a tunnel's outer addresses are part of the policy.
void read_tunnel(Section& section, policy::Protection& protection) {
    static constexpr std::array<std::string_view, 2> kModes{"transport", "tunnel"};
    section.choice("mode", kModes, protection.mode);
    for (const auto& [key, into] : {std::pair("tunnel_local", &protection.tunnel_local),
                                    std::pair("tunnel_remote", &protection.tunnel_remote)}) {
        if (protection.mode == xfrm::Mode::transport) {
            if (section.has(key)) {
                static_cast<void>(section.value(key));
                section.report(section.position(key), "mode-without-tunnel",
                               fmt::format("{} needs mode = \"tunnel\"", key));
            }
            continue;
        }
        section.require(key, "mode = \"tunnel\"");
        *into = one_of<IpAddress>(section, key, "bad-address", "an address", IpAddress::parse).value_or(IpAddress{});
    }
    if (protection.tunnel_local.family() != protection.tunnel_remote.family()) {
        section.report(section.position("tunnel_remote"), "bad-address",
                       "tunnel_local and tunnel_remote are of two families");
    }
}

/// Reads the tables of all documents.
class Reader {
   public:
    explicit Reader(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

    void read_groups(const TomlTable& table, const Position& where);
    void read_rest(const TomlTable& table, const Position& where);

    PolicySet take() { return std::move(set_); }

   private:
    void read_settings(Section& file);
    void read_policy(const PlacedTable& placed);
    void read_protection(Section& section, ListedPolicy& listed, bool both);
    void read_test(const PlacedTable& placed);
    void refuse_repetition(Section& section, std::set<std::string>& names, const std::string& name);

    Diagnostics& diagnostics_;
    PolicySet set_;
    Groups groups_;
    std::set<std::string> policy_names_;
    std::set<std::string> test_names_;
};

void Reader::refuse_repetition(Section& section, std::set<std::string>& names, const std::string& name) {
    if (!name.empty() && !names.insert(name).second) {
        section.report(section.position("name"), "duplicate-name",
                       fmt::format("name = {} stands there already", in_quotes(name)));
    }
}

void Reader::read_groups(const TomlTable& table, const Position& where) {
    Section file(table, where, "the file", diagnostics_);
    for (const PlacedTable& placed : file.tables("host_group", "host_group")) {
        Section section(*placed.table, placed.where, "[[host_group]]", diagnostics_);
        std::string name;
        section.name(name);
        section.require("addresses", "a host group");
        const auto addresses = read_addresses(section, "addresses", {});
        section.refuse_the_rest();
        if (name == "any" || parse_address_range(name) || !groups_.try_emplace(name, addresses).second) {
            section.report(section.position("name"), "duplicate-name",
                           fmt::format("name = {} means something else already", in_quotes(name)));
        }
        set_.group_tables.push_back(*placed.table);
    }
}

void Reader::read_rest(const TomlTable& table, const Position& where) {
    Section file(table, where, "the file", diagnostics_);
    read_settings(file);
    for (const PlacedTable& placed : file.tables("policy", "policy")) {
        read_policy(placed);
    }
    for (const PlacedTable& placed : file.tables("policy_test", "policy_test")) {
        read_test(placed);
    }
}

void Reader::read_settings(Section& file) {
    static constexpr std::array<std::string_view, 2> kLockouts{"refused", "accepted"};
    const TomlValue* const value = file.value("policies");
    const auto* const table = value == nullptr ? nullptr : std::get_if<TomlTable>(&value->content);
    if (table == nullptr) {
        if (value != nullptr) {
            file.report(value->where, "wrong-type",
                        fmt::format("policies: expected a table, got {}", kind_of(*value)));
        }
        return;
    }
    Section section(*table, value->where, "[policies]", diagnostics_);
    if (!set_.settings.entries.empty()) {
        section.report(value->where, "duplicate-key", "[policies] stands in another file, too: it may be there once");
    }
    section.choice("default", kOtherwiseNames, set_.otherwise);
    section.choice("lockout", kLockouts, set_.lockout_accepted);
    section.refuse_the_rest();
    set_.settings = *table;
}

void Reader::read_protection(Section& section, ListedPolicy& listed, bool both) {
    static constexpr std::array<std::string_view, 2> kProtocols{"esp", "ah"};
    if (section.has("connection")) {
        NegotiatedSa negotiated;
        for (const auto& [key, into] :
             {std::pair("connection", &negotiated.connection), std::pair("child", &negotiated.child)}) {
            section.require(key, "protection by IKE");
            if (const std::string* const text = section.text(key, "a name")) {
                *into = *text;
            }
        }
        listed.by = std::move(negotiated);
        return;
    }
    policy::Protection& protection = listed.rule.protection;
    section.require("ipsec", "disposition = \"protect\" (or connection and child)");
    section.choice("ipsec", kProtocols, protection.protocol);
    read_tunnel(section, protection);
    listed.by = read_manual(section, listed.rule.direction, both, protection.protocol);
}

void Reader::read_policy(const PlacedTable& placed) {
    enum class Sides : std::uint8_t { in, out, both };
    Section section(*placed.table, placed.where, "[[policy]]", diagnostics_);
    const std::size_t table = set_.policy_tables.size();
    set_.policy_tables.push_back(*placed.table);
    policy::Policy rule;
    section.name(rule.name);
    refuse_repetition(section, policy_names_, rule.name);
    Sides sides = Sides::both;
    section.require("direction", "a policy");
    section.choice("direction", kPolicyDirectionNames, sides);
    section.require("disposition", "a policy");
    section.choice("disposition", kDispositionNames, rule.disposition);
    read_selectors(section, groups_, rule);
    for (const Direction direction : {Direction::in, Direction::out}) {
        const bool wanted = sides == Sides::both || (sides == Sides::in) == (direction == Direction::in);
        if (wanted) {
            ListedPolicy listed{.rule = rule, .by = {}, .table = table, .where = placed.where};
            listed.rule.direction = direction;
            if (rule.disposition == Disposition::protect) {
                read_protection(section, listed, sides == Sides::both);
            }
            set_.policies.push_back(std::move(listed));
        }
    }
    section.refuse_the_rest();
    if (set_.policies.size() > policy::kMostPolicies) {
        section.report(placed.where, "too-many-policies",
                       fmt::format("there are more than {} policies", policy::kMostPolicies));
    }
}

void Reader::read_test(const PlacedTable& placed) {
    Section section(*placed.table, placed.where, "[[policy_test]]", diagnostics_);
    SavedTest test{.name = {}, .question = {}, .expected = {}, .where = placed.where};
    section.name(test.name);
    refuse_repetition(section, test_names_, test.name);
    QuestionTexts texts;
    for (const std::string_view key : kQuestionKeys) {
        for (const PlacedText& item : items_of(section, key)) {
            texts.insert_or_assign(std::string(key), item.text);
        }
    }
    if (auto question = read_question(texts)) {
        test.question = *std::move(question);
    } else {
        section.report(placed.where, question.error().reason, question.error().sentence);
    }
    section.require("expect", "a test");
    for (const PlacedText& item : section.one_or_more("expect", kMostItems, "protect PROTECTFTPIN")) {
        const std::size_t space = item.text.find(' ');
        const auto disposition = std::ranges::find(kDispositionNames, std::string_view(item.text).substr(0, space));
        if (disposition == kDispositionNames.end()) {
            section.report(
                item.where, "not-a-choice",
                fmt::format("expect: {} does not begin with bypass, discard or protect", in_quotes(item.text)));
            continue;
        }
        test.expected.push_back({.disposition = static_cast<Disposition>(disposition - kDispositionNames.begin()),
                                 .first = space == std::string::npos ? std::string() : item.text.substr(space + 1)});
    }
    section.refuse_the_rest();
    if (set_.tests.size() == kMostTests) {
        section.report(placed.where, "too-many-policies", fmt::format("there are more than {} tests", kMostTests));
        return;
    }
    set_.tests.push_back(std::move(test));
    set_.test_tables.push_back(*placed.table);
}

}  // namespace

std::vector<policy::Policy> PolicySet::rules() const {
    std::vector<policy::Policy> rules(policies.size());
    std::ranges::transform(policies, rules.begin(), &ListedPolicy::rule);
    for (policy::Policy& each : policy::policies_for(otherwise)) {
        rules.push_back(std::move(each));
    }
    return rules;
}

std::expected<PolicySet, Diagnostics> read_policies(std::span<const PolicyDocument> documents) {
    Diagnostics diagnostics;
    Reader reader(diagnostics);
    for (const PolicyDocument& each : documents) {
        reader.read_groups(each.table, {each.file, 1, 1});
    }
    for (const PolicyDocument& each : documents) {
        reader.read_rest(each.table, {each.file, 1, 1});
    }
    if (!diagnostics.empty()) {
        // Of a policy for both directions, each is read.
        const auto order = [](const Diagnostic& each) { return std::tie(each.where, each.sentence); };
        std::ranges::sort(diagnostics, {}, order);
        const auto repeated = std::ranges::unique(diagnostics, {}, order);
        diagnostics.erase(repeated.begin(), repeated.end());
        return std::unexpected(std::move(diagnostics));
    }
    return reader.take();
}

}  // namespace keysluice::control
