#include "tls/session.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <array>
#include <new>
#include <utility>

#include "crypto/credentials.hpp"
#include "tls/alpn.hpp"
#include "tls/cipher_policy.hpp"
#include "tls/failure.hpp"
#include "tls/sealed_record.hpp"

namespace keysluice::tls {

namespace {

/// What a peer sent as SNI or ALPN may hold anything; a status or log line may not.
std::string printable(std::string cleaned) {
    for (char& letter : cleaned) {
        letter = letter > ' ' && letter <= '~' ? letter : '?';
    }
    return cleaned;
}

std::string expected_name(SSL& ssl) {
    X509_VERIFY_PARAM* expected = SSL_get0_param(&ssl);
    if (const char* name = X509_VERIFY_PARAM_get0_host(expected, 0)) {
        return name;
    }
    char* address = X509_VERIFY_PARAM_get1_ip_asc(expected);
    std::string copy{address != nullptr ? address : ""};
    OPENSSL_free(address);
    return copy;
}

}  // namespace

Session::Session(const Context& context, Role role) : role_(role), ssl_(SSL_new(context.get())) {
    BIO* bio = ssl_ ? new_bio(wire_) : nullptr;
    if (bio == nullptr) {
        throw std::bad_alloc();
    }
    SSL_set_bio(ssl_.get(), bio, bio);
    attach(ssl_.get(), seen_);
    seen_.rules = context.rules();
    if (role == Role::server) {
        SSL_set_accept_state(ssl_.get());
    } else {
        SSL_set_connect_state(ssl_.get());
    }
}

Session::~Session() {
    if (seen_.sessions) {
        // Otherwise OpenSSL spoils the session of a connection that it did not see end. RFC 5246 7.2.1: "as of
        // TLS 1.1, failure to properly close a connection no longer requires that a session not be resumed." A fatal
        // alert has done so already (7.2.2).
        SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }
}

Result<std::unique_ptr<Session>> Session::accept(const Context& context, Instant now,
                                                 std::chrono::system_clock::time_point time_of_day) {
    std::unique_ptr<Session> session(new Session(context, Role::server));
    session->seen_.begun = now;
    session->seen_.time_of_day = time_of_day;
    prepare_tickets(session->ssl_.get());
    return session;
}

Result<std::unique_ptr<Session>> Session::connect(const Context& context, const ClientStart& start) {
    std::unique_ptr<Session> session(new Session(context, Role::client));
    SSL* ssl = session->ssl_.get();
    if (context.sessions()) {
        Observations& seen = session->seen_;
        seen.begun = start.now;
        seen.sessions = context.sessions();
        seen.server = start.server;
        const ResumableSession resumable = context.sessions()->take(start.server, start.now, start.time);
        if (resumable.session && SSL_set_session(ssl, resumable.session.get()) == 1) {
            seen.session_begun = resumable.begun;
        }
    }
    // RFC 6066 3: "Literal IPv4 and IPv6 addresses are not permitted in "HostName"."
    if (char* name = X509_VERIFY_PARAM_get0_host(SSL_get0_param(ssl), 0)) {
        SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name);
    }
    if (auto started = session->feed({}); !started) {
        return pass_on(std::move(started));
    }
    return session;
}

Result<void> Session::feed(Bytes record) {
    const std::size_t waiting = output().size();
    ERR_clear_error();
    wire_.input = record;
    const int result = SSL_do_handshake(ssl_.get());
    const Bytes unread = std::exchange(wire_.input, {});
    sent_records_.note(output().subspan(waiting));
    if (result != 1) {
        if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ) {
            return {};
        }
        return std::unexpected(failure("handshake-failed"));
    }
    seen_.established = true;
    if (!unread.empty()) {
        return fail("not-one-record",
                    fmt::format("{} bytes were fed behind the record that ended the handshake", unread.size()));
    }
    return {};
}

