#include "dbus/networkmanager/profile.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <string_view>

#include "base/json_text.hpp"
#include "base/suggestion.hpp"
#include "daemon/shared/quoted.hpp"
#include "dbus/networkmanager/keys.hpp"

namespace keysluice::networkmanager {
namespace {

constexpr std::size_t kLongestKey = 256;
/// Of a connection in a file.
constexpr std::size_t kLongestName = 64;
/// NMSettingSecretFlags.
constexpr unsigned kNotRequired = 4;

/// One of vpn.secrets.
struct SecretName {
    std::string_view name;
    std::string_view flags;  ///< in vpn.data
    std::string_view what;   ///< "… authenticates by"
    bool (*is_taken)(const Request& request);
    const GivenSecret& (*of)(const Request& request);
};

std::unexpected<Error> bad(std::string sentence) {
    return fail("bad-vpn-data", std::move(sentence));
}

std::string_view value_of(const Request& request, std::string_view key, std::string_view otherwise) {
    const auto found = request.data.find(std::string(key));
    return found == request.data.end() ? otherwise : found->second;
}

bool is_name_character(char each) {
    constexpr std::string_view kOthers = "_.-";
    return (each >= 'a' && each <= 'z') || (each >= 'A' && each <= 'Z') || (each >= '0' && each <= '9') ||
           kOthers.contains(each);
}

bool takes_psk(const Request& request) {
    const std::string_view method = value_of(request, "method", "psk");
    return method == "psk" || value_of(request, "remote-method", method) == "psk";
}

bool takes_password(const Request& request) {
    return value_of(request, "method", "psk") == "eap-mschapv2";
}

constexpr std::array kSecrets = std::to_array<SecretName>({
    {"psk", "psk-flags", "a pre-shared key", takes_psk,
     [](const Request& request) -> const GivenSecret& { return request.secrets.psk; }},
    {"password", "password-flags", "a password", takes_password,
     [](const Request& request) -> const GivenSecret& { return request.secrets.password; }},
});

unsigned flags_of(const Request& request, const SecretName& secret) {
    const std::string_view text = value_of(request, secret.flags, "0");
    unsigned flags = 0;
    std::from_chars(text.data(), text.data() + text.size(), flags);
    return flags;
}

Result<void> check_keys(const Request& request) {
    std::vector<std::string_view> known;
    std::ranges::transform(kSecrets, std::back_inserter(known), &SecretName::flags);
    std::ranges::transform(keys(), std::back_inserter(known), &Key::data);
    for (const auto& [key, value] : request.data) {
        if (std::ranges::find(known, key) == known.end()) {
            return bad(fmt::format("vpn.data: there is no key {}: expected {}{}", in_quotes(key), alternatives(known),
                                   did_you_mean(key, known)));
        }
    }
    for (const std::string& secret : request.other_secrets) {
        return bad(fmt::format("vpn.secrets: there is no {}: expected psk or password", in_quotes(secret)));
    }
    if (!request.data.contains("gateway")) {
        return bad("vpn.data: gateway is missing: expected the address or the host name of the peer");
    }
    return {};
}

Result<void> check_secrets(const Request& request) {
    for (const SecretName& each : kSecrets) {
        const GivenSecret& secret = each.of(request);
        if (secret.size() > kLongestKey) {
            return bad(fmt::format("vpn.secrets: {} has more than {} bytes", each.name, kLongestKey));
        }
        if (each.is_taken(request) && secret.empty()) {
            return fail("vpn-secret-missing",
                        fmt::format("{} authenticates by {}, and NetworkManager has none: expected vpn.secrets with "
                                    "{}, or an agent that knows it",
                                    in_quotes(request.id), each.what, each.name));
        }
    }
    return {};
}

/// One identity is that of the only gateway; of several, who they are has to be said.
Result<void> check_gateways(const Request& request) {
    if (gateways_of(request) > 1 && !request.data.contains("remote-id")) {
        return bad("vpn.data: remote-id is missing: expected the identity that matches all of the gateways");
    }
    return {};
}

/// What stands in TOML for a secret that is needed.
struct SecretPlaces {
    std::string psk;
    std::string password;
};

void append_line(std::string& into, std::string_view key, std::string_view text) {
    into += fmt::format("{} = ", key);
    append_json_text(into, text);
    into += '\n';
}

std::string toml_of(const Request& request, std::string_view name, const SecretPlaces& places) {
    std::string toml = "[[ike.connection]]\n";
    append_line(toml, "name", name);
    append_line(toml, "start", "on-traffic");
    append_table(toml, request.data, Table::connection);
    if (!request.data.contains("remote-id")) {  // else anybody would do whom the authority has certified
        append_line(toml, "remote_id", request.data.at("gateway"));
    }
    if (request.data.contains("virtual-addresses") && !request.data.contains("interface")) {
        append_line(toml, "interface", fmt::format("nm-{}", request.uuid.substr(0, kOwnInterface)));
    }
    if (takes_psk(request)) {
        append_line(toml, "psk", places.psk);
    }
    if (takes_password(request)) {
        append_line(toml, "eap_password", places.password);
    }
    toml += "[[ike.connection.child]]\n";
    append_line(toml, "name", "vpn");
    append_table(toml, request.data, Table::child);
    return toml;
}

/// A name that keysluice takes, as near to `id` as may be.
std::string name_for(std::string_view id) {
    std::string name(id.substr(0, kLongestName));
    std::ranges::replace_if(name, [](char each) { return !is_name_character(each); }, '-');
    return name.empty() ? "vpn" : name;
}

}  // namespace

bool lacks_secrets(const Request& request) {
    return std::ranges::any_of(kSecrets, [&](const SecretName& each) {
        return each.is_taken(request) && each.of(request).empty() && (flags_of(request, each) & kNotRequired) == 0;
    });
}

Result<Profile> read_profile(const Request& request) {
    for (const auto check : {check_keys, check_gateways, check_secrets}) {
        if (auto checked = check(request); !checked) {
            return pass_on(std::move(checked));
        }
    }
    Profile profile{.name = "nm-" + request.uuid,
                    .toml = {},
                    .takes_psk = takes_psk(request),
                    .takes_password = takes_password(request)};
    profile.toml = toml_of(request, profile.name, {.psk = "option:psk", .password = "option:eap_password"});
    return profile;
}

Result<std::string> export_profile(const Request& request) {
    for (const auto check : {check_keys, check_gateways}) {
        if (auto checked = check(request); !checked) {
            return pass_on(std::move(checked));
        }
    }
    const std::string name = name_for(request.id);
    const SecretPlaces places{.psk = fmt::format("file:/etc/keysluice/{}.psk", name),
                              .password = fmt::format("file:/etc/keysluice/{}.password", name)};
    std::string text = "# A connection of NetworkManager's, for conf.d of keysluice.toml(5).";
    if (takes_psk(request) || takes_password(request)) {
        text += " Its secret is not here: put it\n# into the file that is named.";
    }
    return text + "\n" + toml_of(request, name, places);
}

std::size_t gateways_of(const Request& request) {
    return items_of(value_of(request, "gateway", {})).size();
}

std::chrono::seconds patience_for(const Request& request) {
    using std::chrono::seconds;
    constexpr seconds kOfNetworkManager(60);
    constexpr seconds kMargin(5);
    const seconds timeout = request.timeout == seconds(0) ? kOfNetworkManager : request.timeout;
    return std::max(timeout - kMargin, (timeout + seconds(1)) / 2);
}

}  // namespace keysluice::networkmanager
