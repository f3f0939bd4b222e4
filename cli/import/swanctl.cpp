#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/address.hpp"
#include "cli/import/address_pools.hpp"
#include "cli/import/ike_terms.hpp"
#include "cli/import/import.hpp"
#include "cli/import/swanctl_file.hpp"
#include "cli/import/swanctl_settings.hpp"
#include "daemon/shared/endpoint.hpp"

namespace keysluice::importer {
namespace {

std::vector<std::string> list_of(const std::string& value) {
    const auto parts = pieces(value, ',');
    return {parts.begin(), parts.end()};
}

Remark remark_of(const Setting& setting, std::string why, Effect effect = Effect::loss) {
    return {setting.place, setting.shown(setting.key == "secret"), std::move(why), effect};
}

void collect_lines(const Node& node, std::vector<Remark>& lines) {
    lines.push_back({node.place, node.name + " {", "", Effect::loss});
    for (const Setting& setting : node.settings) {
        lines.push_back(remark_of(setting, ""));
    }
    for (const Node& inner : node.sections) {
        collect_lines(inner, lines);
    }
}

/// A file that swanctl looks for in a folder of its own.
std::string file_in(const std::string& folder, const std::string& file) {
    return file.starts_with('/') ? file : fmt::format("{}{}/{}", "/etc/swanctl/", folder, file);
}

class Connection {
   public:
    Connection(const Node& node, std::string name, Draft& draft, KeyRing& ring, const AddressPools& pools)
        : node_(node), draft_(draft), ring_(ring), pools_(pools) {
        result_.name = std::move(name);
        result_.beside = pools.text();
        collect_lines(node, result_.lines);
    }

    void add() {
        result_.connection.set("name", result_.name);
        take_authentication();
        for (const Setting& setting : node_.settings) {
            take(setting);
        }
        for (const Node& section : node_.sections) {
            take(section);
        }
        finish();
        add_connection(draft_, std::move(result_));
    }

   private:
    Table& table() { return result_.connection; }

    // ---- who

    void take_authentication() {
        for (const bool local : {true, false}) {
            const Node* round = nullptr;
            for (const Node& section : node_.sections) {
                if (section.name.starts_with(local ? "local" : "remote")) {
                    if (round != nullptr) {
                        result_.leave_out(fmt::format("{} {{: there is one round of authentication", section.name));
                    }
                    round = &section;
                }
            }
            take_round(round, local);
        }
    }

    /// swanctl.conf(5): without a section, or without `auth` in it, it is "pubkey".
    void take_round(const Node* round, bool local) {
        const Setting* const auth = round == nullptr ? nullptr : round->setting("auth");
        const std::string kind = auth == nullptr ? "pubkey" : lower(auth->value());
        (local ? ends_.local_certificate : ends_.remote_certificate) = kind != "psk";
        static constexpr std::array<std::string_view, 6> kKeys{"pubkey", "rsa", "ecdsa", "ed25519", "ed448", "ike:"};
        const bool eap = kind == "eap-mschapv2";
        (local ? ends_.local_eap : ends_.remote_eap) = eap;
        const bool known = kind == "psk" || eap || std::ranges::any_of(kKeys, [&kind](std::string_view each) {
                               return kind.starts_with(each);
                           });
        if (!known) {
            return result_.leave_out(fmt::format("{}: {}", auth->shown(), kNoEap));
        }
        if (kind != "psk" && kind != "pubkey" && !eap) {
            table().remark(remark_of(*auth, "which signatures a peer may make is not for the configuration to say"));
        }
        if (round == nullptr) {
            return;
        }
        for (const Setting& setting : round->settings) {
            take_round_setting(setting, local);
        }
        for (const Node& section : round->sections) {
            take_certificate_section(section, local);
        }
    }

    void take_round_setting(const Setting& setting, bool local) {
        if (setting.key == "auth") {
            return;
        }
        if (setting.key == "id") {
            const std::string id = identity_of(setting.value());
            (local ? ends_.local_id : ends_.remote_id) = local && id == "*" ? "" : id;
        } else if (local && setting.key == "eap_id") {
            ends_.eap_identity = setting.value();
        } else if (local && setting.key == "certs") {
            take_own_certificate(setting, list_of(setting.value()));
        } else if (!local && setting.key == "cacerts") {
            take_authorities(setting, list_of(setting.value()));
        } else if (!local && setting.key == "certs") {
            table().remark(remark_of(setting, "a peer's certificate is welcome if an authority in ca signed it"));
        } else {
            const Known& known = judge(swanctl_authentication_settings(), setting.key, setting.value());
            table().remark(remark_of(setting, std::string(known.why), known.effect));
        }
    }