Error Session::failure(std::string_view fallback) {
    Error error = take_failure(fallback);
    if (seen_.stopped_without_extended_master_secret) {
        return {"no-extended-master-secret",
                "the peer offers TLS 1.2 without the extended master secret (RFC 7627); it needs that or TLS 1.3"};
    }
    if (!seen_.objection.empty()) {
        return {"peer-not-welcome",
                fmt::format("the certificate of {}: {}", seen_.rejected_subject, seen_.objection)};
    }
    if (error.reason == "certificate-rejected") {
        error.sentence = fmt::format("the certificate of {} does not verify: {}", seen_.rejected_subject,
                                     X509_verify_cert_error_string(SSL_get_verify_result(ssl_.get())));
        if (role_ == Role::client) {
            error.sentence += fmt::format("; expected was a certificate for {}", expected_name(*ssl_));
        }
    }
    return error;
}

Summary Session::summary() const {
    const SSL* ssl = ssl_.get();
    const SSL_CIPHER* suite = SSL_get_current_cipher(ssl);
    const X509* peer = SSL_get0_peer_certificate(ssl);
    const char* asked_for = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);  // for a client
    return {
        .version = version(),
        .cipher = cipher_of(*suite),
        .cipher_suite = SSL_CIPHER_standard_name(suite),
        .openssl_suite = SSL_CIPHER_get_name(suite),
        .server_name = printable(role_ == Role::server || asked_for == nullptr ? seen_.server_name : asked_for),
        .alpn = printable(protocol_of(ssl)),
        .peer_certified = peer != nullptr,
        .peer_certificate = peer != nullptr ? crypto::subject_of(*peer) : std::string(),
        .peer_common_name = peer != nullptr ? crypto::common_name_of(*peer) : std::string(),
        .resumed = SSL_session_reused(ssl) == 1,
    };
}

Version Session::version() const {
    return SSL_version(ssl_.get()) == TLS1_3_VERSION ? Version::tls13 : Version::tls12;
}

std::vector<std::uint8_t> Session::peer_certificate() const {
    const X509* peer = SSL_get0_peer_certificate(ssl_.get());
    std::vector<std::uint8_t> der(peer != nullptr ? static_cast<std::size_t>(std::max(i2d_X509(peer, nullptr), 0))
                                                  : 0);
    if (!der.empty()) {
        unsigned char* end = der.data();
        i2d_X509(peer, &end);
    }
    return der;
}

std::optional<std::string_view> Session::kernel_obstacle() const {
    if (cipher_of(*SSL_get_current_cipher(ssl_.get())) == Cipher::other) {
        return "cipher-not-in-kernel";
    }
    if (SSL_SESSION_get_max_fragment_length(SSL_get_session(ssl_.get())) != TLSEXT_max_fragment_length_DISABLED) {
        return "max-fragment-length";
    }
    if (SSL_has_pending(ssl_.get()) == 1 || record_layer_used_) {
        return "plaintext-pending";
    }
    return std::nullopt;
}

Result<SessionKeys> Session::export_keys() {
    const bool tls13 = SSL_version(ssl_.get()) == TLS1_3_VERSION;
    if (!established() || !output().empty() || kernel_obstacle().has_value() ||
        (tls13 && seen_.client_traffic_secret.empty())) {
        return fail("keys-unavailable",
                    "keys leave a session only when its context exports them, its handshake is done, its output is "
                    "sent and nothing stands in the kernel's way");
    }
    const SSL_CIPHER& suite = *SSL_get_current_cipher(ssl_.get());
    if (!tls13) {
        return export_tls12(suite);
    }
    auto keys = tls13_keys(role_, cipher_of(suite), hash_of(suite), seen_.client_traffic_secret.expose(),
                           seen_.server_traffic_secret.expose());
    if (keys && role_ == Role::server) {
        // Whatever a server sends after the client's Finished is under its application keys already.
        keys->write.sequence = sent_records_.in_last_flight();
    }
    return keys;
}

