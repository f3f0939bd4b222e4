#include "daemon/control/eap_reader.hpp"

#include <fmt/format.h>

#include "daemon/shared/quoted.hpp"

namespace keysluice::control {
namespace {

constexpr SecretKey kPassword{
    .key = "eap_password", .example = "/etc/keysluice/alice.password", .directory = true, .option = true};

std::string_view name_of(ike::Auth auth) {
    return kIkeAuthNames.at(static_cast<std::size_t>(auth));
}

eap::Type method_of(ike::Auth auth) {
    return auth == ike::Auth::eap_mschapv2 ? eap::Type::mschapv2 : eap::Type::tls;
}

/// RFC 7296 section 2.16: EAP methods "MUST be used in conjunction with a public-key-signature-based authentication
/// of the responder to the initiator".
void check_other_end(Section& section, std::string_view key, ike::Auth eap, std::string_view other,
                     ike::Auth by_other) {
    if (by_other != ike::Auth::certificate) {
        section.report(section.position(other), "eap-alone",
                       fmt::format("{} = \"{}\" needs {} = \"certificate\": what it proves, somebody between the two "
                                   "ends could have from anywhere",
                                   key, name_of(eap), other));
    }
}

/// Only who begins proves something by EAP.
void check_role(Section& section, const IkeConnection& connection) {
    const ike::Connection& rules = *connection.rules;
    const bool anyone = connection.peers.empty();
    if (ike::is_eap(rules.auth) && anyone) {
        section.report(
            connection.remote, "eap-role",
            fmt::format("auth = \"{}\": by EAP, only who begins proves who it is, and with remote = \"any\" "
                        "there is nobody to begin with",
                        name_of(rules.auth)));
    }
    if (ike::is_eap(rules.remote_auth) && connection.start != IkeStart::manual) {
        section.report(
            section.position("start"), "eap-role",
            fmt::format("remote_auth = \"{}\": by EAP, only who begins proves who it is, so the peer has to "
                        "begin: expected start = \"manual\"",
                        name_of(rules.remote_auth)));
    }
}

void read_identity(Section& section, ike::Connection& rules) {
    const std::string* const text = section.text("eap_identity", "a string with a user's name");
    if (text == nullptr) {
        return;
    }
    rules.eap_rules.identity = *text;
    if (text->empty() || text->size() > eap::kLongestIdentity) {
        section.report(section.position("eap_identity"), "out-of-range",
                       fmt::format("eap_identity: expected 1 to {} bytes", eap::kLongestIdentity));
    }
}

void check_password(Section& section, const IkeConnection& connection) {
    using Kind = SecretReference::Kind;
    const bool ours = ike::is_eap(connection.rules->auth);
    const Kind kind = connection.eap_password.kind;
    if (kind != Kind::none && (kind == Kind::directory) == ours) {
        section.report(connection.eap_password.where, "bad-key-reference",
                       ours ? "eap_password: our own password stands in one file: expected \"file:/PATH\" or "
                              "\"credential:NAME\""
                            : "eap_password: expected \"directory:/PATH\", with a file for each user");
    }
}

/// RFC 5998: what may be left out where EAP proves both ends.
void read_eap_only(Section& section, ike::Connection& rules) {
    section.boolean("eap_only", rules.eap_only);
    if (rules.eap_only && !ike::proves_by_tls(rules)) {
        section.report(
            section.position("eap_only"), "eap-alone",
            "eap_only = true: only with \"eap-tls\" in auth or remote_auth does EAP prove who both ends are: a "
            "method for this must provide \"mutual authentication of the peers\" and be \"resistant to "
            "dictionary attacks\" (RFC 5998 section 4)");
    }
}

void read_server_identity(Section& section, ike::Connection& rules) {
    const std::string* const text = section.text("eap_server_id", "a string with an identity");
    if (text == nullptr) {
        return;
    }
    auto identity = ike::parse_identity(*text);
    if (!identity) {
        section.report(section.position("eap_server_id"), identity.error().reason,
                       fmt::format("eap_server_id: {}", escaped(identity.error().sentence)));
    } else if (rules.auth == ike::Auth::eap_tls) {
        rules.eap_server_id = *std::move(identity);
    }
}

}  // namespace

void read_eap(Section& section, std::string_view credentials, IkeConnection& connection) {
    ike::Connection& rules = *connection.rules;
    read_identity(section, rules);
    read_secret_reference(section, kPassword, credentials, connection.eap_password);
    read_eap_only(section, rules);
    read_server_identity(section, rules);
    const bool ours = ike::is_eap(rules.auth);
    const bool theirs = ike::is_eap(rules.remote_auth);
    if (!ours && !theirs) {
        connection.eap_password = {};
        return;
    }
    if (ours) {
        check_other_end(section, "auth", rules.auth, "remote_auth", rules.remote_auth);
    } else {
        check_other_end(section, "remote_auth", rules.remote_auth, "auth", rules.auth);
    }
    rules.eap_rules.methods = {method_of(ours ? rules.auth : rules.remote_auth)};
    check_role(section, connection);
    if (ike::proves_by_tls(rules)) {
        connection.eap_password = {};
        return;
    }
    section.require("eap_password", fmt::format("{} = \"{}\"", ours ? "auth" : "remote_auth",
                                                name_of(ours ? rules.auth : rules.remote_auth)));
    check_password(section, connection);
}

}  // namespace keysluice::control
