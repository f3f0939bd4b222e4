#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/address.hpp"
#include "cli/import/address_pools.hpp"
#include "cli/import/ike_terms.hpp"
#include "cli/import/import.hpp"
#include "cli/import/ipsec_file.hpp"
#include "cli/import/ipsec_parameters.hpp"
#include "daemon/shared/endpoint.hpp"

namespace keysluice::importer {
namespace {

constexpr std::uint64_t kUsualMargin = 540;  // ipsec.conf(5): margintime and rekeymargin
constexpr std::string_view kAuthorities = "/etc/ipsec.d/cacerts.pem";

/// What a connection finds beside its own section.
struct Beside {
    const IpsecSecrets& secrets;
    std::string authority;  ///< cacert of the only "ca" section; empty: there is none, or several
    Surroundings& surroundings;
};

Remark remark_of(const Parameter& parameter, std::string why, Effect effect = Effect::loss) {
    return {parameter.place, parameter.shown(), std::move(why), effect};
}

std::string file_in(std::string_view folder, const std::string& file) {
    return file.starts_with('/') ? file : fmt::format("/etc/ipsec.d/{}/{}", folder, file);
}

class Connection {
   public:
    Connection(const IpsecSection& conn, std::vector<Parameter> parameters, std::string name, const Beside& beside,
               Draft& draft, KeyRing& ring, AddressPools& pools)
        : conn_(conn),
          parameters_(std::move(parameters)),
          beside_(beside),
          draft_(draft),
          ring_(ring),
          pools_(pools) {
        result_.name = std::move(name);
        result_.lines.push_back({conn.place, conn.shown(), "", Effect::loss});
        for (const Parameter& parameter : parameters_) {
            result_.lines.push_back(remark_of(parameter, ""));
        }
    }

    void add() {
        child_.set("name", result_.name);
        table().set("name", result_.name);
        choose_sides();
        take_authentication();
        for (const Parameter& parameter : parameters_) {
            take(parameter);
        }
        finish();
        result_.children.push_back(std::move(child_));
        add_connection(draft_, std::move(result_));
    }

   private:
    Table& table() { return result_.connection; }

    [[nodiscard]] const Parameter* find(std::string_view key) const {
        const auto found = std::ranges::find(parameters_, key, &Parameter::key);
        return found == parameters_.end() ? nullptr : &*found;
    }

    [[nodiscard]] std::string value_of(std::string_view key) const {
        const Parameter* const parameter = find(key);
        return parameter == nullptr ? "" : lower(parameter->value);
    }

    // ---- which side is ours

    /// ipsec.conf(5): left, unless right has an address of this host.
    void choose_sides() {
        const std::string left = value_of("left");
        const std::string right = value_of("right");
        const auto ours = [this](const std::string& address) {
            return address == "%defaultroute" || beside_.surroundings.has_address(address);
        };
        swapped_ = ours(right) && !ours(left);
        if (!ours(left) && !ours(right) && IpAddress::parse(left) && IpAddress::parse(right)) {
            table().remark({conn_.place, conn_.shown(),
                            "neither left nor right is an address of this host: left is taken for this end",
                            Effect::loss});
        }
    }

    /// "left" or "right" of a key; empty: it has none.
    static std::string_view side_of(std::string_view key) {
        return key.starts_with("left") ? "left" : key.starts_with("right") ? "right" : "";
    }

    [[nodiscard]] bool is_local(std::string_view side) const { return (side == "left") != swapped_; }

    [[nodiscard]] const Parameter* end(bool local, std::string_view key) const {
        return find(fmt::format("{}{}", local != swapped_ ? "left" : "right", key));
    }

    // ---- who

