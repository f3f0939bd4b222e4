#include "tls/identities.hpp"

#include <fmt/format.h>
#include <openssl/err.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <ranges>
#include <utility>

#include "crypto/credentials.hpp"
#include "crypto/ocsp.hpp"
#include "tls/kept.hpp"
#include "tls/observations.hpp"
#include "tls/server_name.hpp"

namespace keysluice::tls {

namespace {

/// A certificate that was read.
struct Shown {
    std::string file;
    CertificatePtr leaf;
    ChainPtr intermediates;  ///< null: none
    PrivateKeyPtr key;
    std::optional<crypto::OcspResponse> ocsp;
    std::vector<std::string> names;  ///< in lower case

    [[nodiscard]] bool same_kind(const Shown& other) const {
        return EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_get_base_id(other.key.get());
    }
};

/// One certificate of a kind.
using Kinds = std::vector<const Shown*>;

const Shown* of_same_kind(const Kinds& kinds, const Shown& shown) {
    const auto found = std::ranges::find_if(kinds, [&](const Shown* each) { return each->same_kind(shown); });
    return found == kinds.end() ? nullptr : *found;
}

bool show(SSL* ssl, const Kinds& kinds) {
    return std::ranges::all_of(kinds, [&](const Shown* each) {
        return SSL_use_cert_and_key(ssl, each->leaf.get(), each->key.get(), each->intermediates.get(), 1) == 1;
    });
}

/// Under TLS 1.2 the cipher suite says what kind of key signs; one has to be common to both sides.
bool has_suite_for(SSL* ssl, const Shown& shown) {
    const int needed = EVP_PKEY_get_base_id(shown.key.get()) == EVP_PKEY_RSA ? NID_auth_rsa : NID_auth_ecdsa;
    const STACK_OF(SSL_CIPHER)* offered = SSL_get_client_ciphers(ssl);
    for (int i = 0; i < sk_SSL_CIPHER_num(offered); ++i) {
        const SSL_CIPHER* suite = sk_SSL_CIPHER_value(offered, i);
        if (SSL_CIPHER_get_auth_nid(suite) == needed && sk_SSL_CIPHER_find(SSL_get_ciphers(ssl), suite) >= 0) {
            return true;
        }
    }
    return false;
}

/// Whether this client can verify the certificate and signatures of its key. In certificate callbacks only.
bool suits(SSL* ssl, const Shown& shown) {
    constexpr int kBoth = CERT_PKEY_VALID | CERT_PKEY_SIGN;
    const int found = SSL_check_chain(ssl, shown.leaf.get(), shown.key.get(), shown.intermediates.get());
    return (found & kBoth) == kBoth && (SSL_version(ssl) == TLS1_3_VERSION || has_suite_for(ssl, shown));
}

/// All certificates of a context.
class Collection {
   public:
    Result<void> read(const Identity& identity, std::chrono::system_clock::time_point now);
    /// Once all are read.
    Result<void> assign_names();
    /// Makes the context show them.
    static Result<void> install(std::unique_ptr<const Collection> collection, SSL_CTX* context);

   private:
    static int on_choice(SSL* ssl, void* collection);
    static int on_status(SSL* ssl, void* collection);

    [[nodiscard]] ChainPtr share(std::vector<CertificatePtr> intermediates);
    [[nodiscard]] const Kinds* find(const std::string& name) const;
    [[nodiscard]] Kinds for_others() const;
    [[nodiscard]] const crypto::OcspResponse* response_for(const X509* certificate) const;
    [[nodiscard]] Result<void> check(SSL_CTX* context) const;

