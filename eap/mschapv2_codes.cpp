#include "eap/mschapv2_codes.hpp"

#include <algorithm>
#include <initializer_list>
#include <optional>

#include "base/secret_buffer.hpp"
#include "crypto/digest.hpp"

namespace keysluice::eap {
namespace {

// RFC 2759 section 8.7.
constexpr std::string_view kServerSigns = "Magic server to client signing constant";
constexpr std::string_view kPad = "Pad to make it do more than one iteration";
// RFC 3079 section 3.4.
constexpr std::string_view kMasterKey = "This is the MPPE Master Key";
constexpr std::string_view kToServer =
    "On the client side, this is the send key; on the server side, it is the receive key.";
constexpr std::string_view kToPeer =
    "On the client side, this is the receive key; on the server side, it is the send key.";
constexpr std::size_t kShaPad = 40;
constexpr std::size_t kStartKey = 16;

Secret<20> sha1_of(std::initializer_list<Bytes> parts) {
    SecretBuffer whole;
    for (const Bytes part : parts) {
        whole.insert(whole.end(), part.begin(), part.end());
    }
    crypto::Sha1 digest = crypto::sha1(whole);
    Secret<20> out{digest};
    wipe(digest.data(), digest.size());
    return out;
}

/// RFC 2759 section 4, of the name: "The Windows NT domain name […] MUST NOT be included" in what is hashed.
Bytes without_domain(std::string_view name) {
    const auto domain = name.rfind('\\');
    return as_bytes(domain == std::string_view::npos ? name : name.substr(domain + 1));
}

/// ChallengeHash(), section 8.2: the first 8 octets count.
Secret<20> challenge_hash(const Exchanged& known, std::string_view name) {
    return sha1_of({known.peer, known.server, without_domain(name)});
}

/// The next code point of UTF-8, nothing where it is none, or one of UTF-16's surrogates.
std::optional<std::uint32_t> take_code_point(Reader& reader) {
    const std::uint32_t first = reader.be<std::uint8_t>();
    const std::size_t more = first < 0x80 ? 0 : first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC2 ? 1 : 4;
    if (more == 4 || first > 0xF4) {
        return {};
    }
    std::uint32_t value = more == 0 ? first : first & (0x3FU >> more);
    for (std::size_t i = 0; i < more; ++i) {
        const auto next = reader.be<std::uint8_t>();
        if (!reader.ok() || (next & 0xC0U) != 0x80) {
            return {};
        }
        value = value << 6U | (next & 0x3FU);
    }
    constexpr std::array<std::uint32_t, 4> kLeast{0, 0x80, 0x800, 0x10000};
    const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
    return value < kLeast.at(more) || surrogate || value > 0x10FFFF ? std::nullopt : std::optional(value);
}

/// Section 8.3 wants "0-to-256-unicode-char Password", in UTF-16 with the low octet first.
std::optional<SecretBuffer> utf16(Bytes password) {
    SecretBuffer text;
    text.reserve(2 * password.size());
    const auto put = [&](std::uint32_t unit) {
        text.push_back(static_cast<std::uint8_t>(unit));
        text.push_back(static_cast<std::uint8_t>(unit >> 8U));
    };
    Reader reader(password);
    while (!reader.rest().empty()) {
        const auto point = take_code_point(reader);
        if (!point) {
            return {};
        }
        if (*point >= 0x10000) {
            put(0xD800 + ((*point - 0x10000) >> 10U));
            put(0xDC00 + ((*point - 0x10000) & 0x3FFU));
        } else {
            put(*point);
        }
    }
    return text;
}

/// GetAsymmetricStartKey() of RFC 3079 section 3.4.
Secret<20> start_key(Bytes master, std::string_view direction) {
    std::array<std::uint8_t, kShaPad> first{};
    std::array<std::uint8_t, kShaPad> second{};
    second.fill(0xF2);
    return sha1_of({master, first, as_bytes(direction), second});
}

}  // namespace

Result<NtHash> nt_hash(crypto::LegacyAlgorithms& legacy, Bytes password) {
    const auto text = utf16(password);
    if (!text) {
        return fail("password-encoding", "the password is not written in UTF-8, as MS-CHAP-V2 wants it");
    }
    return legacy.md4(*text);
}

Result<NtResponse> nt_response(crypto::LegacyAlgorithms& legacy, const NtHash& hash, const Exchanged& known,
                               std::string_view name) {
    const Secret<20> challenge = challenge_hash(known, name);
    // Section 8.5: the hash, padded with zeros to 21 octets, is three keys of DES.
    Secret<21> padded;
    const MutableBytes keys = padded.writable(21);
    std::ranges::fill(keys, std::uint8_t{0});
    std::ranges::copy(hash.expose(), keys.begin());
    NtResponse response{};
    for (std::size_t i = 0; i < 3; ++i) {
        auto done = legacy.des(Bytes(keys).subspan(7 * i, 7), challenge.expose().first(8),
                               MutableBytes(response).subspan(8 * i, 8));
        if (!done) {
            return pass_on(std::move(done));
        }
    }
    return response;
}

Result<std::string> authenticator_response(crypto::LegacyAlgorithms& legacy, const NtHash& hash,
                                           const Exchanged& known, std::string_view name) {
    auto hash_of_hash = legacy.md4(hash.expose());
    if (!hash_of_hash) {
        return pass_on(std::move(hash_of_hash));
    }
    const auto signing = sha1_of({hash_of_hash->expose(), known.response, as_bytes(kServerSigns)});
    const auto code = sha1_of({signing.expose(), challenge_hash(known, name).expose().first(8), as_bytes(kPad)});
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string text = "S=";
    for (const std::uint8_t octet : code.expose()) {
        text += kDigits[octet >> 4U];
        text += kDigits[octet & 0xFU];
    }
    return text;
}

Result<Msk> msk_of(crypto::LegacyAlgorithms& legacy, const NtHash& hash, const NtResponse& response) {
    auto hash_of_hash = legacy.md4(hash.expose());
    if (!hash_of_hash) {
        return pass_on(std::move(hash_of_hash));
    }
    const auto master = sha1_of({hash_of_hash->expose(), response, as_bytes(kMasterKey)});
    Msk msk;
    const MutableBytes out = msk.writable(64);
    std::ranges::fill(out, std::uint8_t{0});
    const Bytes master_key = master.expose().first(kStartKey);
    std::ranges::copy(start_key(master_key, kToServer).expose().first(kStartKey), out.begin());
    std::ranges::copy(start_key(master_key, kToPeer).expose().first(kStartKey), out.begin() + kStartKey);
    return msk;
}

}  // namespace keysluice::eap
