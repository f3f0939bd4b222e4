#include "daemon/control/ike_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "base/suggestion.hpp"
#include "daemon/control/eap_reader.hpp"
#include "daemon/control/gateways_reader.hpp"
#include "daemon/control/interface_reader.hpp"
#include "daemon/control/pool_reader.hpp"
#include "daemon/shared/quoted.hpp"
#include "daemon/shared/service.hpp"
#include "ike/proposal.hpp"
#include "ike/wire/message.hpp"
#include "ike/wire/transform.hpp"

namespace keysluice::control {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr DurationRange kRekeyRange{seconds(5), hours(24 * 7)};
constexpr DurationRange kReauthRange{seconds(0), hours(24 * 365)};
constexpr DurationRange kLivenessRange{seconds(0), hours(24)};
constexpr DurationRange kLivenessIdleRange{seconds(1), hours(24 * 10)};
constexpr int kIdleFactor = 10;  // where nothing passes, the peer is asked so much more seldom
constexpr DurationRange kRetryRange{seconds(1), hours(24)};
constexpr std::array<std::string_view, 2> kRetryGrowthNames{"exponential", "linear"};
constexpr DurationRange kRetransmitRange{milliseconds(100), seconds(30)};
constexpr std::int64_t kMostTries = 10;
constexpr std::int64_t kMostHalfOpen = 1'000'000;
// Below these, an SA would be rekeyed all the time; above, the sum of its bytes is no limit to anything.
constexpr std::int64_t kFewestBytes = 1'000'000;
constexpr std::int64_t kFewestPackets = 1'000;
constexpr std::int64_t kMostCounted = 100'000'000'000'000;
constexpr std::int64_t kHighestPort = 65'535;

constexpr std::string_view kTitle = "[[ike.connection]]";
constexpr std::string_view kChildTitle = "[[ike.connection.child]]";
constexpr std::string_view kAny = "any";
constexpr SecretKey kPsk{.key = "psk", .example = "/etc/keysluice/hq.psk", .directory = true, .option = true};
constexpr SecretKey kPrivateKey{
    .key = "private_key", .example = "/etc/keysluice/gw1.key", .option = true, .engines = true};

void read_duration(Section& section, std::string_view key, DurationRange range, Duration& into) {
    auto value = std::chrono::duration_cast<milliseconds>(into);
    section.duration(key, range, value);
    into = value;
}

void read_reauth_time(Section& section, Duration& time) {
    read_duration(section, "reauth_time", kReauthRange, time);
    if (time > Duration::zero() && time < kRekeyRange.shortest) {
        section.report(section.position("reauth_time"), "out-of-range",
                       "reauth_time: expected 0s, which is never, or a duration from 5s on: an IKE SA has to stand "
                       "before another one comes in its place");
    }
}

void read_retry(Section& section, ike::RetryPauses& retry) {
    if (const std::string* const text = section.text("retry", "a string")) {
        const auto dots = text->find("..");
        const auto first = parse_duration(text->substr(0, dots));
        const auto most = dots == std::string::npos ? first : parse_duration(text->substr(dots + 2));
        if (!first || !most || *first < kRetryRange.shortest || *most > kRetryRange.longest || *first > *most) {
            section.report(section.position("retry"), "bad-retry",
                           fmt::format("retry: {}: expected the first pause and the longest, of 1s to 24h, such as "
                                       "\"5s..60s\", or one for all, such as \"10s\"",
                                       in_quotes(*text)));
        } else {
            retry.first = *first;
            retry.most = *most;
        }
    }
    section.choice("retry_growth", kRetryGrowthNames, retry.growth);
}

/// Reads what a layer below can read, whose failures know what is wrong.
template <typename Value, typename Parse>
void read_parsed(Section& section, std::string_view key, Parse parse, Value& into) {
    const std::string* const text = section.text(key, "a string");
    if (text == nullptr) {
        return;
    }
    if (auto value = parse(*text)) {
        into = *std::move(value);
    } else {
        section.report(section.position(key), value.error().reason,
                       fmt::format("{}: {}", key, escaped(value.error().sentence)));
    }
}

/// The same for each string of an array.
template <typename Value, typename Parse>
void read_each(Section& section, std::string_view key, std::string_view example, Parse parse,
               std::vector<Value>& into) {
    for (const PlacedText& item : section.texts(key, kMostIkeItems, example)) {
        if (auto value = parse(item.text)) {
            into.push_back(*std::move(value));
        } else {
            section.report(item.where, value.error().reason,
                           fmt::format("{}: {}", key, escaped(value.error().sentence)));
        }
    }
}

/// 0 is none.
void read_limit(Section& section, std::string_view key, std::int64_t least, std::uint64_t& into) {
    section.integer(key, 0, kMostCounted, into);
    if (into != 0 && into < static_cast<std::uint64_t>(least)) {
        section.report(section.position(key), "out-of-range",
                       fmt::format("{} = {}: expected 0 (no limit) or at least {}", key, into, least));
    }
}

// ---- children

/// A child's selectors must be able to meet: one family on both sides.
void check_families(Section& section, const ike::ChildRule& child) {
    const auto has = [](const ike::TrafficSelectors& selectors, Family family) {
        return selectors.empty() || std::ranges::any_of(selectors, [family](const ike::wire::TrafficSelector& each) {
                   return each.first.family() == family;
               });
    };
    const bool meet = (has(child.local, Family::ipv4) && has(child.remote, Family::ipv4)) ||
                      (has(child.local, Family::ipv6) && has(child.remote, Family::ipv6));
    if (!meet) {
        section.report(section.position("remote_ts"), "selector-families",
                       "local_ts and remote_ts have no address family in common, so no packet fits both");
    }
}

using Names = std::set<std::string>;

void read_child(const PlacedTable& table, const Names& allow_weak, IkeConnection& connection,
                Diagnostics& diagnostics) {
    Section section(*table.table, table.where, std::string(kChildTitle), diagnostics);
    ike::ChildRule child;
    section.name(child.name);
    section.choice("mode", kIkeModeNames, child.mode);
    read_each(section, "local_ts", "10.1.0.0/16", ike::parse_selector, child.local);
    read_each(section, "remote_ts", "10.2.0.0/16", ike::parse_selector, child.remote);
    read_each(
        section, "esp", "aes256gcm16-x25519",
        [&](std::string_view text) { return ike::parse_esp_proposal(text, allow_weak); }, child.proposals);
    if (!section.has("esp")) {
        child.proposals = ike::default_esp_proposals();
    }
    read_duration(section, "rekey_time", kRekeyRange, child.rekey_time);
    read_limit(section, "rekey_bytes", kFewestBytes, child.rekey_bytes);
    read_limit(section, "rekey_packets", kFewestPackets, child.rekey_packets);
    section.choice("offload", kEspOffloadNames, child.offload);
    section.require("name", "every child");
    check_families(section, child);
    section.refuse_the_rest();
    if (connection.rules->child(child.name) != nullptr && !child.name.empty()) {
        section.report(table.where, "duplicate-name",
                       fmt::format("this connection has a child with the name \"{}\" already", child.name));
    }
    connection.rules->children.push_back(std::move(child));
}

// ---- connections

void read_local(Section& section, std::optional<IpAddress>& into) {
    const std::string* const text = section.text("local", "a string with an address or \"any\"");
    if (text == nullptr || *text == kAny) {
        return;
    }
    into = IpAddress::parse(*text);
    if (!into || into->unspecified()) {
        section.report(section.position("local"), "bad-address",
                       fmt::format("local = {}: expected an IPv4 or IPv6 address of this machine, as in "
                                   "\"192.0.2.1\", or \"any\"",
                                   in_quotes(*text)));
    }
}

void read_identities(Section& section, IkeConnection& connection) {
    ike::Connection& rules = *connection.rules;
    connection.local_id = section.position("local_id");
    connection.own_id = section.has("local_id");
    if (!connection.own_id && rules.local) {
        rules.local_id = ike::parse_identity(rules.local->text()).value();
    }
    const bool by_name = !connection.own_id && ike::is_eap(rules.auth) && !rules.eap_rules.identity.empty();
    if (by_name) {
        read_parsed(section, "eap_identity", ike::parse_identity, rules.local_id);
    }
    read_parsed(section, "local_id", ike::parse_identity, rules.local_id);
    const bool by_certificate =
        !connection.own_id && !by_name && (rules.auth == ike::Auth::certificate || rules.auth == ike::Auth::eap_tls);
    connection.eap_by_subject = by_certificate && rules.auth == ike::Auth::eap_tls;
    if (ike::is_eap(rules.auth) && rules.eap_rules.identity.empty() && !by_certificate) {
        rules.eap_rules.identity = ike::wire::print(rules.local_id);
    }
    read_parsed(section, "remote_id", ike::IdentityPattern::parse, rules.remote_id);
    if (!connection.own_id && !rules.local && !by_name && !by_certificate) {
        section.report(connection.local_id, "key-missing",
                       fmt::format("this {} lacks the key local_id, which is the local address where there is one, "
                                   "and local = \"any\" is none",
                                   kTitle));
    }
}

/// What is not PEM has to be a path.
bool names_pem(Section& section, std::string_view key, const std::string& text, const Position& where) {
    const auto fault = is_pem(text) ? std::nullopt : path_fault(text);
    if (fault) {
        section.report(where, "bad-path", fmt::format("{} = {}: {}", key, in_quotes(text), *fault));
    }
    return !fault;
}

void read_pem(Section& section, std::string_view key, std::string& into, Position& where) {
    where = section.position(key);
    const std::string* const text = section.text(key, "a string with an absolute path, or with PEM");
    if (text != nullptr && names_pem(section, key, *text, where)) {
        into = *text;
    }
}

void read_crl(Section& section, IkeConnection& connection) {
    for (PlacedText& list : section.texts("crl", kMostIkeItems, "/etc/keysluice/ca.crl")) {
        if (names_pem(section, "crl", list.text, list.where)) {
            connection.crl.push_back(std::move(list.text));
            connection.crl_at.push_back(list.where);
        }
    }
}

void read_authentication(Section& section, std::string_view credentials, IkeConnection& connection) {
    ike::Connection& rules = *connection.rules;
    section.choice("auth", kIkeAuthNames, rules.auth);
    rules.remote_auth = ike::is_eap(rules.auth) ? ike::Auth::certificate : rules.auth;
    section.choice("remote_auth", kIkeAuthNames, rules.remote_auth);
    read_secret_reference(section, kPsk, credentials, connection.psk);
    read_pem(section, "certificate", connection.certificate, connection.certificate_at);
    read_secret_reference(section, kPrivateKey, credentials, connection.private_key);
    read_pem(section, "ca", connection.ca, connection.ca_at);
    read_crl(section, connection);
    const bool by_tls = ike::proves_by_tls(rules);
    const std::string_view tls_key =
        rules.auth == ike::Auth::eap_tls ? "auth = \"eap-tls\"" : "remote_auth = \"eap-tls\"";
    const bool ours = rules.auth == ike::Auth::certificate || by_tls;
    const bool theirs = rules.remote_auth == ike::Auth::certificate || by_tls;
    // What the connection has no use for may stand there, and its files are left alone.
    if (ours) {
        section.require("certificate", by_tls ? tls_key : "auth = \"certificate\"");
        section.require("private_key", by_tls ? tls_key : "auth = \"certificate\"");
    } else {
        connection.certificate.clear();
        connection.private_key = {};
    }
    if (theirs) {
        section.require("ca", by_tls ? tls_key : "remote_auth = \"certificate\"");
    } else {
        connection.ca.clear();
        connection.crl.clear();
        connection.crl_at.clear();
    }
    if (rules.auth == ike::Auth::shared_key || rules.remote_auth == ike::Auth::shared_key) {
        section.require("psk", ours ? "remote_auth = \"psk\"" : "auth = \"psk\"");
    } else {
        connection.psk = {};
    }
}

/// The keyword that all that is allowed by `name` goes by: "sha1" where `name` is "sha". Others, such as "prfsha1",
/// allow only themselves. Empty where it is not the name of a weak algorithm.
std::string_view weak_name(std::string_view name) {
    const ike::wire::Keyword* const keyword = ike::wire::find_keyword(name);
    if (keyword == nullptr || keyword->weakness.empty()) {
        return {};
    }
    const ike::wire::Keyword* const usual = ike::wire::find_keyword(keyword->weakness);
    return usual->type == keyword->type && usual->id == keyword->id ? usual->name : keyword->name;
}

/// The algorithms that are let through though they are weak.
Names read_allow_weak(Section& section) {
    Names names;
    for (const PlacedText& name : section.texts("allow_weak", kMostIkeItems, "3des")) {
        if (const std::string_view known = weak_name(name.text); !known.empty()) {
            names.emplace(known);
            continue;
        }
        const std::vector<std::string_view> weak = ike::weak_algorithms();
        section.report(name.where, "not-a-choice",
                       fmt::format("allow_weak: {} is no weak algorithm: expected {}{}", in_quotes(name.text),
                                   alternatives(weak), did_you_mean(name.text, weak)));
    }
    return names;
}

void read_start(Section& section, bool anyone, IkeStart& start) {
    section.choice("start", kIkeStartNames, start);
    if (start != IkeStart::manual && anyone) {
        section.report(section.position("start"), "no-peer",
                       fmt::format("start = \"{}\": with remote = \"any\" there is nobody to start with; expected "
                                   "\"manual\", or the peer's address in remote",
                                   kIkeStartNames.at(static_cast<std::size_t>(start))));
    }
}

void read_children(Section& section, const Names& allow_weak, IkeConnection& connection, Diagnostics& diagnostics) {
    const auto tables = section.tables("child", "ike.connection.child");
    for (const PlacedTable& table : tables) {
        read_child(table, allow_weak, connection, diagnostics);
    }
    if (!section.has("child")) {
        section.report(connection.section, "key-missing",
                       fmt::format("this {} has no {}: without one it protects nothing", kTitle, kChildTitle));
    }
}

}  // namespace