    std::deque<Shown> all_;  ///< the first one first
    std::map<std::string, Kinds, std::less<>> by_name_;
    std::vector<CertificatePtr> intermediates_;  ///< each one once
};

/// Many certificates of one authority share what leads to it.
ChainPtr Collection::share(std::vector<CertificatePtr> intermediates) {
    if (intermediates.empty()) {
        return nullptr;
    }
    ChainPtr chain(sk_X509_new_null());
    for (CertificatePtr& each : intermediates) {
        auto known = std::ranges::find_if(
            intermediates_, [&](const CertificatePtr& other) { return X509_cmp(other.get(), each.get()) == 0; });
        if (known == intermediates_.end()) {
            known = intermediates_.insert(intermediates_.end(), std::move(each));
        }
        X509_up_ref(known->get());
        if (!chain || sk_X509_push(chain.get(), known->get()) == 0) {
            throw std::bad_alloc();
        }
    }
    return chain;
}

Result<void> Collection::read(const Identity& identity, std::chrono::system_clock::time_point now) {
    auto chain = crypto::read_certificate_chain(identity.certificate, now);
    if (!chain) {
        return pass_on(std::move(chain));
    }
    auto key = crypto::read_private_key(identity.private_key, *chain->leaf);
    if (!key) {
        return pass_on(std::move(key));
    }
    std::optional<crypto::OcspResponse> ocsp;
    if (!identity.ocsp.empty()) {
        auto response = crypto::read_ocsp_response(identity.ocsp, *chain);
        if (!response) {
            return pass_on(std::move(response));
        }
        ocsp = *std::move(response);
    }
    Shown& shown = all_.emplace_back(Shown{.file = identity.certificate.native(),
                                           .leaf = std::move(chain->leaf),
                                           .intermediates = share(std::move(chain->intermediates)),
                                           .key = *std::move(key),
                                           .ocsp = std::move(ocsp),
                                           .names = {}});
    for (const std::string& name : identity.names.empty() ? crypto::dns_names_of(*shown.leaf) : identity.names) {
        if (is_name_pattern(name)) {
            shown.names.push_back(lower_case(name));
        }
    }
    return {};
}

Result<void> Collection::assign_names() {
    for (const Shown& shown : all_ | std::views::drop(1)) {
        if (shown.names.empty()) {
            return fail("certificate-nameless", fmt::format("{}: this certificate has no DNS names; say in names "
                                                            "which clients it is for",
                                                            shown.file));
        }
        for (const std::string& name : shown.names) {
            Kinds& kinds = by_name_[name];
            const Shown* other = of_same_kind(kinds, shown);
            if (other != nullptr && other != &shown) {
                return fail("certificate-ambiguous",
                            fmt::format("{}: for {} there is another certificate with the same kind of key already, "
                                        "{}; give one of them other names",
                                        shown.file, name, other->file));
            }
            if (other == nullptr) {
                kinds.push_back(&shown);
            }
        }
    }
    // It is for those clients that no other one is for.
    for (const std::string& name : all_.front().names) {
        Kinds& kinds = by_name_[name];
        if (of_same_kind(kinds, all_.front()) == nullptr) {
            kinds.push_back(&all_.front());
        }
    }
    return {};
}

const Kinds* Collection::find(const std::string& name) const {
    const auto found = name.empty() ? by_name_.end() : by_name_.find(name);
    return found == by_name_.end() ? nullptr : &found->second;
}

Kinds Collection::for_others() const {
    const Shown& first = all_.front();
    Kinds kinds{&first};
    if (!first.names.empty()) {
        std::ranges::copy_if(by_name_.find(first.names.front())->second, std::back_inserter(kinds),
                             [&](const Shown* each) { return !each->same_kind(first); });
    }
    return kinds;
}

/// What OpenSSL refuses, it refuses now.
Result<void> Collection::check(SSL_CTX* context) const {
    const SslPtr scratch(SSL_new(context));
    if (!scratch) {
        throw std::bad_alloc();
    }
    for (const Shown& shown : all_) {
        ERR_clear_error();
        if (!show(scratch.get(), {&shown})) {
            return fail("certificate-refused", fmt::format("{}: OpenSSL refuses this certificate: {}", shown.file,
                                                           crypto::take_openssl_error()));
        }
    }
    return {};
}

Result<void> Collection::install(std::unique_ptr<const Collection> collection, SSL_CTX* context) {
    if (auto checked = collection->check(context); !checked) {
        return checked;
    }
    for (const Shown* each : collection->for_others()) {
        SSL_CTX_use_cert_and_key(context, each->leaf.get(), each->key.get(), each->intermediates.get(), 1);
    }
    const bool several = collection->all_.size() > 1;
    const bool stapled =
        std::ranges::any_of(collection->all_, [](const Shown& each) { return each.ocsp.has_value(); });
    if (several || stapled) {
        auto* kept = const_cast<Collection*>(keep(context, std::move(collection)));
        if (several) {
            SSL_CTX_set_cert_cb(context, on_choice, kept);
        }
        if (stapled) {
            // What SSL_CTX_set_tlsext_status_cb() and …_arg() are.
            SSL_CTX_callback_ctrl(context, SSL_CTRL_SET_TLSEXT_STATUS_REQ_CB,
                                  reinterpret_cast<void (*)()>(on_status));
            SSL_CTX_ctrl(context, SSL_CTRL_SET_TLSEXT_STATUS_REQ_CB_ARG, 0, kept);
        }
    }
    return {};
}

/// Only in full handshakes.
int Collection::on_choice(SSL* ssl, void* collection) {
    const auto& own = *static_cast<const Collection*>(collection);
    const std::string name = lower_case(observations_of(ssl).server_name);
    const Kinds* exact = own.find(name);
    const Kinds* wildcard = own.find(wildcard_for(name));
    if (exact == nullptr && wildcard == nullptr) {
        return 1;  // the context has those for others
    }
    SSL_certs_clear(ssl);
    // OpenSSL chooses by the kinds of keys, and knows nothing of names.
    if (exact != nullptr && std::ranges::any_of(*exact, [&](const Shown* each) { return suits(ssl, *each); })) {
        return show(ssl, *exact) ? 1 : 0;
    }
    // Of one kind, the last one counts.
    const bool shown = (wildcard == nullptr || show(ssl, *wildcard)) && (exact == nullptr || show(ssl, *exact));
    return shown ? 1 : 0;
}

const crypto::OcspResponse* Collection::response_for(const X509* certificate) const {
    for (const Shown& each : all_) {
        if (each.leaf.get() == certificate && each.ocsp) {
            return &*each.ocsp;
        }
    }
    return nullptr;
}

int Collection::on_status(SSL* ssl, void* collection) {
    const auto& own = *static_cast<const Collection*>(collection);
    const crypto::OcspResponse* response = own.response_for(SSL_get_certificate(ssl));
    if (response == nullptr || !response->current(observations_of(ssl).time_of_day)) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    const auto& der = response->der;
    void* copy = OPENSSL_memdup(der.data(), der.size());
    if (copy == nullptr) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(der.size()));  // takes it
    return SSL_TLSEXT_ERR_OK;
}

}  // namespace

Result<void> show_certificates(SSL_CTX* context, const std::vector<Identity>& identities,
                               std::chrono::system_clock::time_point now) {
    auto collection = std::make_unique<Collection>();
    for (const Identity& each : identities) {
        if (auto read = collection->read(each, now); !read) {
            return read;
        }
    }
    if (auto assigned = collection->assign_names(); !assigned) {
        return assigned;
    }
    return Collection::install(std::move(collection), context);
}

}  // namespace keysluice::tls
