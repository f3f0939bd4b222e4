// Encrypted parts of IKE messages. The first byte chooses: bits 0 and 1 what is done, bits 2 to 4 the suite.

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>

#include "ike/protection.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using wire::Octets;

namespace {

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

constexpr IkeSuite suite(EncryptionId id, std::uint16_t bits, IntegrityId integrity = IntegrityId::none) {
    return {{id, bits}, integrity, PrfId::hmac_sha2_256, GroupId::x25519};
}

constexpr std::array kSuites{
    suite(EncryptionId::aes_gcm_16, 128),
    suite(EncryptionId::aes_gcm_16, 256),
    suite(EncryptionId::aes_ccm_16, 128),
    suite(EncryptionId::chacha20_poly1305, 0),
    suite(EncryptionId::aes_cbc, 256, IntegrityId::hmac_sha2_256_128),
    suite(EncryptionId::aes_cbc, 128, IntegrityId::hmac_sha2_512_256),
    suite(EncryptionId::aes_ctr, 128, IntegrityId::aes_xcbc_96),
    suite(EncryptionId::des3, 0, IntegrityId::hmac_sha1_96),
};

DirectionKeys keys_of(const IkeSuite& chosen) {
    const Octets bytes(64, 0x2a);
    return {EncryptionKey{Bytes{bytes}.first(encryption_key_size(chosen.encryption))},
            IntegrityKey{Bytes{bytes}.first(integrity_key_size(chosen.integrity))}};
}

/// What a stranger sends.
void open_forged(Toolbox& tools, const IkeSuite& chosen, Bytes input) {
    const std::size_t header = std::min<std::size_t>(input.size(), 32);
    const wire::EncryptedPart part{wire::PayloadType::none, 0, 0, input.first(header), input.subspan(header)};
    const auto opened = open_part(tools, chosen, keys_of(chosen), part);
    require(!opened && (opened.error().reason == "ike-bad-icv" || opened.error().reason == "ike-malformed"));
}

/// What a peer with keys sends whose padding is odd.
void open_authentic(Toolbox& tools, bool cbc, Bytes input) {
    const IkeSuite chosen = cbc ? kSuites[4] : kSuites[1];
    const DirectionKeys keys = keys_of(chosen);
    const auto cipher = cbc ? crypto::Cipher::aes256_cbc : crypto::Cipher::aes256_gcm;
    const Bytes plaintext = input.first(input.size() - input.size() % crypto::block_size(cipher));
    if (plaintext.empty()) {
        return;
    }
    const std::size_t iv = cbc ? 16 : 8;
    Octets nonce(crypto::nonce_size(cipher), 0x2a);
    Octets body(iv, 0x2a);
    body.resize(iv + plaintext.size() + crypto::tag_size(cipher));
    require(
        tools.ciphers
            .seal(cipher, keys.encryption.expose().first(32), nonce, {}, plaintext, MutableBytes{body}.subspan(iv))
            .has_value());
    if (cbc) {
        Octets code(16);
        require(
            tools.macs
                .compute(crypto::MacAlgorithm::hmac_sha256, keys.integrity->expose(), std::array{Bytes{body}}, code)
                .has_value());
        body.insert(body.end(), code.begin(), code.end());
    }
    const auto opened = open_part(tools, chosen, keys, {wire::PayloadType::none, 0, 0, {}, body});
    const std::size_t padding = plaintext.back();
    if (padding >= plaintext.size()) {
        require(!opened && opened.error().reason == "ike-malformed");
    } else {
        require(opened && std::ranges::equal(*opened, plaintext.first(plaintext.size() - padding - 1)));
    }
}

/// The same as Reassembly, said in another way.
struct Model {
    std::uint32_t id = 0;
    std::size_t total = 0;
    std::map<std::size_t, Octets> fragments;

