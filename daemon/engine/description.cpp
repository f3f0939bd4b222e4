#include "daemon/engine/description.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

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
        for (std::size_t i = 0; i < value.size(); i += 3) {
            group(value.subspan(i, std::min<std::size_t>(3, value.size() - i)));
        }
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

    /// One to three octets as four characters.
    void group(Bytes octets) {
        static constexpr std::string_view kAlphabet =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        std::uint32_t bits = 0;
        for (std::size_t i = 0; i < 3; ++i) {
            bits = bits << 8U | (i < octets.size() ? octets[i] : 0U);
        }
        for (std::size_t i = 0; i < 4; ++i) {
            const char letter = i <= octets.size() ? kAlphabet[bits >> (18 - 6 * i) & 0x3fU] : '=';
            json_.push_back(static_cast<std::uint8_t>(letter));
        }
        wipe(&bits, sizeof(bits));
    }

    SecretBuffer json_;
};

/// Takes a packet apart. Everything is exactly as expected, or nothing is returned.
class Cursor {
   public:
    explicit Cursor(std::string_view text) : rest_(text) {}

    [[nodiscard]] bool take(char wanted) {
        skip_space();
        const bool there = rest_.starts_with(wanted);
        rest_.remove_prefix(there ? 1 : 0);
        return there;
    }
    [[nodiscard]] bool take(std::string_view wanted) {
        skip_space();
        const bool there = rest_.starts_with(wanted);
        rest_.remove_prefix(there ? wanted.size() : 0);
        return there;
    }
    /// A string without escapes.
    [[nodiscard]] std::optional<std::string_view> string() {
        if (!take('"')) {
            return std::nullopt;
        }
        const auto plain = [](char letter) { return letter >= ' ' && letter <= '~' && letter != '\\'; };
        const std::size_t size = std::min(rest_.find('"'), rest_.size());
        const std::string_view text = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return take('"') && std::ranges::all_of(text, plain) ? std::optional(text) : std::nullopt;
    }
    [[nodiscard]] bool at_end() {
        skip_space();
        return rest_.empty();
    }

   private:
    void skip_space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size())); }

    std::string_view rest_;
};

std::optional<std::string> id_in(std::string_view packet) {
    Cursor cursor(packet);
    std::optional<std::string> id;
    bool version = false;
    if (!cursor.take('{')) {
        return std::nullopt;
    }
    do {
        const auto key = cursor.string();
        if (!key || !cursor.take(':')) {
            return std::nullopt;
        }
        if (*key == "version" && !version) {
            version = cursor.take(kVersion);
        } else if (const auto text = *key == "id" && !id ? cursor.string() : std::nullopt) {
            id = std::string(*text);
        } else {
            return std::nullopt;
        }
    } while (cursor.take(','));
    const bool whole = cursor.take('}') && cursor.at_end() && version && id && id->size() <= kLongestSubmissionId;
    return whole ? id : std::nullopt;
}

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

Result<std::string> parse_submission(Bytes packet) {
    auto id = packet.size() <= kLargestSubmission
                  ? id_in({reinterpret_cast<const char*>(packet.data()), packet.size()})
                  : std::nullopt;
    if (!id) {
        return fail("submission-malformed",
                    R"(an application sent something else than one socket with {"version": 1, "id": "…"})");
    }
    return *std::move(id);
}

}  // namespace keysluice
