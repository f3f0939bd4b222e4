#include "tls/tickets.hpp"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "tls/kept.hpp"
#include "tls/observations.hpp"
#include "tls/server_name.hpp"

namespace keysluice::tls {

namespace {

/// As many as OpenSSL gives out by itself: a client that opens two connections at once uses a ticket for each.
constexpr std::size_t kTicketsOfFullHandshake = 2;
constexpr std::size_t kIvSize = 16;
/// More than this of intermediate certificates, and a session is not resumed.
constexpr std::size_t kMostIntermediates = 8192;

using StoreContextPtr = std::unique_ptr<X509_STORE_CTX, Free<X509_STORE_CTX_free>>;

const Resumption* find_resumption(const SSL* ssl) {
    return kept_by<Resumption>(SSL_get_SSL_CTX(ssl));
}

/// What we write into a ticket beside what OpenSSL has there, which is renewed with every resumption and knows of the
/// peer's own certificate only.
struct Origin {
    Instant begun{};  ///< the full handshake
    UseCount uses;
    std::string server_name;                  ///< in lower case
    std::vector<std::uint8_t> intermediates;  ///< DER, one behind the other, as the peer sent them
};

constexpr std::uint8_t kOriginFormat = 2;

std::vector<std::uint8_t> encode(const Origin& origin) {
    Writer to;
    to.be(kOriginFormat)
        .be(static_cast<std::uint64_t>(origin.begun.time_since_epoch().count()))
        .be(origin.uses.place)
        .be(origin.uses.id)
        .prefixed<std::uint8_t>(as_bytes(origin.server_name))
        .prefixed<std::uint16_t>(origin.intermediates);
    return std::move(to).release();
}

std::optional<Origin> origin_of(SSL_SESSION* session) {
    void* data = nullptr;
    std::size_t size = 0;
    SSL_SESSION_get0_ticket_appdata(session, &data, &size);
    Reader from(Bytes{static_cast<const std::uint8_t*>(data), size});
    Origin origin;
    const bool known = from.be<std::uint8_t>() == kOriginFormat;
    origin.begun = Instant(Duration(static_cast<Duration::rep>(from.be<std::uint64_t>())));
    origin.uses.place = from.be<std::uint32_t>();
    origin.uses.id = from.be<std::uint64_t>();
    origin.server_name = as_text(from.prefixed<std::uint8_t>());
    const Bytes intermediates = from.prefixed<std::uint16_t>();
    origin.intermediates.assign(intermediates.begin(), intermediates.end());
    return known && from.finished() ? std::optional(std::move(origin)) : std::nullopt;
}

std::vector<std::uint8_t> intermediates_of(const SSL* ssl) {
    std::vector<std::uint8_t> all;
    const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl);  // on a server without the peer's own
    for (int i = 0; i < sk_X509_num(chain); ++i) {
        unsigned char* der = nullptr;
        const int size = i2d_X509(sk_X509_value(chain, i), &der);
        all.insert(all.end(), der, der + std::max(size, 0));
        OPENSSL_free(der);
    }
    return all.size() <= kMostIntermediates ? all : std::vector<std::uint8_t>();
}

ChainPtr certificates_in(const std::vector<std::uint8_t>& all) {
    ChainPtr chain(sk_X509_new_null());
    const unsigned char* next = all.data();
    const unsigned char* const end = next + all.size();
    while (next != end) {
        X509* certificate = d2i_X509(nullptr, &next, end - next);
        if (certificate == nullptr) {
            break;
        }
        sk_X509_push(chain.get(), certificate);
    }
    return chain;
}

/// What OpenSSL does in a full handshake and leaves out when a session is resumed: the certificate that the session
/// began with against whom we trust now, and the time of day.
bool still_verifies(SSL* ssl, X509* certificate, const Origin& origin) {
    const ChainPtr intermediates = certificates_in(origin.intermediates);
    const StoreContextPtr context(X509_STORE_CTX_new());
    if (!context || X509_STORE_CTX_init(context.get(), SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl)), certificate,
                                        intermediates.get()) != 1) {
        return false;
    }
    X509_VERIFY_PARAM* rules = X509_STORE_CTX_get0_param(context.get());
    X509_VERIFY_PARAM_set_auth_level(rules, SSL_get_security_level(ssl));
    X509_STORE_CTX_set_ex_data(context.get(), SSL_get_ex_data_X509_STORE_CTX_idx(), ssl);
    X509_STORE_CTX_set_default(context.get(), "ssl_client");
    X509_VERIFY_PARAM_set1(rules, SSL_get0_param(ssl));
    X509_STORE_CTX_set_verify_cb(context.get(), SSL_get_verify_callback(ssl));
    const bool verified = X509_verify_cert(context.get()) == 1;
    ERR_clear_error();
    if (!verified) {
        // The handshake becomes a full one, in which the client may show another certificate.
        Observations& seen = observations_of(ssl);
        seen.objection.clear();
        seen.rejected_subject.clear();
    }
    return verified;
}

bool certificate_holds(SSL* ssl, SSL_SESSION* session, const Origin& origin) {
    const int mode = SSL_get_verify_mode(ssl);
    X509* certificate = SSL_SESSION_get0_peer(session);
    if (certificate == nullptr) {
        return (mode & SSL_VERIFY_FAIL_IF_NO_PEER_CERT) == 0;
    }
    return mode != SSL_VERIFY_NONE && still_verifies(ssl, certificate, origin);
}