    void take_authentication() {
        for (const bool local : {true, false}) {
            const Parameter* auth = end(local, "auth");
            auth = auth == nullptr ? find("authby") : auth;
            const std::string kind = auth == nullptr ? "pubkey" : lower(auth->value);
            const bool key = kind == "secret" || kind == "psk";
            static constexpr std::array<std::string_view, 4> kSigned{"pubkey", "rsa", "ecdsa", "ed25519"};
            const bool eap = kind == "eap-mschapv2";
            (local ? ends_.local_eap : ends_.remote_eap) = eap;
            const bool known = key || eap || std::ranges::any_of(kSigned, [&kind](std::string_view each) {
                                   return kind.starts_with(each);
                               });
            if (!known) {
                leave_out(*auth, "of EAP, eap-mschapv2 alone is taken over: see eap_password in keysluice.toml(5)");
            }
            (local ? ends_.local_certificate : ends_.remote_certificate) = !key;
            const Parameter* raw = end(local, "rsasigkey");
            raw = raw == nullptr ? end(local, "sigkey") : raw;
            if (!key && raw != nullptr && raw->value != "%cert") {
                leave_out(*raw, "keys without certificates are not there");
            }
        }
    }

    void leave_out(const Parameter& parameter, std::string_view why) {
        result_.leave_out(fmt::format("{}: {}", parameter.shown(), why));
    }

    // ---- all parameters

    void take(const Parameter& parameter) {
        const std::string_view side = side_of(parameter.key);
        if (!side.empty()) {
            return take_end(parameter, std::string_view(parameter.key).substr(side.size()), is_local(side));
        }
        const std::string value = lower(parameter.value);
        if (take_exclusion(parameter, value) || take_cryptography(parameter) || take_times(parameter) ||
            take_mobility(parameter)) {
            return;
        }
        if (parameter.key == "type") {
            child_.set("mode", value);
        } else if (parameter.key == "auto") {
            start_ = value == "start" || value == "up" || value == "keep"         ? Start::on_load
                     : value == "route" || value == "ondemand" || value == "trap" ? Start::on_traffic
                                                                                  : Start::manual;
        } else if (parameter.key == "eap_identity") {
            ends_.eap_identity = parameter.value.starts_with('%') ? "" : parameter.value;
        } else if (parameter.key == "dpdaction" || parameter.key == "closeaction") {
            lost_.push_back(&parameter);
        } else if (parameter.key != "authby") {
            const Known& known = judge(ipsec_parameters(), parameter.key, value);
            child_.remark(remark_of(parameter, std::string(known.why), known.effect));
        }
    }

    /// What makes it impossible. Whether it was a parameter that does.
    bool take_exclusion(const Parameter& parameter, const std::string& value) {
        const bool ikev1 = (parameter.key == "keyexchange" && value == "ikev1") ||
                           (parameter.key == "ikev2" && (value == "no" || value == "never"));
        if (ikev1) {
            leave_out(parameter, "only IKEv2 is spoken");
        }
        if (parameter.key == "type" && value != "tunnel" && value != "transport") {
            leave_out(parameter, "a child is tunnel or transport");
        }
        if (parameter.key == "ah" || (parameter.key == "phase2" && value == "ah")) {
            leave_out(parameter, "CHILD SAs are ESP");
        }
        return parameter.key == "keyexchange" || parameter.key == "ikev2" || parameter.key == "ah";
    }

    bool take_cryptography(const Parameter& parameter) {
        const bool ike = parameter.key == "ike";
        if (!ike && parameter.key != "esp" && parameter.key != "phase2alg") {
            return false;
        }
        std::vector<std::string> texts = proposals_of(parameter.value);
        Proposals proposals = read_proposals(texts, ike ? ProposalOf::ike : ProposalOf::esp);
        if (ike && !proposals.refused.empty()) {
            proposals = with_groups(parameter, texts, std::move(proposals));
        }
        for (const std::string& refused : proposals.refused) {
            child_.remark(remark_of(parameter, refused));
        }
        if (!proposals.good.empty()) {
            (ike ? table() : child_).set(ike ? "proposals" : "esp", proposals.good);
        }
        weak_.insert(proposals.weak.begin(), proposals.weak.end());
        return true;
    }