    /// cert<suffix> { file = … } and cacert<suffix> { file = … }
    void take_certificate_section(const Node& section, bool local) {
        for (const Setting& setting : section.settings) {
            const bool file = setting.key == "file";
            if (file && local && section.name.starts_with("cert")) {
                take_own_certificate(setting, {setting.value()});
            } else if (file && !local && section.name.starts_with("cacert")) {
                take_authorities(setting, {setting.value()});
            } else {
                table().remark(remark_of(setting, "certificates are files, and a peer's own is not compared"));
            }
        }
    }

    void take_own_certificate(const Setting& setting, const std::vector<std::string>& files) {
        if (files.empty() || !ends_.certificate.empty() || files.size() > 1) {
            table().remark(remark_of(setting, "a connection has one certificate, the first of these"));
        }
        if (!files.empty() && ends_.certificate.empty()) {
            ends_.certificate = file_in("x509", files.front());
            ends_.private_key = file_in("private", files.front().substr(files.front().rfind('/') + 1));
            table().remark(
                remark_of(setting, fmt::format("swanctl finds the private key itself; here private_key names "
                                               "it, and {} is a guess",
                                               ends_.private_key)));
        }
    }

    void take_authorities(const Setting& setting, const std::vector<std::string>& files) {
        if (files.empty() || !ends_.ca.empty() || files.size() > 1) {
            table().remark(remark_of(setting, "ca is one file, the first of these: put the others into it"));
        }
        ends_.ca = ends_.ca.empty() && !files.empty() ? file_in("x509ca", files.front()) : ends_.ca;
    }

    // ---- the connection's own settings

    void take(const Setting& setting) {
        const std::string value = setting.value();
        if (setting.key == "version" && value == "1") {
            result_.leave_out(fmt::format("{}: {}", setting.shown(), kOnlyIkev2));
        } else if (setting.key == "local_addrs" || setting.key == "remote_addrs") {
            take_addresses(setting);
        } else if (setting.key == "proposals") {
            take_proposals(setting, ProposalOf::ike, table(), "proposals");
        } else if (setting.key == "rekey_time") {
            take_rekey_time(setting, table());
        } else if (setting.key == "reauth_time") {
            take_reauth_time(setting);
        } else if (setting.key == "vips") {
            table().set("virtual_addresses", list_of(value));
        } else if (setting.key == "pools") {
            take_pools(setting);
        } else if (setting.key == "if_id_in" || setting.key == "if_id_out") {
            take_interface(setting);
        } else if (setting.key == "dpd_delay") {
            const auto seconds = seconds_of(value);
            if (seconds && *seconds <= 24UL * 3600) {
                table().set("liveness", fmt::format("{}s", *seconds));
            } else {
                table().remark(remark_of(setting, "liveness is 0s to 24h"));
            }
        } else if (setting.key == "mobike" && value == "no") {
            table().set_plain("mobike", "false");
        } else {
            const Known& known = judge(swanctl_connection_settings(), setting.key, value);
            table().remark(remark_of(setting, std::string(known.why), known.effect));
        }
    }

    void take_reauth_time(const Setting& setting) {
        const auto seconds = seconds_of(setting.value());
        const auto time = seconds ? reauth_time_of(*seconds) : std::nullopt;
        if (time) {
            table().set("reauth_time", *time);
        } else {
            const bool never = seconds == 0U;
            table().remark(remark_of(setting, never ? "as here" : "reauth_time is 5s to 8760h",
                                     never ? Effect::harmless : Effect::loss));
        }
    }

    void take_pools(const Setting& setting) {
        std::vector<std::string> found;
        for (const std::string& each : list_of(setting.value())) {
            if (const std::string name = pools_.find(each); !name.empty()) {
                found.push_back(name);
            } else {
                table().remark(remark_of(setting, fmt::format("there is no pool {} here", each)));
            }
        }
        if (!found.empty()) {
            table().set("pools", found);
        }
    }

