#include "daemon/control/plaintext_reader.hpp"

#include <fmt/format.h>

#include "daemon/control/delivery_reader.hpp"

namespace keysluice::control {

void read_plaintext(Section& section, TlsService& service) {
    section.choice("plaintext", kPlaintextNames, service.plaintext);
    if (service.plaintext == Plaintext::refuse) {
        return;
    }
    const Position where = section.position("plaintext");
    if (service.mode == Mode::client) {
        section.report(
            where, "wrong-mode",
            "plaintext = \"relay\" is for mode = \"server\": in client mode, plaintext is what clients speak");
    }
    // Whoever says one of these relies on it for every connection.
    const auto contradicts = [&](bool said, std::string_view what) {
        if (said) {
            section.report(where, "plaintext-contradicted",
                           fmt::format("plaintext = \"relay\" lets clients pass without TLS, which {} rules out: "
                                       "expected only one of them",
                                       what));
        }
    };
    contradicts(service.client_certificate == ClientCertificate::required, "client_certificate = \"required\"");
    contradicts(service.offload == Offload::require, "offload = \"require\"");
    contradicts(service.deliver == Deliver::handoff, "deliver = \"handoff\"");
    contradicts(takes_submissions(service), "\"submit:/PATH\" in listen");
}

}  // namespace keysluice::control
