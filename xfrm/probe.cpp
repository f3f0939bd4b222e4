#include "xfrm/probe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "xfrm/algorithms.hpp"

namespace keysluice::xfrm {
namespace {

enum class Kind { aead, cipher, authentication };

struct Candidate {
    std::string_view name;
    Kind kind;
    /// Bytes, with salt or nonce.
    std::size_t key;
    /// Of an authentication: how many bits of it travel.
    std::uint16_t bits;
    std::string_view brought_by;
};

constexpr std::array kCandidates{
    Candidate{algorithms::kAesGcm, Kind::aead, 20, 128, "CONFIG_CRYPTO_GCM and CONFIG_CRYPTO_AES (modules gcm, aes)"},
    Candidate{algorithms::kChaCha20Poly1305, Kind::aead, 36, 128,
              "CONFIG_CRYPTO_CHACHA20POLY1305 (module chacha20poly1305)"},
    Candidate{algorithms::kAesCcm, Kind::aead, 19, 128, "CONFIG_CRYPTO_CCM and CONFIG_CRYPTO_AES (modules ccm, aes)"},
    Candidate{algorithms::kAesCbc, Kind::cipher, 16, 0, "CONFIG_CRYPTO_CBC and CONFIG_CRYPTO_AUTHENC (cbc, authenc)"},
    Candidate{algorithms::kAesCtr, Kind::cipher, 20, 0, "CONFIG_CRYPTO_CTR and CONFIG_CRYPTO_AUTHENC (ctr, authenc)"},
    Candidate{algorithms::kNullCipher, Kind::cipher, 0, 0,
              "CONFIG_CRYPTO_NULL and CONFIG_CRYPTO_AUTHENC (crypto_null, authenc)"},
    Candidate{algorithms::kHmacSha256, Kind::authentication, 32, 128, "CONFIG_CRYPTO_SHA256 (module sha256)"},
    Candidate{algorithms::kHmacSha384, Kind::authentication, 48, 192, "CONFIG_CRYPTO_SHA512 (module sha512)"},
    Candidate{algorithms::kHmacSha512, Kind::authentication, 64, 256, "CONFIG_CRYPTO_SHA512 (module sha512)"},
    Candidate{algorithms::kAesXcbc, Kind::authentication, 16, 96, "CONFIG_CRYPTO_XCBC (module xcbc)"},
    Candidate{algorithms::kAesCmac, Kind::authentication, 16, 96, "CONFIG_CRYPTO_CMAC (module cmac)"},
};

Algorithms algorithms_of(const Candidate& candidate, Bytes key) {
    const Bytes part = key.first(candidate.key);
    switch (candidate.kind) {
        case Kind::aead:
            return Aead{.name = candidate.name, .key = Secret<36>(part), .icv_bits = candidate.bits};
        case Kind::cipher:
            return Classic{
                .cipher = {.name = candidate.name, .key = Secret<36>(part)},
                .auth = {.name = algorithms::kHmacSha256, .key = Secret<64>(key.first(32)), .trunc_bits = 128}};
        case Kind::authentication:
            return Classic{.cipher = {.name = algorithms::kNullCipher, .key = {}},
                           .auth = {.name = candidate.name, .key = Secret<64>(part), .trunc_bits = candidate.bits}};
    }
    return {};
}

struct Wish {
    Family family = Family::ipv4;
    bool esn = false;
    bool encapsulated = false;
};

IpAddress documentation(Family family, std::uint8_t last) {
    constexpr std::array<std::uint8_t, 4> kIpv4{192, 0, 2, 0};
    constexpr std::array<std::uint8_t, 16> kIpv6{0x20, 0x01, 0x0d, 0xb8};
    std::array<std::uint8_t, 16> octets = kIpv6;
    if (family == Family::ipv4) {
        std::ranges::copy(kIpv4, octets.begin());
    }
    const std::size_t size = family == Family::ipv4 ? kIpv4.size() : octets.size();
    octets[size - 1] = last;
    return IpAddress::from_octets(Bytes(octets).first(size)).value_or(IpAddress{});
}

class Prober {
   public:
    Prober(Kernel& kernel, const Trial& trial) : kernel_(kernel), trial_(trial) {}

    /// Adds an SA and removes it again.
    Result<void> attempt(const Candidate& candidate, const Wish& wish) {
        Sa sa;
        sa.source = documentation(wish.family, 1);
        sa.destination = documentation(wish.family, 2);
        sa.spi = trial_.spi;
        sa.algorithms = algorithms_of(candidate, trial_.key.expose());
        sa.esn = wish.esn;
        if (wish.encapsulated) {
            sa.encapsulation = UdpEncapsulation{};
        }
        const SaId id = sa.id();
        Transaction addition;
        addition.add(std::move(sa));
        if (auto added = kernel_.apply(addition); !added) {
            // The kernel looks for another SA of that name when it has accepted everything else.
            return added.error().reason == "xfrm-exists" ? Result<void>{} : added;
        }
        Transaction removal;
        removal.remove(id);
        return kernel_.apply(removal);
    }

    /// Whether it worked; else it is noted as missing.
    bool note(Capabilities& found, const Candidate& candidate, const Wish& wish, std::string_view what,
              std::string_view brought_by, std::string_view algorithm = {}) {
        const auto tried = attempt(candidate, wish);
        if (!tried) {
            found.missing.push_back({{"kernel-lacks", fmt::format("this kernel offers no {}: {}; it comes with {}",
                                                                  what, tried.error().sentence, brought_by)},
                                     algorithm});
        }
        return tried.has_value();
    }

   private:
    Kernel& kernel_;
    const Trial& trial_;
};

}  // namespace

const Missing* Capabilities::find_missing(std::string_view algorithm) const {
    if (algorithm.empty()) {
        return nullptr;
    }
    const auto found = std::ranges::find(missing, algorithm, &Missing::algorithm);
    return found == missing.end() ? nullptr : &*found;
}

Capabilities probe(Kernel& kernel, const Trial& trial) {
    assert(trial.key.size() == 64 && trial.spi.value > 255);
    Capabilities found;
    Prober prober{kernel, trial};
    const Candidate* working = nullptr;
    for (const Candidate& candidate : kCandidates) {
        if (prober.note(found, candidate, {}, candidate.name, candidate.brought_by, candidate.name)) {
            found.algorithms.push_back(candidate.name);
            working = working == nullptr ? &candidate : working;
        }
    }
    if (working == nullptr) {
        // One sentence instead of one for each algorithm.
        Error without{"kernel-without-esp",
                      fmt::format("this kernel offers no ESP for IPv4: {}; it comes with CONFIG_INET_ESP (module "
                                  "esp4) and the ciphers",
                                  found.missing.front().sentence)};
        found.missing = {{std::move(without), {}}};
        working = &kCandidates.front();
    } else {
        found.esp_ipv4 = true;
        found.esn = prober.note(found, *working, {.esn = true}, "extended sequence numbers", "Linux 2.6.39");
        found.udp_encapsulation_ipv4 =
            prober.note(found, *working, {.encapsulated = true}, "ESP in UDP for IPv4", "CONFIG_INET_ESP");
    }
    found.esp_ipv6 =
        prober.note(found, *working, {.family = Family::ipv6}, "ESP for IPv6", "CONFIG_INET6_ESP (module esp6)");
    found.udp_encapsulation_ipv6 =
        found.esp_ipv6 && prober.note(found, *working, {.family = Family::ipv6, .encapsulated = true},
                                      "ESP in UDP for IPv6", "CONFIG_INET6_ESP in Linux 5.8 and later");
    return found;
}

}  // namespace keysluice::xfrm
