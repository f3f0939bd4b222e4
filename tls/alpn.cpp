#include "tls/alpn.hpp"

#include <memory>

#include "base/bytes.hpp"
#include "tls/kept.hpp"

namespace keysluice::tls {

namespace {

/// A ProtocolNameList's contents.
struct Protocols {
    std::vector<std::uint8_t> list;
};

int on_protocols(SSL* /*ssl*/, const unsigned char** out, unsigned char* size, const unsigned char* offered,
                 unsigned offered_size, void* of) {
    const auto& ours = static_cast<const Protocols*>(of)->list;
    unsigned char* chosen = nullptr;  // OpenSSL's interface lacks a const
    const int outcome =
        SSL_select_next_proto(&chosen, size, ours.data(), static_cast<unsigned>(ours.size()), offered, offered_size);
    // RFC 7301 3.2: "In the event that the server supports no protocols that the client advertises, then the server
    // SHALL respond with a fatal "no_application_protocol" alert."
    if (outcome != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

}  // namespace

void speak(SSL_CTX* context, Role role, const std::vector<std::string>& protocols) {
    if (protocols.empty()) {
        return;
    }
    Writer list;
    for (const std::string& each : protocols) {
        list.prefixed<std::uint8_t>(as_bytes(each));
    }
    if (role == Role::client) {
        SSL_CTX_set_alpn_protos(context, list.view().data(), static_cast<unsigned>(list.view().size()));
        return;
    }
    const auto* kept = keep<Protocols>(context, std::make_unique<const Protocols>(std::move(list).release()));
    SSL_CTX_set_alpn_select_cb(context, on_protocols, const_cast<Protocols*>(kept));
}

std::string protocol_of(const SSL* ssl) {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl, &name, &size);
    return {reinterpret_cast<const char*>(name), size};
}

}  // namespace keysluice::tls