    /// Of the connection, or of a child: one for both directions and for all children.
    void take_interface(const Setting& setting) {
        const auto id = number(setting.value());
        if (id == 0U) {
            table().remark(remark_of(setting, "as here", Effect::harmless));
        } else if (!id || (interface_ && interface_ != id)) {
            table().remark(
                remark_of(setting, "a connection has one interface, for both directions and all children"));
        } else if (!std::exchange(interface_, id)) {
            const std::string name = fmt::format("ks-{}", *id);
            table().set("interface", name);
            table().remark(remark_of(
                setting,
                fmt::format("keysluice makes the interface and its routes by itself: {} is in the place of the "
                            "one with if_id {}, which is no longer needed",
                            name, *id)));
        }
    }

    void take_addresses(const Setting& setting) {
        const bool local = setting.key == "local_addrs";
        const auto all = list_of(setting.value());
        const auto usable = [local](const std::string& text) {
            return IpAddress::parse(text).has_value() || (!local && is_host_name(text));
        };
        const bool any =
            all.empty() || std::ranges::any_of(all, [](const std::string& text) { return text.starts_with("%any"); });
        if (any) {
            return;
        }
        const auto found = std::ranges::find_if(all, usable);
        if (found == all.end()) {
            table().remark(remark_of(setting, "one address is expected: any is taken"));
            return;
        }
        (local ? ends_.local : ends_.remote) = *found;
        if (all.size() > 1) {
            table().remark(remark_of(setting, fmt::format("there is one address: {} is taken", *found)));
        }
    }

    void take_proposals(const Setting& setting, ProposalOf of, Table& into, std::string_view key) {
        auto texts = list_of(setting.value());
        const auto defaults = std::erase(texts, "default");
        if (defaults > 0 && !texts.empty()) {
            into.remark(remark_of(setting, "\"default\" can't stand beside others"));
        }
        const Proposals proposals = read_proposals(texts, of);
        for (const std::string& refused : proposals.refused) {
            into.remark(remark_of(setting, refused));
        }
        if (!proposals.good.empty()) {
            into.set(key, proposals.good);
        }
        weak_.insert(proposals.weak.begin(), proposals.weak.end());
    }

    static void take_rekey_time(const Setting& setting, Table& into) {
        const auto seconds = seconds_of(setting.value());
        const auto time = seconds ? rekey_time_of(*seconds) : std::nullopt;
        if (time) {
            into.set("rekey_time", *time);
        } else {
            into.remark(remark_of(setting, "rekey_time is 5s to 168h"));
        }
    }

    // ---- children

    void take(const Node& section) {
        if (section.name.starts_with("local") || section.name.starts_with("remote")) {
            return;
        }
        if (section.name != "children") {
            table().remark({section.place, section.name + " {", "keysluice has nothing like it", Effect::loss});
            return;
        }
        Draft names("");
        for (const Node& child : section.sections) {
            take_child(child, names.name(child.name));
        }
    }

    void take_child(const Node& node, const std::string& name) {
        Table child("[[ike.connection.child]]");
        child.set("name", name);
        const Setting* const mode = node.setting("mode");
        const std::string kind = mode == nullptr ? "tunnel" : lower(mode->value());
        if (kind != "tunnel" && kind != "transport") {
            return leave_out_child(node, fmt::format("mode = {}: a child is tunnel or transport", kind));
        }
        child.set("mode", kind);
        for (const Setting& setting : node.settings) {
            take_child_setting(setting, child);
        }
        for (const Node& section : node.sections) {
            child.remark({section.place, section.name + " {", "keysluice has nothing like it", Effect::loss});
        }
        result_.children.push_back(std::move(child));
    }

    void leave_out_child(const Node& node, const std::string& why) {
        std::vector<Remark> lines;
        collect_lines(node, lines);
        for (Remark& line : lines) {
            line.why = fmt::format("this child is left out: {}", why);
            table().remark(std::move(line));
        }
    }

    void take_child_setting(const Setting& setting, Table& child) {
        const std::string value = setting.value();
        if (setting.key == "mode") {
            return;
        }
        if (setting.key == "local_ts" || setting.key == "remote_ts") {
            take_selectors(setting, child);
        } else if (setting.key == "esp_proposals") {
            take_proposals(setting, ProposalOf::esp, child, "esp");
        } else if (setting.key == "rekey_time") {
            take_rekey_time(setting, child);
        } else if (setting.key == "rekey_bytes" || setting.key == "rekey_packets") {
            take_limit(setting, child);
        } else if (setting.key == "start_action") {
            take_start(setting, lower(value), child);
        } else if (setting.key == "dpd_action" || setting.key == "close_action") {
            lost_.push_back(&setting);
        } else if (setting.key == "if_id_in" || setting.key == "if_id_out") {
            take_interface(setting);
        } else if (setting.key == "hw_offload") {
            take_offload(setting, lower(value), child);
        } else {
            const Known& known = judge(swanctl_child_settings(), setting.key, value);
            child.remark(remark_of(setting, std::string(known.why), known.effect));
        }
    }