    /// Libreswan adds groups of its own to a proposal without one.
    Proposals with_groups(const Parameter& parameter, const std::vector<std::string>& texts, Proposals otherwise) {
        std::vector<std::string> longer;
        std::ranges::transform(texts, std::back_inserter(longer), [](const std::string& text) {
            return read_proposals({text}, ProposalOf::ike).refused.empty() ? text : text + "-x25519-ecp256-modp2048";
        });
        Proposals proposals = read_proposals(longer, ProposalOf::ike);
        if (proposals.refused.size() >= otherwise.refused.size()) {
            return otherwise;
        }
        child_.remark(remark_of(parameter, "where there was no group, some were added", Effect::harmless));
        return proposals;
    }

    bool take_mobility(const Parameter& parameter) {
        const bool refused = parameter.key == "mobike" && parameter.value == "no";
        if (refused) {
            table().set_plain("mobike", "false");
        }
        return refused;
    }

    bool take_times(const Parameter& parameter) {
        const bool ike = parameter.key == "ikelifetime";
        const bool child = parameter.key == "lifetime" || parameter.key == "keylife" || parameter.key == "salifetime";
        if (parameter.key == "dpddelay") {
            const auto seconds = seconds_of(parameter.value);
            if (seconds && *seconds <= 24UL * 3600) {
                table().set("liveness", fmt::format("{}s", *seconds));
            } else {
                child_.remark(remark_of(parameter, "liveness is 0s to 24h"));
            }
            return true;
        }
        if (!ike && !child) {
            return false;
        }
        // These are the times at which SAs end; new ones are there a margin earlier.
        const Parameter* margin = find("margintime");
        margin = margin == nullptr ? find("rekeymargin") : margin;
        const std::uint64_t before =
            margin == nullptr ? kUsualMargin : seconds_of(margin->value).value_or(kUsualMargin);
        const auto seconds = seconds_of(parameter.value);
        const auto time =
            seconds ? rekey_time_of(*seconds > 2 * before ? *seconds - before : *seconds / 2) : std::nullopt;
        if (time && ike && value_of("reauth") == "yes") {
            table().set("reauth_time", *time);
        } else if (time) {
            (ike ? table() : child_).set("rekey_time", *time);
        } else {
            child_.remark(remark_of(parameter, "rekey_time is 5s to 168h"));
        }
        return true;
    }

    // ---- ends

    void take_end(const Parameter& parameter, std::string_view key, bool local) {
        if (key.empty()) {
            take_address(parameter, local);
        } else if (key == "id") {
            take_id(parameter, local);
        } else if (key == "cert") {
            take_certificate(parameter, local);
        } else if (key == "subnet" || key == "subnets") {
            take_subnets(parameter, local);
        } else if (key == "sourceip" || (!local && key == "addresspool")) {
            take_virtual(parameter, local);
        } else if (key == "protoport") {
            (local ? local_protoport_ : remote_protoport_) = &parameter;
        } else if (key != "auth") {
            const Known& known = judge(ipsec_end_parameters(), key, parameter.value);
            child_.remark(remark_of(parameter, std::string(known.why), known.effect));
        }
    }

    void take_address(const Parameter& parameter, bool local) {
        const std::string& value = parameter.value;
        if (value == "%defaultroute" || value.starts_with("%any")) {
            return;
        }
        if (value.starts_with('%')) {
            return leave_out(parameter, "opportunistic encryption and groups of peers are not there");
        }
        const auto address = IpAddress::parse(value);
        if (address && address->unspecified()) {
            return;
        }
        if (address || (!local && is_host_name(value))) {
            (local ? ends_.local : ends_.remote) = value;
        } else {
            child_.remark(remark_of(parameter, "this is no address: any is taken"));
        }
    }

    void take_id(const Parameter& parameter, bool local) {
        if (parameter.value == "%null") {
            return leave_out(parameter, "a peer has an identity");
        }
        const bool certificate = parameter.value == "%fromcert";
        const std::string id = identity_of(parameter.value);
        if (!certificate && !(local && id == "*")) {
            (local ? ends_.local_id : ends_.remote_id) = id;
        }
    }