void read_ike_settings(Section& section, IkeSettings& settings) {
    section.integer("port", 1, kHighestPort, settings.port);
    section.integer("nat_port", 1, kHighestPort, settings.nat_port);
    section.integer("cookie_after", 0, kMostHalfOpen, settings.cookie_after);
    section.integer("half_open_per_address", 0, kMostHalfOpen, settings.half_open_per_address);
    section.integer("retransmit_tries", 1, kMostTries, settings.retransmit_tries);
    read_duration(section, "retransmit_timeout", kRetransmitRange, settings.retransmit_timeout);
    if (settings.port == settings.nat_port) {
        section.report(section.position("nat_port"), "out-of-range",
                       fmt::format("nat_port = {}: expected another port than port, since messages look different "
                                   "there",
                                   settings.nat_port));
    }
}

IkeConnection read_ike_connection(const TomlTable& table, const Position& where, std::string_view credentials,
                                  Diagnostics& diagnostics) {
    Section section(table, where, std::string(kTitle), diagnostics);
    IkeConnection connection;
    connection.section = where;
    ike::Connection& rules = *connection.rules;
    section.name(rules.name);
    section.require("name", "every connection");
    section.groups(connection.groups);
    read_local(section, rules.local);
    const bool anyone = read_gateways(section, connection);
    read_authentication(section, credentials, connection);
    read_start(section, anyone, connection.start);
    read_eap(section, credentials, connection);
    read_identities(section, connection);
    const Names allow_weak = read_allow_weak(section);
    rules.allow_sha1 = allow_weak.contains("sha1");
    read_each(
        section, "proposals", "aes256gcm16-prfsha384-x25519",
        [&](std::string_view text) { return ike::parse_ike_proposal(text, allow_weak); }, rules.proposals);
    if (!section.has("proposals")) {
        rules.proposals = ike::default_ike_proposals();
    }
    rules.keep_up = connection.start == IkeStart::on_load;
    read_duration(section, "rekey_time", kRekeyRange, rules.rekey_time);
    read_reauth_time(section, rules.reauth_time);
    read_duration(section, "liveness", kLivenessRange, rules.liveness);
    section.boolean("mobike", rules.mobike);
    rules.liveness_idle = kIdleFactor * rules.liveness;
    read_duration(section, "liveness_idle", kLivenessIdleRange, rules.liveness_idle);
    read_retry(section, rules.retry);
    read_children(section, allow_weak, connection, diagnostics);
    read_virtual_addresses(section, connection);
    read_interface(section, connection);
    section.refuse_the_rest();
    return connection;
}

}  // namespace keysluice::control