    static void take_selectors(const Setting& setting, Table& child) {
        std::vector<std::string> selectors;
        const auto texts = list_of(setting.value());
        for (const std::string& text : texts) {
            if (text == "dynamic") {
                if (texts.size() > 1) {
                    child.remark(remark_of(setting, "dynamic stands alone: the end's own address is left out"));
                }
                continue;
            }
            if (auto selector = selector_of(text)) {
                selectors.push_back(*std::move(selector));
            } else {
                child.remark(
                    remark_of(setting, fmt::format("{} is no network, address or range with a protocol", text)));
            }
        }
        if (!selectors.empty()) {
            child.set(setting.key, selectors);
        }
    }

    static void take_limit(const Setting& setting, Table& child) {
        const auto limit = number(setting.value());
        const std::uint64_t least = setting.key == "rekey_bytes" ? 1'000'000 : 1'000;
        if (limit && (*limit == 0 || (*limit >= least && *limit <= 100'000'000'000'000))) {
            child.set_plain(setting.key, fmt::format("{}", *limit));
        } else {
            child.remark(remark_of(setting, fmt::format("{} is 0 or at least {}", setting.key, least)));
        }
    }

    void take_start(const Setting& setting, const std::string& value, Table& child) {
        const bool both = value.find('|') != std::string::npos;  // "trap|start"
        const Start start = both || value == "start" ? Start::on_load
                            : value == "trap"        ? Start::on_traffic
                                                     : Start::manual;
        if (both) {
            child.remark(remark_of(setting, "start is one of both", Effect::harmless));
        }
        if (started_ && start != start_) {
            child.remark(remark_of(setting, "a connection starts all of its children alike"));
        }
        start_ = std::max(start_, start);
        started_ = true;
    }

    /// What dpd_action and close_action say that is to be.
    static Start after_loss(const std::string& action) {
        const bool again = action == "start" || action == "restart";
        return again ? Start::on_load : action == "trap" ? Start::on_traffic : Start::manual;
    }

    static void take_offload(const Setting& setting, const std::string& value, Table& child) {
        static constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kModes{
            {{"no", "off"}, {"yes", "crypto"}, {"crypto", "crypto"}, {"packet", "packet"}, {"auto", "auto"}}};
        const auto* const mode = std::ranges::find(kModes, value, [](const auto& each) { return each.first; });
        if (mode == kModes.end()) {
            child.remark(remark_of(setting, "offload is auto, crypto, packet or off"));
        } else {
            child.set("offload", mode->second);
        }
    }

    void finish() {
        if (ends_.local_eap && ends_.eap_identity.empty()) {
            ends_.eap_identity = ends_.local_id;
        }
        if (ends_.local_certificate && !ends_.local_eap && ends_.certificate.empty()) {
            result_.leave_out("it has no certificate of ours (certs) that is a file");
        }
        if (ends_.remote_certificate && !ends_.remote_eap && ends_.ca.empty()) {
            ends_.ca = "/etc/swanctl/x509ca.pem";
            table().remark({node_.place, node_.name + " {",
                            fmt::format("swanctl trusts all authorities in x509ca; ca is one file: cat "
                                        "/etc/swanctl/x509ca/* > {}",
                                        ends_.ca),
                            Effect::loss});
        }
        set_ends(table(), ends_);
        if (!weak_.empty()) {
            table().set("allow_weak", std::vector<std::string>(weak_.begin(), weak_.end()));
        }
        set_start(table(), ends_.remote == "any" || ends_.remote_eap ? Start::manual : start_);
        for (const Setting* setting : lost_) {
            const bool same = after_loss(lower(setting->value())) == start_;
            table().remark(remark_of(*setting, "start says what comes of a connection that is lost, too",
                                     same ? Effect::harmless : Effect::loss));
        }
        if (ends_.has_psk() && result_.left_out.empty()) {
            ring_.set_psk(table(), ends_, result_.name, {node_.place, node_.name + " {", "", Effect::loss});
        }
        if ((ends_.local_eap || ends_.remote_eap) && result_.left_out.empty()) {
            ring_.set_passwords(table(), ends_, result_.name, {node_.place, node_.name + " {", "", Effect::loss});
        }
    }