    void take_certificate(const Parameter& parameter, bool local) {
        if (!local) {
            return child_.remark(
                remark_of(parameter, "a peer's certificate is welcome if an authority in ca signed it"));
        }
        const std::string& value = parameter.value;
        if (value.find('.') == std::string::npos && !value.starts_with('/')) {
            ends_.certificate = fmt::format("/etc/keysluice/{}.pem", result_.name);
            ends_.private_key = fmt::format("/etc/keysluice/{}.key", result_.name);
            return child_.remark(remark_of(
                parameter, fmt::format("this is a name in NSS's database: bring certificate and key to {} and {} by "
                                       "pk12util and openssl pkcs12",
                                       ends_.certificate, ends_.private_key)));
        }
        ends_.certificate = file_in("certs", value);
        const auto& keys = beside_.secrets.private_keys;
        const bool one = keys.size() == 1;
        ends_.private_key = file_in("private", one ? keys.front() : value.substr(value.rfind('/') + 1));
        if (!one) {
            child_.remark(
                remark_of(parameter, fmt::format("private_key names the key; {} is a guess", ends_.private_key)));
        }
    }

    void take_subnets(const Parameter& parameter, bool local) {
        std::string value = parameter.value;
        std::ranges::replace_if(value, [](char c) { return c == '{' || c == '}' || c == ' '; }, ',');
        const auto texts = pieces(value, ',');
        for (const std::string_view text : texts) {
            if (selector_of(text)) {
                (local ? local_subnets_ : remote_subnets_).emplace_back(text);
            } else if (text == "%dynamic" && texts.size() > 1) {
                child_.remark(remark_of(parameter, "%dynamic stands alone: the end's own address is left out"));
            } else if (text != "%dynamic") {
                child_.remark(remark_of(parameter, fmt::format("{} is no network, address or range", text)));
            }
        }
    }

    /// "%config", "%config4", "%config6" and addresses ask for some; of the other end, a pool gives them.
    void take_virtual(const Parameter& parameter, bool local) {
        const auto pieces_of = pieces(parameter.value, ',');
        if (!local) {
            return take_pool(parameter);
        }
        std::vector<std::string> wishes;
        for (const std::string_view each : pieces_of) {
            const bool any = each == "%config" || each == "%config4" || each == "%modeconfig" || each == "%modecfg";
            if (any || each == "%config6") {
                wishes.emplace_back(any ? "0.0.0.0" : "::");
            } else if (IpAddress::parse(each)) {
                wishes.emplace_back(each);
            }
        }
        if (wishes.size() == pieces_of.size()) {
            table().set("virtual_addresses", wishes);
        } else {
            child_.remark(remark_of(parameter, "an address is expected, or %config"));
        }
    }

    void take_pool(const Parameter& parameter) {
        PoolTerms terms{.addresses = parameter.value};
        if (const Parameter* dns = end(false, "dns")) {
            const auto all = pieces(dns->value, ',');
            terms.dns = {all.begin(), all.end()};
        }
        if (pools_.find(parameter.value).empty()) {
            if (const std::string fault = pools_.add(result_.name, parameter.value, terms); !fault.empty()) {
                return child_.remark(remark_of(parameter, fault));
            }
        }
        result_.beside = pools_.text();
        table().set("pools", std::vector<std::string>{pools_.find(parameter.value)});
    }

