#include "ktls/socket_info.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/inet_diag.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "ktls/uapi.hpp"
#include "netlink/attribute.hpp"

namespace keysluice::ktls {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::uint16_t host_u16(Bytes payload) {
    std::uint16_t value = 0;
    if (payload.size() >= sizeof(value)) {
        std::memcpy(&value, payload.data(), sizeof(value));
    }
    return value;
}

Endpoint endpoint(std::uint8_t family, const __be32 (&address)[4], __be16 port) {
    Endpoint result{.address = {}, .is_v6 = family == AF_INET6, .port = ntohs(port)};
    std::array<std::uint8_t, 16> raw{};
    std::memcpy(raw.data(), address, raw.size());
    if (result.is_v6 && !std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), raw.begin())) {
        result.address = raw;
        return result;
    }
    const auto* const v4 = result.is_v6 ? raw.begin() + kMappedPrefix.size() : raw.begin();
    std::copy_n(v4, sizeof(in_addr), result.address.begin());
    result.is_v6 = false;
    return result;
}

std::unexpected<Error> malformed(std::string_view what) {
    return fail("inet-diag-malformed", fmt::format("the kernel's answer about a TCP socket has {}", what));
}

Result<Carrier> carrier(Bytes payload) {
    const std::uint16_t value = host_u16(payload);
    if (value < TLS_CONF_BASE || value > TLS_CONF_HW_RECORD) {
        return malformed(fmt::format("an unknown TLS configuration {}", value));
    }
    return Carrier{static_cast<std::uint8_t>(value)};
}

Result<TlsInfo> decode_tls(Bytes rest) {
    TlsInfo info;
    while (const auto attribute = netlink::next_attribute(rest)) {
        switch (attribute->type) {
            case TLS_INFO_VERSION:
                info.version = uapi::version_of(host_u16(attribute->payload));
                break;
            case TLS_INFO_CIPHER:
                info.cipher = uapi::cipher_of(host_u16(attribute->payload));
                break;
            case TLS_INFO_TXCONF:
            case TLS_INFO_RXCONF: {
                auto value = carrier(attribute->payload);
                if (!value) {
                    return pass_on(std::move(value));
                }
                (attribute->type == TLS_INFO_TXCONF ? info.tx : info.rx) = *value;
                break;
            }
            default:
                break;
        }
    }
    return rest.empty() ? Result<TlsInfo>{info} : malformed("a damaged TLS attribute");
}

Result<std::optional<TlsInfo>> decode_ulp(Bytes rest) {
    bool is_tls = false;
    std::optional<Bytes> tls;
    while (const auto attribute = netlink::next_attribute(rest)) {
        if (attribute->type == INET_ULP_INFO_NAME) {
            const std::string_view text = as_text(attribute->payload);
            is_tls = text.substr(0, text.find('\0')) == "tls";
        } else if (attribute->type == INET_ULP_INFO_TLS) {
            tls = attribute->payload;
        }
    }
    if (!rest.empty()) {
        return malformed("a damaged attribute of its upper layer protocol");
    }
    // Newer kernels tell the name to everybody and the rest to CAP_NET_ADMIN only.
    if (!is_tls || !tls) {
        return std::nullopt;
    }
    return decode_tls(*tls);
}

}  // namespace

std::string to_string(const Endpoint& endpoint) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    ::inet_ntop(endpoint.is_v6 ? AF_INET6 : AF_INET, endpoint.address.data(), text.data(), text.size());
    return endpoint.is_v6 ? fmt::format("[{}]:{}", text.data(), endpoint.port)
                          : fmt::format("{}:{}", text.data(), endpoint.port);
}

std::string_view name(Carrier carrier) {
    switch (carrier) {
        case Carrier::base:
            return "base";
        case Carrier::software:
            return "sw";
        case Carrier::device:
            return "hw";
        case Carrier::device_record:
            return "hw-record";
    }
    return {};
}

Result<SocketInfo> decode_socket_info(Bytes payload) {
    inet_diag_msg message{};
    if (payload.size() < sizeof(message)) {
        return malformed(fmt::format("{} bytes, expected at least {}", payload.size(), sizeof(message)));
    }
    std::memcpy(&message, payload.data(), sizeof(message));
    if (message.idiag_family != AF_INET && message.idiag_family != AF_INET6) {
        return malformed(fmt::format("the address family {}", message.idiag_family));
    }
    SocketInfo info{
        .local = endpoint(message.idiag_family, message.id.idiag_src, message.id.idiag_sport),
        .remote = endpoint(message.idiag_family, message.id.idiag_dst, message.id.idiag_dport),
        .state = message.idiag_state,
        .uid = message.idiag_uid,
        .inode = message.idiag_inode,
        .cookie = (std::uint64_t{message.id.idiag_cookie[1]} << 32U) | message.id.idiag_cookie[0],
        .tls = std::nullopt,
    };
    Bytes rest = netlink::behind(payload, sizeof(message));
    while (const auto attribute = netlink::next_attribute(rest)) {
        if (attribute->type == INET_DIAG_ULP_INFO) {
            auto tls = decode_ulp(attribute->payload);
            if (!tls) {
                return pass_on(std::move(tls));
            }
            info.tls = *tls;
        }
    }
    return rest.empty() ? Result<SocketInfo>{info} : malformed("a damaged attribute");
}

}  // namespace keysluice::ktls
