#include "daemon/engine/description.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

namespace keysluice {

namespace {

constexpr std::string_view kVersion = "1";

/// A JSON object, member by member, in memory that wipes itself.
class Object {
   public:
    Object() { put(R"({"version":)" + std::string(kVersion)); }

    void text(std::string_view key, std::string_view value) {
        begin(key);
        put("\"");
        for (const char letter : value) {
            escaped(letter);
        }
        put("\"");
    }
    void flag(std::string_view key, bool value) {
        begin(key);
        put(value ? "true" : "false");
    }
    /// In base64 (RFC 4648 section 4).
    void octets(std::string_view key, Bytes value) {
        begin(key);
        put("\"");
        const std::size_t from = json_.size();
        const std::size_t size = (value.size() + 2) / 3 * 4;
        json_.resize(from + size + 1);  // OpenSSL puts a zero behind it
        EVP_EncodeBlock(json_.data() + from, value.data(), static_cast<int>(value.size()));
        json_.pop_back();
        put("\"");
    }
    [[nodiscard]] SecretBuffer end() && {
        put("}");
        return std::move(json_);
    }

   private:
    void put(std::string_view text) { json_.insert(json_.end(), text.begin(), text.end()); }
    void begin(std::string_view key) { put(fmt::format(",\"{}\":", key)); }

    /// RFC 8259 7. What is not ASCII is said octet by octet: it comes from a peer, and may be no UTF-8.
    void escaped(char letter) {
        const auto octet = static_cast<unsigned char>(letter);
        if (letter == '"' || letter == '\\') {
            put("\\");
            put({&letter, 1});
        } else if (octet < ' ' || octet > '~') {
            put(fmt::format("\\u{:04x}", octet));
        } else {
            put({&letter, 1});
        }
    }

    SecretBuffer json_;
};

}  // namespace

Result<SecretBuffer> describe(const Description& description) {
    const tls::Summary& summary = description.summary;
    Object object;
    if (description.id != nullptr) {
        object.text("id", *description.id);
    }
    object.text("service", description.service);
    object.text("peer", description.peer);
    object.text("tls", summary.version == tls::Version::tls13 ? "1.3" : "1.2");
    object.text("cipher_suite", summary.cipher_suite);
    object.text("server_name", summary.server_name);
    object.text("alpn", summary.alpn);
    object.flag("resumed", summary.resumed);
    if (!description.certificate.empty()) {
        object.text("certificate_subject", summary.peer_certificate);
        object.octets("certificate", description.certificate);
    }
    if (description.secrets != nullptr) {
        object.octets("receive_secret", description.secrets->receive.expose());
        object.octets("send_secret", description.secrets->send.expose());
    }
    SecretBuffer json = std::move(object).end();
    if (json.size() > kLargestDescription) {
        return fail("description-too-large",
                    fmt::format("what the application is to be told has {} octets, most of them the peer's "
                                "certificate: expected at most {}",
                                json.size(), kLargestDescription));
    }
    return json;
}

SecretBuffer describe_refusal(std::string_view id, const Error& error) {
    Object object;
    object.text("id", id);
    object.text("reason", error.reason);
    object.text("sentence", error.sentence);
    return std::move(object).end();
}

}  // namespace keysluice