    const Node& node_;
    Draft& draft_;
    KeyRing& ring_;
    const AddressPools& pools_;
    ConnectionDraft result_;
    IkeEnds ends_;
    std::set<std::string> weak_;
    std::vector<const Setting*> lost_;
    Start start_ = Start::manual;
    bool started_ = false;
    std::optional<std::uint64_t> interface_;
};

/// pools { laptops { addrs = 10.9.0.0/24; dns = 10.1.0.53; 25 = corp.example } }
void take_pool(const Node& node, AddressPools& pools, Table& comments) {
    PoolTerms terms;
    std::vector<Remark> remarks;
    for (const Setting& setting : node.settings) {
        const std::string value = setting.value();
        if (setting.key == "addrs") {
            terms.addresses = value;
        } else if (setting.key == "dns") {
            terms.dns = list_of(value);
        } else if (setting.key == "25") {  // INTERNAL_DNS_DOMAIN, RFC 8598
            terms.domains = list_of(value);
        } else if (setting.key == "subnet") {
            terms.subnets = list_of(value);
        } else {
            remarks.push_back(remark_of(setting, "peers are not told that"));
        }
    }
    if (const std::string fault = pools.add(node.name, node.name, terms, remarks); !fault.empty()) {
        std::vector<Remark> lines;
        collect_lines(node, lines);
        for (Remark& line : lines) {
            line.why = fmt::format("this pool is left out: {}", fault);
            comments.remark(std::move(line));
        }
    }
}

/// secrets { ike-hq { secret = …; id-1 = … } eap-carol { secret = …; id = … } }: the others are commented on.
void take_secrets(const Node& secrets, KeyRing& ring, Table& comments) {
    for (const Node& section : secrets.sections) {
        const Setting* const secret = section.setting("secret");
        const bool password = section.name.starts_with("eap");
        if ((section.name.starts_with("ike") || password) && secret != nullptr) {
            PreSharedKey key{.ids = {}, .value = secret->raw, .escapes = secret->quoted, .place = secret->place};
            for (const Setting& setting : section.settings) {
                if (setting.key.starts_with("id")) {
                    key.ids.push_back(identity_of(setting.value()));
                }
            }
            password ? ring.add_password(std::move(key)) : ring.add(std::move(key));
            continue;
        }
        const bool file = section.setting("file") != nullptr;
        comments.remark(
            {section.place, section.name + " {",
             std::string(file ? "private keys are files without a passphrase, or systemd's credentials" : kNoEap),
             Effect::loss});
    }
}

}  // namespace

Result<Imported> import_swanctl(const SourcePtr& source, Surroundings& surroundings, const Wishes& wishes) {
    Inclusion inclusion(surroundings);
    const auto root = read_swanctl(source, inclusion);
    if (!root) {
        return std::unexpected(root.error());
    }
    Draft draft(source->name());
    KeyRing ring(draft, wishes);
    Table comments;
    if (const Node* secrets = root->section("secrets")) {
        take_secrets(*secrets, ring, comments);
    }
    for (const Setting& setting : root->settings) {
        comments.remark(remark_of(setting, "keysluice has nothing like it"));
    }
    AddressPools pools(draft);
    for (const Node& section : root->sections) {
        for (const Node& each : section.sections) {
            if (section.name == "pools") {
                take_pool(each, pools, comments);
            } else if (section.name == "authorities") {
                comments.remark({each.place, fmt::format("{}: {} {{", section.name, each.name),
                                 "ca and crl of a connection are files", Effect::loss});
            }
        }
        if (section.name == "pools" || section.name == "authorities") {
            continue;
        }
        if (section.name != "connections" && section.name != "secrets") {
            comments.remark(
                {section.place, section.name + " {", "counts where another section takes it over", Effect::harmless});
        }
    }
    draft.add(std::move(comments));
    if (const Node* connections = root->section("connections")) {
        for (const Node& node : connections->sections) {
            Connection(node, draft.name(node.name), draft, ring, pools).add();
        }
    }
    draft.add(ring.unused());
    return std::move(draft).finish();
}

}  // namespace keysluice::importer