Result<SessionKeys> Session::export_tls12(const SSL_CIPHER& suite) const {
    Secret<SSL_MAX_MASTER_KEY_LENGTH> master;
    const MutableBytes room = master.writable(SSL_MAX_MASTER_KEY_LENGTH);
    SSL_SESSION_get_master_key(SSL_get_session(ssl_.get()), room.data(), room.size());
    std::array<std::uint8_t, SSL3_RANDOM_SIZE> client_random{};
    std::array<std::uint8_t, SSL3_RANDOM_SIZE> server_random{};
    SSL_get_client_random(ssl_.get(), client_random.data(), client_random.size());
    SSL_get_server_random(ssl_.get(), server_random.data(), server_random.size());
    return tls12_keys(role_, cipher_of(suite), hash_of(suite), {master.expose(), client_random, server_random},
                      sent_records_.finished_nonce());
}

bool Session::wants_ticket() const {
    return seen_.sessions && version() == Version::tls13 && seen_.sessions->wants(seen_.server);
}

Result<void> Session::late_ticket(Bytes message) {
    if (!established() || role_ != Role::client || version() != Version::tls13 ||
        seen_.server_traffic_secret.empty()) {
        return fail("keys-unavailable", "tickets come late to clients of TLS 1.3 only, whose keys were exported");
    }
    const SSL_CIPHER& suite = *SSL_get_current_cipher(ssl_.get());
    const auto keys = tls13_keys(role_, cipher_of(suite), hash_of(suite), seen_.client_traffic_secret.expose(),
                                 seen_.server_traffic_secret.expose());
    if (!keys) {
        return std::unexpected(keys.error());
    }
    // OpenSSL lets a ticket in as a record only. This one is for its eyes: it never leaves the process, so the
    // numbers of records that the kernel has seen do not matter.
    const auto record = seal_record(keys->cipher, keys->read, late_tickets_++, ContentType::handshake, message);
    if (!record) {
        return std::unexpected(record.error());
    }
    receive(*record);
    std::array<std::uint8_t, 1> nothing{};
    const auto read = this->read(nothing);
    return read ? Result<void>{} : std::unexpected(read.error());
}

void Session::receive(Bytes ciphertext) {
    record_layer_used_ = true;
    wire_.input = ciphertext;
}

Result<ReadOutcome> Session::read(MutableBytes into) {
    std::size_t count = 0;
    ERR_clear_error();
    const int result = SSL_read_ex(ssl_.get(), into.data(), into.size(), &count);
    const int error = SSL_get_error(ssl_.get(), result);
    if (result == 1) {
        seen_.flood.data(count);
        seen_.keys.receive(count);
    }
    if (auto flood = seen_.flood.verdict()) {
        wire_.input = {};
        return std::unexpected(std::move(*flood));
    }
    if (result == 1) {
        return ReadOutcome{Read::data, count};
    }
    if (error == SSL_ERROR_WANT_READ) {
        return ReadOutcome{Read::want_more, 0};
    }
    wire_.input = {};
    if (error == SSL_ERROR_ZERO_RETURN) {
        return ReadOutcome{Read::closed, 0};
    }
    return std::unexpected(failure("record-layer-failed"));
}

Result<void> Session::write(Bytes plaintext) {
    record_layer_used_ = true;
    std::size_t count = 0;
    ERR_clear_error();
    if (!plaintext.empty() && SSL_write_ex(ssl_.get(), plaintext.data(), plaintext.size(), &count) != 1) {
        return std::unexpected(failure("record-layer-failed"));
    }
    seen_.flood.data(count);
    seen_.keys.send(count);
    return {};
}

Result<void> Session::change_keys(bool asking) {
    ERR_clear_error();
    asking = asking && SSL_get_key_update_type(ssl_.get()) == SSL_KEY_UPDATE_NONE;
    const int kind = asking ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED;
    if (SSL_key_update(ssl_.get(), kind) != 1 || SSL_do_handshake(ssl_.get()) != 1) {
        return std::unexpected(failure("record-layer-failed"));
    }
    seen_.keys.changed_ours(asking);
    return {};
}

Result<void> Session::close_notify() {
    record_layer_used_ = true;
    ERR_clear_error();
    // Called again, SSL_shutdown would read the peer's answer.
    if ((SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN) == 0 && SSL_shutdown(ssl_.get()) < 0) {
        return std::unexpected(failure("record-layer-failed"));
    }
    return {};
}

}  // namespace keysluice::tls