    void finish_selectors(bool local) {
        std::vector<std::string> subnets = local ? local_subnets_ : remote_subnets_;
        const Parameter* const protoport = local ? local_protoport_ : remote_protoport_;
        const std::string& address = local ? ends_.local : ends_.remote;
        std::vector<std::string> selectors;
        if (protoport != nullptr && subnets.empty() && IpAddress::parse(address)) {
            subnets.push_back(address);
        }
        std::string_view port = protoport == nullptr ? "" : std::string_view(protoport->value);
        const std::string_view protocol = next_piece(port, '/');
        for (const std::string& subnet : subnets) {
            const bool own = subnet.find('[') != std::string::npos;  // 10.1.0.0/16[tcp/443]
            if (auto selector = own ? selector_of(subnet) : selector_of(subnet, protocol, port)) {
                selectors.push_back(*std::move(selector));
            }
        }
        if (!selectors.empty()) {
            child_.set(local ? "local_ts" : "remote_ts", selectors);
        }
        if (protoport != nullptr && selectors.size() < std::max<std::size_t>(1, subnets.size())) {
            child_.remark(remark_of(*protoport,
                                    "a protocol can't be said without the addresses that it is for: all "
                                    "packets of this end are protected"));
        }
    }

    /// ipsec.conf(5): rightid is right, unless it says something else.
    void finish_remote_id() {
        const Parameter* const remote = end(false, "");
        if (!ends_.remote_id.empty() || ends_.remote == "any" || remote == nullptr) {
            return;
        }
        if (IpAddress::parse(ends_.remote)) {
            ends_.remote_id = ends_.remote;
        } else {
            table().remark(remark_of(*remote,
                                     "there, the peer's identity is this host's address: set remote_id, or all "
                                     "are welcome who have the key or a certificate"));
        }
    }

    void finish_certificates() {
        if (ends_.local_eap && ends_.eap_identity.empty()) {
            ends_.eap_identity = ends_.local_id;
        }
        if (ends_.local_certificate && !ends_.local_eap && ends_.certificate.empty()) {
            result_.leave_out("it has no certificate of ours (leftcert) that is a file");
        }
        if (ends_.remote_certificate && !ends_.remote_eap) {
            ends_.ca = beside_.authority.empty() ? std::string(kAuthorities) : beside_.authority;
            if (beside_.authority.empty()) {
                table().remark(
                    {conn_.place, conn_.shown(),
                     fmt::format("all authorities in /etc/ipsec.d/cacerts are trusted there; ca is one file: "
                                 "cat /etc/ipsec.d/cacerts/* > {}",
                                 ends_.ca),
                     Effect::loss});
            }
        }
    }

    void finish() {
        finish_certificates();
        finish_remote_id();
        set_ends(table(), ends_);
        if (!weak_.empty()) {
            table().set("allow_weak", std::vector<std::string>(weak_.begin(), weak_.end()));
        }
        set_start(table(), ends_.remote == "any" || ends_.remote_eap ? Start::manual : start_);
        finish_selectors(true);
        finish_selectors(false);
        for (const Parameter* parameter : lost_) {
            const std::string action = lower(parameter->value);
            const Start then = action == "restart" || action == "start"                    ? Start::on_load
                               : action == "hold" || action == "trap" || action == "route" ? Start::on_traffic
                                                                                           : Start::manual;
            table().remark(remark_of(*parameter, "start says what comes of a connection that is lost, too",
                                     then == start_ ? Effect::harmless : Effect::loss));
        }
        if (ends_.has_psk() && result_.left_out.empty()) {
            ring_.set_psk(table(), ends_, result_.name, {conn_.place, conn_.shown(), "", Effect::loss});
        }
        if ((ends_.local_eap || ends_.remote_eap) && result_.left_out.empty()) {
            ring_.set_passwords(table(), ends_, result_.name, {conn_.place, conn_.shown(), "", Effect::loss});
        }
    }

