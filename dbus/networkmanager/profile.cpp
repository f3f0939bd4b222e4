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

namespace keysluice::networkmanager {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kLongestKey = 256;
/// Of the UUID, for the name of an interface: eight hexadecimal digits.
constexpr std::size_t kOwnInterface = 8;
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

/// How the value of a key is written in TOML. `file` and `files` name what keysluiced opens.
enum class Form : std::uint8_t { text, list, file, files, key_file };
enum class Table : std::uint8_t { connection, child };

struct Key {
    std::string_view data;  ///< in vpn.data
    std::string_view toml;
    Form form;
    Table table;
};

constexpr std::array kKeys = std::to_array<Key>({
    {"gateway", "remote", Form::text, Table::connection},
    {"local", "local", Form::text, Table::connection},
    {"local-id", "local_id", Form::text, Table::connection},
    {"remote-id", "remote_id", Form::text, Table::connection},
    {"method", "auth", Form::text, Table::connection},
    {"remote-method", "remote_auth", Form::text, Table::connection},
    {"user", "eap_identity", Form::text, Table::connection},
    {"certificate", "certificate", Form::file, Table::connection},
    {"private-key", "private_key", Form::key_file, Table::connection},
    {"ca", "ca", Form::file, Table::connection},
    {"crl", "crl", Form::files, Table::connection},
    {"proposals", "proposals", Form::list, Table::connection},
    {"allow-weak", "allow_weak", Form::list, Table::connection},
    {"rekey-time", "rekey_time", Form::text, Table::connection},
    {"liveness", "liveness", Form::text, Table::connection},
    {"virtual-addresses", "virtual_addresses", Form::list, Table::connection},
    {"interface", "interface", Form::text, Table::connection},
    {"mode", "mode", Form::text, Table::child},
    {"local-ts", "local_ts", Form::list, Table::child},
    {"remote-ts", "remote_ts", Form::list, Table::child},
    {"esp", "esp", Form::list, Table::child},
    {"esp-rekey-time", "rekey_time", Form::text, Table::child},
    {"offload", "offload", Form::text, Table::child},
});

std::unexpected<Error> bad(std::string sentence) {
    return fail("bad-vpn-data", std::move(sentence));
}

std::string_view value_of(const Request& request, std::string_view key, std::string_view otherwise) {
    const auto found = request.data.find(std::string(key));
    return found == request.data.end() ? otherwise : found->second;
}

bool takes_psk(const Request& request) {
    const std::string_view method = value_of(request, "method", "psk");
    return method == "psk" || value_of(request, "remote-method", method) == "psk";
}

bool takes_password(const Request& request) {
    return value_of(request, "method", "psk").starts_with("eap-");
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
    std::ranges::transform(kKeys, std::back_inserter(known), &Key::data);
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

/// No path of a private connection may reach keysluiced: it would open the file with rights that its owner may not
/// have (as in CVE-2025-9615).
Result<void> check_files(const Request& request) {
    for (const Key& key : kKeys) {
        const bool names_files = key.form == Form::file || key.form == Form::files || key.form == Form::key_file;
        if (request.is_private && names_files && request.data.contains(std::string(key.data))) {
            return fail("vpn-files-private",
                        fmt::format("vpn.data: {} names a file, and {} is private (connection.permissions): "
                                    "keysluiced would open the file with its own rights; expected a connection for "
                                    "all users, or method=psk without files",
                                    key.data, in_quotes(request.id)));
        }
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

void append_list(std::string& into, std::string_view text) {
    static constexpr std::string_view kBetween = " ,;\t\n"sv;
    into += '[';
    for (bool first = true; !text.empty(); first = false) {
        text.remove_prefix(std::min(text.find_first_not_of(kBetween), text.size()));
        const std::size_t size = std::min(text.find_first_of(kBetween), text.size());
        if (size > 0) {
            into += first ? "" : ", ";
            append_json_text(into, text.substr(0, size));
        }
        text.remove_prefix(size);
    }
    into += ']';
}

void append_value(std::string& into, const Key& key, std::string_view value) {
    switch (key.form) {
        case Form::text:
        case Form::file:
            append_json_text(into, value);
            break;
        case Form::list:
        case Form::files:
            append_list(into, value);
            break;
        case Form::key_file:
            append_json_text(into, fmt::format("file:{}", value));
            break;
    }
}

void append_table(std::string& into, const Request& request, Table table) {
    for (const Key& key : kKeys) {
        const auto found = request.data.find(std::string(key.data));
        if (key.table == table && found != request.data.end()) {
            into += fmt::format("{} = ", key.toml);
            append_value(into, key, found->second);
            into += '\n';
        }
    }
}

}  // namespace

bool lacks_secrets(const Request& request) {
    return std::ranges::any_of(kSecrets, [&](const SecretName& each) {
        return each.is_taken(request) && each.of(request).empty() && (flags_of(request, each) & kNotRequired) == 0;
    });
}

Result<Profile> read_profile(const Request& request) {
    for (const auto check : {check_keys, check_files, check_secrets}) {
        if (auto checked = check(request); !checked) {
            return pass_on(std::move(checked));
        }
    }
    Profile profile{.name = "nm-" + request.uuid,
                    .toml = "[[ike.connection]]\nname = ",
                    .takes_psk = takes_psk(request),
                    .takes_password = takes_password(request)};
    append_json_text(profile.toml, profile.name);
    profile.toml += "\nstart = \"on-traffic\"\n";
    append_table(profile.toml, request, Table::connection);
    if (!request.data.contains("remote-id")) {  // else anybody would do whom the authority has certified
        profile.toml += "remote_id = ";
        append_json_text(profile.toml, request.data.at("gateway"));
        profile.toml += '\n';
    }
    if (request.data.contains("virtual-addresses") && !request.data.contains("interface")) {
        profile.toml += fmt::format("interface = \"nm-{}\"\n", request.uuid.substr(0, kOwnInterface));
    }
    if (profile.takes_psk) {
        profile.toml += "psk = \"option:psk\"\n";
    }
    if (profile.takes_password) {
        profile.toml += "eap_password = \"option:eap_password\"\n";
    }
    profile.toml += "[[ike.connection.child]]\nname = \"vpn\"\n";
    append_table(profile.toml, request, Table::child);
    return profile;
}

std::chrono::seconds patience_for(const Request& request) {
    using std::chrono::seconds;
    constexpr seconds kOfNetworkManager(60);
    constexpr seconds kMargin(5);
    const seconds timeout = request.timeout == seconds(0) ? kOfNetworkManager : request.timeout;
    return std::max(timeout - kMargin, (timeout + seconds(1)) / 2);
}

}  // namespace keysluice::networkmanager
