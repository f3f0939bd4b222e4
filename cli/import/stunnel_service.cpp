#include "cli/import/stunnel_service.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "daemon/shared/endpoint.hpp"

namespace keysluice::importer {
namespace {

constexpr std::uint64_t kDay = std::uint64_t{24} * 3600;

bool stays_here(const std::string& endpoint) {
    const std::string host = host_of(endpoint);
    return endpoint.starts_with("unix:") || host.starts_with("127.") || host == "::1" || host == "localhost";
}

std::optional<std::uint16_t> port_of(std::string_view text, Surroundings& surroundings) {
    if (!all_digits(text)) {
        return surroundings.port(std::string(text));
    }
    const auto value = number(text);
    return value && *value >= 1 && *value <= 65'535 ? std::optional(static_cast<std::uint16_t>(*value))
                                                    : std::nullopt;
}

/// `[HOST:]PORT` or the path of a unix socket, in our spelling.
std::optional<std::string> endpoint_of(std::string_view value, std::string_view host, Surroundings& surroundings) {
    if (value.starts_with('/')) {
        return fmt::format("unix:{}", value);
    }
    const auto colon = value.rfind(':');
    const auto port = port_of(value.substr(colon == std::string_view::npos ? 0 : colon + 1), surroundings);
    if (colon != std::string_view::npos && colon > 0) {
        host = value.substr(0, colon);
    }
    if (!port) {
        return {};
    }
    if (host.find(':') == std::string_view::npos || host.starts_with('[')) {
        return fmt::format("{}:{}", host, *port);
    }
    return fmt::format("[{}]:{}", host, *port);
}

}  // namespace

bool yes(std::string_view value) {
    const std::string small = lower(value);
    return small == "yes" || small == "1" || small == "true";
}

std::string host_of(const std::string& endpoint) {
    const std::string host = endpoint.substr(0, endpoint.rfind(':'));
    return host.starts_with('[') ? host.substr(1, host.size() - 2) : host;
}

StunnelService::StunnelService(const StunnelSection& section, const StunnelSection& global, const std::string& folder,
                               Surroundings& surroundings)
    : section_(section), folder_(folder), surroundings_(surroundings) {
    for (const StunnelOption& option : global.options) {
        const bool own = std::ranges::find(section.options, option.key, &StunnelOption::key) != section.options.end();
        if (is_translated(option.key) && (!own || option.key == "options")) {
            options_.push_back(&option);
        }
    }
    for (const StunnelOption& option : section.options) {
        options_.push_back(&option);
    }
    for (const StunnelOption* option : options_) {
        client_ = option->key == "client" ? yes(option->value) : client_;
    }
    for (const StunnelOption* option : options_) {
        const std::string_view why = why_impossible(option->key, option->value, client_);
        if (!why.empty()) {
            leave_out(fmt::format("{}: {}", option->shown, why));
        }
    }
}

std::string StunnelService::master() const {
    for (const StunnelOption* option : options_) {
        const auto colon = option->value.rfind(':');
        if (!client_ && option->key == "sni" && colon != std::string_view::npos) {
            return std::string(option->value.substr(0, colon));
        }
    }
    return {};
}

Result<void> StunnelService::build(const std::string& name, const std::vector<std::string>& more) {
    table_ = Table("[[tls.service]]");
    table_.set("name", name);
    table_.set("mode", client_ ? "client" : "server");
    translate_options();
    if (left_out_.empty() && listen_.empty()) {
        leave_out("it has no accept");
    }
    finish_ends(more);
    auto certificate = finish_certificate(table_);
    finish_versions();
    finish_trust();
    return certificate;
}

Result<void> StunnelService::build_below() {
    table_ = Table("[[tls.service.certificates]]");
    translate_options();
    auto certificate = finish_certificate(table_);
    table_.set("names", names_);
    route_ = Table("[[tls.service.routes]]");
    route_.set("names", names_);
    route_.set("connect", connect_);
    for (const StunnelOption* option : of_master_) {
        remark(*option, "the service that this name belongs to says that for all its names");
    }
    if (connect_.empty()) {
        leave_out("it has no connect");
    }
    return certificate;
}

void StunnelService::add_to(Draft& draft) {
    draft.add(std::move(table_));
    if (route_.has("names")) {
        draft.add(std::move(route_));
    }
}

void StunnelService::add_comments_to(Draft& draft) const {
    Table comments;
    comments.remark({section_.place, fmt::format("[{}]", section_.name),
                     fmt::format("this section is left out: {}", left_out_), Effect::loss});
    for (const StunnelOption& option : section_.options) {
        comments.remark({option.place, option.shown, "left out with its section", Effect::loss});
    }
    draft.add(std::move(comments));
}

void StunnelService::remark(const StunnelOption& option, std::string why, Effect effect) {
    table_.remark({option.place, option.shown, std::move(why), effect});
}

void StunnelService::translate_options() {
    static constexpr auto kRows = std::to_array<Row>({
        {"accept", &StunnelService::take_accept},
        {"connect", &StunnelService::take_connect},
        {"client", &StunnelService::take_nothing},
        {"cert", &StunnelService::take_certificate},
        {"key", &StunnelService::take_certificate},
        {"cafile", &StunnelService::take_ca},
        {"capath", &StunnelService::take_ca},
        {"crlfile", &StunnelService::take_crl},
        {"verify", &StunnelService::take_level},
        {"verifychain", &StunnelService::take_verify},
        {"verifypeer", &StunnelService::take_verify},
        {"requirecert", &StunnelService::take_require},
        {"checkhost", &StunnelService::take_check},
        {"checkip", &StunnelService::take_check},
        {"checkemail", &StunnelService::take_check},
        {"sni", &StunnelService::take_sni},
        {"protocol", &StunnelService::take_protocol},
        {"sslversion", &StunnelService::take_version},
        {"sslversionmin", &StunnelService::take_version},
        {"sslversionmax", &StunnelService::take_version},
        {"ciphers", &StunnelService::take_ciphers},
        {"ciphersuites", &StunnelService::take_ciphers},
        {"curves", &StunnelService::take_curves},
        {"options", &StunnelService::take_ssl_option},
        {"timeoutbusy", &StunnelService::take_time},
        {"timeoutclose", &StunnelService::take_time},
        {"timeoutconnect", &StunnelService::take_time},
        {"timeoutidle", &StunnelService::take_time},
        {"sessioncachetimeout", &StunnelService::take_time},
        {"sessionresume", &StunnelService::take_resume},
    });
    const bool below = !master().empty();
    for (const StunnelOption* option : options_) {
        const auto* const row = std::ranges::find(kRows, std::string_view(option->key), &Row::key);
        if (row == kRows.end()) {
            const Known& known = judge(stunnel_options(), option->key, option->value);
            remark(*option, std::string(known.why), known.effect);
        } else if (below && !is_of_a_name(option->key)) {
            of_master_.push_back(option);
        } else {
            (this->*row->handler)(*option);
        }
    }
}

bool StunnelService::is_of_a_name(std::string_view key) {
    static constexpr std::array<std::string_view, 5> kKeys{"cert", "key", "connect", "sni", "client"};
    return std::ranges::find(kKeys, key) != kKeys.end();
}

void StunnelService::take_accept(const StunnelOption& option) {
    auto endpoint = endpoint_of(option.value, "0.0.0.0", surroundings_);
    if (endpoint && endpoint->starts_with("localhost:")) {
        endpoint->replace(0, 9, "127.0.0.1");
    }
    if (endpoint && parse_endpoint(*endpoint)) {
        listen_.push_back(*std::move(endpoint));
    } else {
        leave_out(fmt::format("{}: expected a port, and an address of this host in front of it", option.shown));
    }
}

void StunnelService::take_connect(const StunnelOption& option) {
    auto endpoint = endpoint_of(option.value, "127.0.0.1", surroundings_);
    if (endpoint && parse_endpoint(*endpoint)) {
        connect_.push_back(*std::move(endpoint));
    } else {
        leave_out(fmt::format("{}: expected a port, and a host in front of it", option.shown));
    }
}

void StunnelService::finish_ends(const std::vector<std::string>& more) {
    table_.set("listen", listen_);
    table_.set("connect", connect_);
    std::vector<std::string> plain = client_ ? listen_ : connect_;
    plain.insert(plain.end(), more.begin(), more.end());
    const auto leaves = std::ranges::find_if_not(plain, stays_here);
    if (leaves != plain.end()) {
        table_.say(fmt::format("{}: plaintext may {} other hosts by that", *leaves, client_ ? "come from" : "go to"));
        table_.set("plaintext_remote", "allow");
    }
    if (connect_.empty()) {
        leave_out("it has no connect");
    }
}

std::string StunnelService::path_of(const StunnelOption& option) {
    if (option.value.starts_with('/')) {
        return std::string(option.value);
    }
    remark(option, fmt::format("the path has no \"/\" in front: it is taken as one in {}", folder_));
    return folder_ + std::string(option.value);
}

void StunnelService::take_certificate(const StunnelOption& option) {
    (option.key == "cert" ? certificate_ : key_) = path_of(option);
}

Result<void> StunnelService::finish_certificate(Table& table) {
    if (!certificate_.empty()) {
        table.set("certificate", certificate_);
        // stunnel(8): the key stands in the certificate's file, unless it is named.
        table.set("private_key", "file:" + (key_.empty() ? certificate_ : key_));
    } else if (!client_ && left_out_.empty()) {
        return fail("import-impossible",
                    fmt::format("{}: [{}]: a server section needs a certificate, and neither it nor the global "
                                "options have cert = FILE",
                                print(section_.place), section_.name));
    }
    return {};
}

void StunnelService::take_resume(const StunnelOption& option) {
    if (!yes(option.value)) {
        table_.set("session_lifetime", "0s");
    }
}

void StunnelService::take_time(const StunnelOption& option) {
    struct Time {
        std::string_view key;
        std::string_view ours;
        std::uint64_t least;
        std::uint64_t most;
    };
    static constexpr auto kTimes = std::to_array<Time>({{"timeoutbusy", "handshake_timeout", 1, 3'600},
                                                        {"timeoutclose", "close_timeout", 1, kDay},
                                                        {"timeoutconnect", "connect_timeout", 1, 3'600},
                                                        {"timeoutidle", "idle_timeout", 1, 7 * kDay},
                                                        {"sessioncachetimeout", "session_lifetime", 5, kDay}});
    const auto* const time = std::ranges::find(kTimes, std::string_view(option.key), &Time::key);
    const auto seconds = number(option.value);
    if (!seconds || *seconds < time->least || *seconds > time->most) {
        remark(option, fmt::format("{} is {}s to {}s", time->ours, time->least, time->most));
    } else {
        table_.set(time->ours, fmt::format("{}s", *seconds));
    }
}

}  // namespace keysluice::importer