    std::optional<Octets> add(std::uint32_t new_id, std::size_t number, std::size_t new_total,
                              const Octets& content) {
        if (number < 1 || number > new_total || new_total > 64) {
            return std::nullopt;
        }
        if (id != new_id || new_total > total) {
            *this = {new_id, new_total, {}};
        }
        if (new_total == total) {
            fragments.try_emplace(number, content);
        }
        Octets joined;
        for (const auto& [place, fragment] : fragments) {
            joined.insert(joined.end(), fragment.begin(), fragment.end());
        }
        if (joined.size() > 65536) {
            *this = {};
            return std::nullopt;
        }
        if (new_total != total || fragments.size() < total) {
            return std::nullopt;
        }
        *this = {};
        return joined;
    }
};

void reassemble(Bytes input) {
    Reassembly reassembly;
    Model model;
    Reader reader{input};
    while (!reader.rest().empty()) {
        const std::uint32_t id = reader.be<std::uint8_t>() % 4;
        const std::uint16_t number = reader.be<std::uint8_t>();
        const std::uint16_t total = reader.be<std::uint8_t>();
        const std::uint16_t size = reader.be<std::uint16_t>();
        if (!reader.ok()) {
            return;
        }
        const Octets content(size, static_cast<std::uint8_t>(number));
        const wire::EncryptedPart part{wire::PayloadType{static_cast<std::uint8_t>(total)}, number, total, {}, {}};
        const auto whole = reassembly.add(MessageId{id}, part, content);
        const auto expected = model.add(id, number, total, content);
        require(whole && expected ? whole->plaintext == *expected : !whole && !expected);
    }
}

/// What we seal ourselves, in whatever size of datagrams.
void round_trip(Toolbox& tools, const IkeSuite& chosen, Bytes input) {
    Reader reader{input};
    const Fragmentation fragmentation{true, reader.be<std::uint16_t>()};
    wire::UnknownPayload payload;
    payload.type = wire::PayloadType::eap;
    payload.data.assign(reader.rest().begin(), reader.rest().end());
    const std::vector<wire::Payload> payloads{payload};
    const DirectionKeys keys = keys_of(chosen);
    IvCounter counter;
    const auto datagrams = seal_message(tools, chosen, keys, counter, {}, payloads, fragmentation);
    if (!datagrams) {
        require(datagrams.error().reason == "seal-failed" && counter == IvCounter{});
        return;
    }
    require(counter.next == datagrams->size());
    std::optional<Reassembly::Whole> whole;
    Reassembly reassembly;
    for (const Octets& datagram : *datagrams) {
        const bool fragment = datagrams->size() > 1;
        const std::size_t prefix = wire::kHeaderSize + (fragment ? 8 : 4);
        require(datagram.size() > prefix && !whole);
        require(datagram.size() <= fragmentation.datagram_size);
        Reader header{Bytes{datagram}.subspan(wire::kHeaderSize)};
        wire::EncryptedPart part{wire::PayloadType{header.be<std::uint8_t>()}, 1, 1, Bytes{datagram}.first(prefix),
                                 Bytes{datagram}.subspan(prefix)};
        static_cast<void>(header.take(3));
        if (fragment) {
            part.fragment_number = header.be<std::uint16_t>();
            part.total_fragments = header.be<std::uint16_t>();
        }
        auto opened = open_part(tools, chosen, keys, part);
        require(opened.has_value());
        whole = reassembly.add(MessageId{0}, part, std::move(*opened));
    }
    require(whole && whole->first == payload.type && whole->plaintext == wire::emit_payloads(payloads).bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    Toolbox tools;
    const IkeSuite& chosen = kSuites.at((data[0] >> 2U) % kSuites.size());
    const Bytes input = Bytes{data, size}.subspan(1);
    switch (data[0] % 4) {
        case 0:
            open_forged(tools, chosen, input);
            break;
        case 1:
            open_authentic(tools, (data[0] & 4U) != 0, input);
            break;
        case 2:
            reassemble(input);
            break;
        default:
            round_trip(tools, chosen, input);
            break;
    }
    return 0;
}
