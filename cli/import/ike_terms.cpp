#include "cli/import/ike_terms.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "ike/proposal.hpp"
#include "ike/traffic_selectors.hpp"
#include "ike/wire/transform.hpp"

namespace keysluice::importer {
namespace {

constexpr std::uint64_t kLeastRekey = 5;
constexpr std::uint64_t kMostRekey = std::uint64_t{7} * 24 * 3600;
constexpr std::uint64_t kMostReauth = 365UL * 24 * 3600;
constexpr std::size_t kLongestPsk = 256;

Result<void> check_proposal(const std::string& text, ProposalOf of, const std::set<std::string>& weak) {
    auto parsed = of == ProposalOf::ike ? ike::parse_ike_proposal(text, weak) : ike::parse_esp_proposal(text, weak);
    return parsed ? Result<void>() : pass_on(std::move(parsed));
}

std::set<std::string> weaknesses_of(std::string_view text) {
    std::set<std::string> weak;
    for (const std::string_view word : pieces(text, '-')) {
        if (const ike::wire::Keyword* keyword = ike::wire::find_keyword(word);
            keyword != nullptr && !keyword->weakness.empty()) {
            weak.emplace(keyword->weakness);
        }
    }
    return weak;
}

/// strongSwan and Libreswan take the hash beside an AEAD cipher for the PRF's; empty: that is not what is missing.
std::string with_prf(std::string_view text, const std::set<std::string>& weak) {
    std::string result;
    for (const std::string_view word : pieces(text, '-')) {
        const bool hash = word.starts_with("sha") || word == "md5";
        result += fmt::format("{}{}{}", result.empty() ? "" : "-", hash ? "prf" : "", word);
    }
    return check_proposal(result, ProposalOf::ike, weak) ? result : "";
}

int digit_of(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/// "0x…"; nothing where it is none.
bool decode_hexadecimal(std::string_view text, SecretBuffer& into) {
    bool high = true;
    for (const char c : text) {
        const int digit = digit_of(c);
        if (digit < 0) {
            return false;
        }
        if (high) {
            into.push_back(static_cast<std::uint8_t>(digit << 4));
        } else {
            into.back() = static_cast<std::uint8_t>(into.back() | digit);
        }
        high = !high;
    }
    return high;
}

/// RFC 4648 4: "0s…", with or without padding.
bool decode_base64(std::string_view text, SecretBuffer& into) {
    static constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    text = text.substr(0, text.find('='));
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const char c : text) {
        const auto value = kAlphabet.find(c);
        if (value == std::string_view::npos) {
            return false;
        }
        bits = (bits << 6U) | static_cast<std::uint32_t>(value);
        count += 6;
        if (count >= 8) {
            count -= 8;
            into.push_back(static_cast<std::uint8_t>(bits >> count));
        }
    }
    return true;
}

/// The key itself; empty: it is none.
SecretBuffer decode(const PreSharedKey& key) {
    SecretBuffer result;
    result.reserve(key.value.size() + 2);
    const std::string_view rest = key.value.substr(std::min<std::size_t>(2, key.value.size()));
    const bool hexadecimal = key.value.starts_with("0x") || key.value.starts_with("0X");
    if (hexadecimal || key.value.starts_with("0s")) {
        if (!(hexadecimal ? decode_hexadecimal(rest, result) : decode_base64(rest, result))) {
            result.clear();
        }
        return result;
    }
    for (std::size_t i = 0; i < key.value.size(); ++i) {
        const bool escape = key.escapes && key.value[i] == '\\' && i + 1 < key.value.size();
        i += escape ? 1 : 0;
        const char c = key.value[i];
        result.push_back(static_cast<std::uint8_t>(!escape    ? c
                                                   : c == 'n' ? '\n'
                                                   : c == 't' ? '\t'
                                                   : c == 'r' ? '\r'
                                                              : c));
    }
    return result;
}

}  // namespace

Proposals read_proposals(const std::vector<std::string>& texts, ProposalOf of) {
    Proposals result;
    for (const std::string& text : texts) {
        const std::set<std::string> weak = weaknesses_of(text);
        std::string good = text;
        const auto checked = check_proposal(text, of, weak);
        if (!checked) {
            good = of == ProposalOf::ike ? with_prf(text, weak) : "";
        }
        if (good.empty()) {
            result.refused.push_back(fmt::format("{}: {}", text, checked.error().sentence));
        } else {
            result.good.push_back(good);
            result.weak.merge(weaknesses_of(good));
        }
    }
    return result;
}

std::optional<std::uint64_t> seconds_of(std::string_view text) {
    static constexpr std::array<std::pair<char, std::uint64_t>, 4> kUnits{
        {{'s', 1}, {'m', 60}, {'h', 3'600}, {'d', 86'400}}};
    std::uint64_t factor = 1;
    for (const auto& [unit, seconds] : kUnits) {
        if (text.ends_with(unit)) {
            factor = seconds;
            text.remove_suffix(1);
            break;
        }
    }
    const auto value = all_digits(text) && text.size() < 10 ? number(text) : std::nullopt;
    return value ? std::optional(*value * factor) : std::nullopt;
}

std::optional<std::string> rekey_time_of(std::uint64_t seconds) {
    if (seconds < kLeastRekey || seconds > kMostRekey) {
        return {};
    }
    return fmt::format("{}s", seconds);
}

std::optional<std::string> reauth_time_of(std::uint64_t seconds) {
    if (seconds < kLeastRekey || seconds > kMostReauth) {
        return {};
    }
    return fmt::format("{}s", seconds);
}

std::string identity_of(std::string_view text) {
    static constexpr std::array<std::string_view, 8> kPrefixes{
        "fqdn:", "dns:", "email:", "userfqdn:", "ipv4:", "ipv6:", "asn1dn:", "rfc822:"};
    if (text.empty() || text == "*" || text.starts_with("%any")) {
        return "*";
    }
    for (const std::string_view prefix : kPrefixes) {
        if (text.starts_with(prefix)) {
            return std::string(text.substr(prefix.size()));
        }
    }
    // ipsec.conf(5): "@" keeps a name from being looked up, "@@" is in front of an e-mail address.
    text.remove_prefix(text.starts_with("@@") ? 2 : text.starts_with("@") && !text.starts_with("@#") ? 1 : 0);
    return std::string(text);
}

std::optional<std::string> selector_of(std::string_view addresses, std::string_view protocol, std::string_view port) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kNames{
        {{"1", "icmp"}, {"6", "tcp"}, {"17", "udp"}, {"58", "icmpv6"}}};
    const auto* const name = std::ranges::find(kNames, protocol, [](const auto& each) { return each.first; });
    protocol = name == kNames.end() ? protocol : name->second;
    std::string result(addresses);
    if (!protocol.empty() && protocol != "%any" && protocol != "0") {
        if (all_digits(protocol) && addresses.find('/') == std::string_view::npos) {
            result += addresses.find(':') == std::string_view::npos ? "/32" : "/128";
        }
        result += fmt::format("/{}", protocol);
        result += port.empty() || port == "%any" || port == "0" ? "" : fmt::format("/{}", port);
    }
    return ike::parse_selector(result) ? std::optional(result) : std::nullopt;
}

