#include "daemon/control/manual_sas.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "daemon/control/plaintext.hpp"

namespace keysluice::control {
namespace {

using policy::Direction;

std::span<const KeyKind> kinds_for(Integrity algorithm) {
    static constexpr std::array<KeyKind, 3> kKinds{KeyKind::hmac_sha1, KeyKind::hmac_sha256, KeyKind::hmac_sha512};
    return std::span(kKinds).subspan(static_cast<std::size_t>(algorithm), 1);
}

std::span<const KeyKind> kinds_for(Confidentiality algorithm) {
    static constexpr std::array<KeyKind, 4> kKinds{KeyKind::aes_128, KeyKind::aes_256, KeyKind::aes_gcm_128,
                                                   KeyKind::aes_gcm_256};
    return std::span(kKinds).subspan(algorithm == Confidentiality::aes_cbc ? 0 : 2, 2);
}

/// Reads keys, each once.
class Loader {
   public:
    explicit Loader(const NamedKeys& keys) : keys_(keys) {}

    void load(const ListedPolicy& listed) {
        const auto* const manual = std::get_if<ManualSa>(&listed.by);
        if (manual == nullptr) {
            return;
        }
        const std::size_t before = loaded_.wrong.size();
        load(*manual);
        if (manual->also) {
            load(*manual->also);
        }
        if (loaded_.wrong.size() > before) {
            loaded_.without.insert(listed.rule.protection.reqid);
        }
    }

    LoadedKeys finish() && { return std::move(loaded_); }

   private:
    void load(const ManualKeys& manual) {
        load(manual.integrity);
        load(manual.confidentiality);
    }

    template <typename Algorithm>
    void load(const std::optional<Keyed<Algorithm>>& keyed) {
        if (keyed) {
            load(keyed->key, keyed->where, kinds_for(keyed->algorithm));
        }
    }

    void load(const std::string& name, const Position& where, std::span<const KeyKind> kinds) {
        auto found = loaded_.ring.find(name);
        if (found == loaded_.ring.end()) {
            auto key = keys_.read(name);
            if (!key) {
                loaded_.wrong.push_back({where, key.error().reason, key.error().sentence});
                return;
            }
            found = loaded_.ring.emplace(name, *std::move(key)).first;
        }
        if (std::ranges::find(kinds, found->second.kind) == kinds.end()) {
            loaded_.wrong.push_back(
                {where, "key-kind",
                 fmt::format("the key {} is of the kind {}: expected {}{}", name, name_of(found->second.kind),
                             name_of(kinds.front()),
                             kinds.size() > 1 ? fmt::format(" or {}", name_of(kinds.back())) : "")});
        }
    }

    const NamedKeys& keys_;
    LoadedKeys loaded_;
};

xfrm::Authentication authentication(const Keyed<Integrity>& keyed, const KeyRing& keys) {
    struct Known {
        std::string_view name;
        std::uint16_t bits;
    };
    static constexpr std::array<Known, 3> kKnown{{{xfrm::algorithms::kHmacSha1, 96},
                                                  {xfrm::algorithms::kHmacSha256, 128},
                                                  {xfrm::algorithms::kHmacSha512, 256}}};
    const Known& known = kKnown.at(static_cast<std::size_t>(keyed.algorithm));
    return {.name = known.name, .key = duplicate(keys.at(keyed.key).value), .trunc_bits = known.bits};
}

xfrm::Algorithms algorithms_of(const ManualKeys& manual, xfrm::Protocol protocol, const KeyRing& keys) {
    xfrm::Authentication auth = manual.integrity ? authentication(*manual.integrity, keys) : xfrm::Authentication{};
    if (protocol == xfrm::Protocol::ah) {
        return auth;
    }
    if (!manual.confidentiality) {
        return xfrm::Classic{.cipher = {.name = xfrm::algorithms::kNullCipher, .key = {}}, .auth = std::move(auth)};
    }
    const Bytes key = keys.at(manual.confidentiality->key).value.expose();
    if (manual.confidentiality->algorithm == Confidentiality::aes_gcm) {
        return xfrm::Aead{.name = xfrm::algorithms::kAesGcm, .key = Secret<36>(key)};
    }
    return xfrm::Classic{.cipher = {.name = xfrm::algorithms::kAesCbc, .key = Secret<36>(key)},
                         .auth = std::move(auth)};
}

/// Where packets may come to: the host's own addresses of the peer's family that the policy takes.
std::vector<IpAddress> arrivals(const policy::Policy& rule, const IpAddress& remote, const std::set<IpAddress>& own) {
    std::vector<IpAddress> all;
    std::ranges::copy_if(own, std::back_inserter(all), [&](const IpAddress& each) {
        return each.family() == remote.family() && !is_loopback(each) &&
               (rule.local.empty() || std::ranges::any_of(rule.local, [&](const policy::AddressRange& range) {
                    return range.first <= each && each <= range.last;
                }));
    });
    return all;
}

}  // namespace

LoadedKeys load_keys(const PolicySet& set, const NamedKeys& keys) {
    Loader loader(keys);
    for (const ListedPolicy& each : set.policies) {
        loader.load(each);
    }
    return std::move(loader).finish();
}

std::vector<xfrm::Sa> manual_sas(const ListedPolicy& listed, const KeyRing& keys, const std::set<IpAddress>& own) {
    const policy::Policy& rule = listed.rule;
    const auto* const manual = std::get_if<ManualSa>(&listed.by);
    if (manual == nullptr) {
        return {};
    }
    const bool in = rule.direction == Direction::in;
    const bool tunnel = rule.protection.mode == xfrm::Mode::tunnel;
    const IpAddress remote = tunnel ? rule.protection.tunnel_remote : rule.remote.front().first;
    std::vector<IpAddress> locals{IpAddress::lowest(remote.family())};  // of what goes out: whichever the packet has
    if (tunnel) {
        locals = {rule.protection.tunnel_local};
    } else if (in) {
        locals = arrivals(rule, remote, own);
    }
    std::vector<xfrm::Sa> sas;
    const auto add = [&](const ManualKeys& by, const IpAddress& local) {
        const bool counts = by.confidentiality && by.confidentiality->algorithm == Confidentiality::aes_gcm;
        xfrm::Sa& sa = sas.emplace_back();
        sa.direction = in ? xfrm::Direction::in : xfrm::Direction::out;
        sa.source = in ? remote : local;
        sa.destination = in ? local : remote;
        sa.protocol = rule.protection.protocol;
        sa.spi = by.spi;
        sa.reqid = rule.protection.reqid;
        sa.mode = rule.protection.mode;
        sa.algorithms = algorithms_of(by, rule.protection.protocol, keys);
        sa.replay_window = 0;
        // The number is a part of GCM's nonce, which must not come twice.
        sa.sequence_may_wrap = !in && !counts;
    };
    for (const IpAddress& local : locals) {
        add(*manual, local);
        if (manual->also) {
            add(*manual->also, local);
        }
    }
    return sas;
}

}  // namespace keysluice::control