/// RFC 6066 3: "A server that implements this extension MUST NOT accept the request to resume the session if the
/// server_name extension contains a different name." Under TLS 1.3, a session is not tied to a name; whether the
/// certificate is good for both is the client's to see (RFC 8446 4.6.1).
bool name_holds(const SSL* ssl, const Origin& origin) {
    return SSL_version(ssl) == TLS1_3_VERSION || origin.server_name == lower_case(observations_of(ssl).server_name);
}

/// Whether a session from a ticket may go on; when it may, that counts as a use.
bool may_resume(SSL* ssl, SSL_SESSION* session) {
    const Resumption& rules = *find_resumption(ssl);
    const Instant now = observations_of(ssl).begun;
    const auto origin = origin_of(session);
    return origin && origin->begun <= now && now < origin->begun + rules.lifetime && name_holds(ssl, *origin) &&
           certificate_holds(ssl, session, *origin) && (rules.max_uses == 0 || rules.office->count(origin->uses));
}

/// Another session's ticket is no fault: the handshake becomes a full one.
SSL_TICKET_RETURN on_opened(SSL* ssl, SSL_SESSION* session, const unsigned char* /*name*/, std::size_t /*size*/,
                            SSL_TICKET_STATUS status, void* /*argument*/) {
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) {
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    }
    // RFC 8446 C.4: "Clients SHOULD NOT reuse a ticket for multiple connections." So they need another one.
    // Under TLS 1.2 everybody sees which session goes on, and the ticket that the client has stays good.
    const bool tls13 = SSL_version(ssl) == TLS1_3_VERSION;
    return !may_resume(ssl, session) ? SSL_TICKET_RETURN_IGNORE_RENEW
                                     : (tls13 ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_USE);
}

int on_sealing(SSL* ssl, void* /*argument*/) {
    SSL_SESSION* session = SSL_get_session(ssl);
    const Resumption& rules = *find_resumption(ssl);
    const Instant now = observations_of(ssl).begun;
    auto origin = origin_of(session);
    if (!origin) {
        const Instant until = now + rules.lifetime;
        origin =
            Origin{.begun = now,
                   .uses = rules.max_uses == 0 ? UseCount{} : rules.office->begin_count(rules.max_uses, until, now),
                   .server_name = lower_case(observations_of(ssl).server_name),
                   .intermediates = intermediates_of(ssl)};
        const auto text = encode(*origin);
        if (SSL_SESSION_set1_ticket_appdata(session, text.data(), text.size()) != 1) {
            return 0;
        }
    }
    // What the client is told, in whole seconds: of a resumed session the rest. Rounded up, so that no client gives
    // up a ticket early; may_resume() is exact.
    const auto left = std::chrono::ceil<std::chrono::seconds>(origin->begun + rules.lifetime - now);
    SSL_SESSION_set_timeout(session, std::max<long>(left.count(), 1));
    return 1;
}

int on_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int sealing) {
    TicketOffice& office = *find_resumption(ssl)->office;
    const auto key = sealing == 1 ? office.sealing_key() : office.key_named({name, TicketKey::kNameSize});
    if (!key) {
        return sealing == 1 ? -1 : 0;
    }
    if (sealing == 1) {
        std::ranges::copy(key->name, name);
        office.randomize({iv, kIvSize});
    }
    std::array<char, 7> digest{"SHA256"};
    // OpenSSL takes copies; its interface only lacks a const.
    const Bytes authentication = key->authentication.expose();
    std::array<OSSL_PARAM, 3> parameters{
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, const_cast<std::uint8_t*>(authentication.data()),
                                          authentication.size()),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0), OSSL_PARAM_construct_end()};
    const bool ready =
        EVP_MAC_CTX_set_params(mac, parameters.data()) == 1 &&
        EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->encryption.expose().data(), iv, sealing) == 1;
    return ready ? 1 : -1;
}

}  // namespace

void resume_sessions(SSL_CTX* context, const Resumption& resumption, std::uint8_t scope) {
    keep(context, std::make_unique<const Resumption>(resumption));
    SSL_CTX_clear_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context, kTicketsOfFullHandshake);
    SSL_CTX_set_timeout(context, std::chrono::ceil<std::chrono::seconds>(resumption.lifetime).count());
    Writer whose;
    whose.be(scope).raw(as_bytes(resumption.audience));
    std::array<std::uint8_t, SSL_MAX_SID_CTX_LENGTH> id{};
    EVP_Digest(whose.view().data(), whose.view().size(), id.data(), nullptr, EVP_sha256(), nullptr);
    SSL_CTX_set_session_id_context(context, id.data(), id.size());
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_key);
    SSL_CTX_set_session_ticket_cb(context, on_sealing, on_opened, nullptr);
}

void prepare_tickets(SSL* ssl) {
    const Resumption* rules = find_resumption(ssl);
    if (rules != nullptr && !rules->office->sealing_key()) {
        SSL_set_options(ssl, SSL_OP_NO_TICKET);
        SSL_set_num_tickets(ssl, 0);  // TLS 1.3 would give out tickets all the same, for a cache
    }
}

}  // namespace keysluice::tls