std::optional<std::string> selector_of(std::string_view text) {
    const std::string_view addresses = next_piece(text, '[');
    if (!text.empty() && !text.ends_with(']')) {
        return {};
    }
    text.remove_suffix(text.empty() ? 0 : 1);
    const std::string_view protocol = next_piece(text, '/');
    return selector_of(trim(addresses), protocol, text);
}

void set_ends(Table& table, const IkeEnds& ends) {
    const auto set = [&table](std::string_view key, const std::string& value) {
        if (!value.empty()) {
            table.set(key, value);
        }
    };
    table.set("local", ends.local);
    table.set("remote", ends.remote);
    set("local_id", ends.local_id);
    set("remote_id", ends.remote_id);
    const auto method = [](bool eap, bool certificate) {
        return eap ? "eap-mschapv2" : certificate ? "certificate" : "psk";
    };
    table.set("auth", method(ends.local_eap, ends.local_certificate));
    table.set("remote_auth", method(ends.remote_eap, ends.remote_certificate));
    if (ends.local_eap) {
        set("eap_identity", ends.eap_identity);
    }
    if (ends.local_certificate && !ends.local_eap) {
        set("certificate", ends.certificate);
        set("private_key", ends.private_key.empty() ? "" : "file:" + ends.private_key);
    }
    if (ends.remote_certificate && !ends.remote_eap) {
        set("ca", ends.ca);
    }
}

