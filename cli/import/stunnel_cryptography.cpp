#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "cli/import/stunnel_service.hpp"
#include "tls/cipher_policy.hpp"
#include "tls/group_policy.hpp"

namespace keysluice::importer {

void StunnelService::take_version(const StunnelOption& option) {
    const std::string version = lower(option.value);
    const std::string_view known = version == "tlsv1.2" ? "1.2" : version == "tlsv1.3" ? "1.3" : "";
    if (known.empty() && version != "all") {
        remark(option, "TLS begins with 1.2 here: clients and servers that know only older versions stay outside");
    }
    if (option.key != "sslversionmax" && !known.empty()) {
        least_ = known;
    }
    if (option.key != "sslversionmin" && !known.empty()) {
        most_ = known;
    }
}

void StunnelService::take_ssl_option(const StunnelOption& option) {
    static constexpr auto kKnown = std::to_array<Known>({
        {"", "no_sslv2|no_sslv3|no_tlsv1|no_tlsv1.1", Effect::harmless, "so it is anyway"},
        {"", "no_compression|no_renegotiation|single_ecdh_use|single_dh_use|all", Effect::harmless,
         "so it is anyway"},
        {"", "cipher_server_preference", Effect::harmless, "so it is anyway"},
        {"", "no_resumption_on_renegotiation|no_session_resumption_on_renegotiation", Effect::harmless,
         "there is no renegotiation"},
        {"", "", Effect::loss, "options of OpenSSL can't be set"},
    });
    const std::string name = lower(option.value);
    if (name == "no_tlsv1.2") {
        least_ = "1.3";
    } else if (name == "no_tlsv1.3") {
        most_ = "1.2";
    } else if (name == "no_ticket") {
        table_.set("session_lifetime", "0s");
    } else {
        const Known& known = judge(kKnown, "", name);
        remark(option, std::string(known.why), known.effect);
    }
}

void StunnelService::finish_versions() {
    if (!least_.empty()) {
        table_.set("min_version", least_);
    }
    if (!most_.empty()) {
        table_.set("max_version", most_);
    }
}

void StunnelService::take_ciphers(const StunnelOption& option) {
    const bool suites = option.key == "ciphersuites";
    std::vector<std::string> allowed;
    std::string refused;
    for (const std::string_view name : pieces(option.value, ':')) {
        if (tls::check_cipher(suites ? tls::Version::tls13 : tls::Version::tls12, name)) {
            allowed.emplace_back(name);
        } else {
            refused += fmt::format("{}{}", refused.empty() ? "" : ", ", name);
        }
    }
    if (!refused.empty()) {
        remark(option, fmt::format("names of sound cipher suites only{}, not {}",
                                   allowed.empty() ? "; keysluice's own choice holds" : "", refused));
    }
    if (!allowed.empty()) {
        table_.set(suites ? "ciphersuites" : "ciphers", allowed);
    }
}

void StunnelService::take_curves(const StunnelOption& option) {
    static const std::map<std::string, std::string, std::less<>> kNames{
        {"prime256v1", "P-256"}, {"secp256r1", "P-256"}, {"secp384r1", "P-384"},
        {"secp521r1", "P-521"},  {"x25519", "X25519"},   {"x448", "X448"}};
    std::vector<std::string> allowed;
    for (const std::string_view name : pieces(option.value, ':')) {
        const auto known = kNames.find(lower(name));
        std::string group = known == kNames.end() ? std::string(name) : known->second;
        if (tls::check_group(group)) {
            allowed.push_back(std::move(group));
        } else {
            remark(option, fmt::format("{} is no group that is there", name));
        }
    }
    if (!allowed.empty()) {
        table_.set("key_exchange_groups", allowed);
    }
}

}  // namespace keysluice::importer