    const IpsecSection& conn_;
    std::vector<Parameter> parameters_;
    const Beside& beside_;
    Draft& draft_;
    KeyRing& ring_;
    AddressPools& pools_;
    ConnectionDraft result_;
    Table child_{"[[ike.connection.child]]"};
    IkeEnds ends_;
    bool swapped_ = false;
    Start start_ = Start::manual;
    std::set<std::string> weak_;
    std::vector<const Parameter*> lost_;
    std::vector<std::string> local_subnets_;
    std::vector<std::string> remote_subnets_;
    const Parameter* local_protoport_ = nullptr;
    const Parameter* remote_protoport_ = nullptr;
};

/// "config setup" and "ca" sections; the file of the only authority, if there is one.
std::string take_other_sections(const IpsecFile& file, Table& comments) {
    std::vector<std::string> authorities;
    for (const IpsecSection& section : file.sections) {
        for (const Parameter& parameter : section.parameters) {
            if (section.kind == "ca" && parameter.key == "cacert") {
                authorities.push_back(file_in("cacerts", parameter.value));
            } else if (section.kind == "ca") {
                comments.remark(remark_of(parameter, "ca and crl of a connection are files",
                                          parameter.key == "auto" ? Effect::harmless : Effect::loss));
            } else if (section.kind != "conn") {
                const Known& known = judge(ipsec_setup_parameters(), parameter.key, parameter.value);
                comments.remark(remark_of(parameter, std::string(known.why), known.effect));
            }
        }
    }
    return authorities.size() == 1 ? authorities.front() : "";
}

Result<IpsecSecrets> secrets_beside(const Source& source, Surroundings& surroundings, Inclusion& inclusion,
                                    Table& comments) {
    // The folder has it or not; who may not read it imports without.
    auto files = surroundings.files(source.folder() + "ipsec.secrets");
    if (!files) {
        comments.remark({{"ipsec.secrets", 1}, "(not read)", files.error().sentence, Effect::loss});
        return IpsecSecrets{};
    }
    IpsecSecrets all;
    for (const SourcePtr& file : *files) {
        auto counted = inclusion.open(file->path, source, 0);  // which keeps it
        if (!counted || counted->empty()) {
            return counted ? Result<IpsecSecrets>(std::move(all)) : std::unexpected(counted.error());
        }
        auto secrets = read_ipsec_secrets(counted->front(), inclusion);
        if (!secrets) {
            return secrets;
        }
        all = *std::move(secrets);
    }
    return all;
}

/// A conn that others take over, and that is not there for itself.
bool is_pattern(const IpsecFile& file, const IpsecSection& conn, const std::vector<Parameter>& parameters) {
    const auto start = std::ranges::find(parameters, std::string_view("auto"), &Parameter::key);
    const bool ignored = start == parameters.end() || lower(start->value) == "ignore";
    return conn.name == "%default" || (ignored && file.taken_over.contains(conn.name));
}

}  // namespace

Result<Imported> import_ipsec(const SourcePtr& source, Surroundings& surroundings, const Wishes& wishes) {
    Inclusion inclusion(surroundings);
    const auto file = read_ipsec(source, inclusion);
    if (!file) {
        return std::unexpected(file.error());
    }
    Draft draft(source->name());
    Table comments;
    auto secrets = secrets_beside(*source, surroundings, inclusion, comments);
    if (!secrets) {
        return pass_on(std::move(secrets));
    }
    const Beside beside{*secrets, take_other_sections(*file, comments), surroundings};
    for (const Remark& remark : secrets->remarks) {
        comments.remark(remark);
    }
    draft.add(std::move(comments));
    KeyRing ring(draft, wishes);
    AddressPools pools(draft);
    for (PreSharedKey& key : secrets->keys) {
        ring.add(std::move(key));
    }
    for (PreSharedKey& password : secrets->passwords) {
        ring.add_password(std::move(password));
    }
    for (const IpsecSection& conn : file->sections) {
        if (conn.kind != "conn") {
            continue;
        }
        auto parameters = file->all_of(conn);
        if (!parameters) {
            return pass_on(std::move(parameters));
        }
        if (is_pattern(*file, conn, *parameters)) {
            Table pattern;
            pattern.remark({conn.place, conn.shown(), "counts where other conns take it over", Effect::harmless});
            draft.add(std::move(pattern));
            continue;
        }
        Connection(conn, *std::move(parameters), draft.name(conn.name), beside, draft, ring, pools).add();
    }
    draft.add(ring.unused());
    return std::move(draft).finish();
}

}  // namespace keysluice::importer