PreSharedKey* KeyRing::find(const IkeEnds& ends) {
    PreSharedKey* best = nullptr;
    int best_rank = -1;
    for (PreSharedKey& key : keys_) {
        const auto has = [&key](const std::string& id) {
            return !id.empty() && std::ranges::find(key.ids, id) != key.ids.end();
        };
        const bool remote = has(ends.remote_id) || has(ends.remote) || (ends.remote == "any" && has("*"));
        const bool local = has(ends.local_id) || has(ends.local);
        const bool one = key.ids.size() == 1 && local;
        if (!key.ids.empty() && !remote && !one) {
            continue;
        }
        const int rank = (remote ? 2 : 0) + (local ? 1 : 0);
        if (rank > best_rank) {
            best = &key;
            best_rank = rank;
        }
    }
    return best;
}

void KeyRing::set_psk(Table& table, const IkeEnds& ends, const std::string& name, const Remark& connection) {
    set_key(table, "psk", find(ends), name + ".psk", "pre-shared key", connection);
}

void KeyRing::set_passwords(Table& table, const IkeEnds& ends, const std::string& name, const Remark& connection) {
    if (ends.local_eap) {
        const auto found = std::ranges::find_if(passwords_, [&ends](const PreSharedKey& each) {
            return each.ids.empty() || std::ranges::find(each.ids, ends.eap_identity) != each.ids.end();
        });
        set_key(table, "eap_password", found == passwords_.end() ? nullptr : &*found, name + ".password", "password",
                connection);
        return;
    }
    const std::string folder = fmt::format("{}/{}.users", wishes_.keys.value_or("/etc/keysluice"), name);
    table.set("eap_password", "directory:" + folder);
    std::string users;
    for (PreSharedKey& each : passwords_) {
        each.used = true;
        for (const std::string& id : each.ids) {
            users += (users.empty() ? "" : ", ") + id;
        }
    }
    table.remark({connection.place, connection.text,
                  fmt::format("write each user's password to a file in {}, mode 0600, with the user's name{}{}",
                              folder, users.empty() ? "" : ": ", users),
                  Effect::loss});
}

void KeyRing::set_key(Table& table, std::string_view name, PreSharedKey* key, const std::string& file,
                      std::string_view what, const Remark& connection) {
    const std::string path = fmt::format("{}/{}", wishes_.keys.value_or("/etc/keysluice"), file);
    table.set(name, "file:" + path);
    if (key == nullptr) {
        return table.remark({connection.place, connection.text,
                             fmt::format("no {} was found for it: write it to {}, mode 0600", what, path),
                             Effect::loss});
    }
    key->used = true;
    const std::string said = "secret (not repeated)";
    if (!wishes_.keys) {
        return table.remark(
            {key->place, said, fmt::format("write it to {}, mode 0600, or import with --keys", path), Effect::loss});
    }
    SecretBuffer contents = decode(*key);
    if (contents.empty() || contents.size() > kLongestPsk) {
        return table.remark(
            {key->place, said, fmt::format("a {} has 1 to {} bytes", what, kLongestPsk), Effect::loss});
    }
    contents.push_back('\n');  // one of which is not part of the key
    draft_.add(KeyFile{file, std::move(contents)});
}

Table KeyRing::unused() const {
    Table comments;
    for (const auto* all : {&keys_, &passwords_}) {
        for (const PreSharedKey& key : *all) {
            if (!key.used) {
                comments.remark({key.place, "secret (not repeated)", "no connection has it", Effect::harmless});
            }
        }
    }
    return comments;
}

void add_connection(Draft& draft, ConnectionDraft connection) {
    std::string text = connection.connection.text();
    for (const Table& child : connection.children) {
        text += child.text();
    }
    if (connection.left_out.empty()) {
        connection.leave_out(fault_in(connection.beside + text));
    }
    if (connection.left_out.empty()) {
        draft.add(std::move(connection.connection));
        for (Table& child : connection.children) {
            draft.add(std::move(child));
        }
        return;
    }
    Table comments;
    bool first = true;
    for (Remark& line : connection.lines) {
        line.why = first ? fmt::format("this connection is left out: {}", connection.left_out)
                         : "left out with its connection";
        first = false;
        comments.remark(std::move(line));
    }
    draft.add(std::move(comments));
}

void set_start(Table& table, Start start) {
    static constexpr std::array<std::string_view, 3> kNames{"manual", "on-traffic", "on-load"};
    table.set("start", kNames.at(static_cast<std::size_t>(start)));
}

}  // namespace keysluice::importer
