#include "proxy/header.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "proxy/crc32c.hpp"
#include "proxy/wire.hpp"

namespace keysluice::proxy {

namespace {

std::vector<std::uint8_t> octets_of(std::string_view text) {
    const Bytes bytes = as_bytes(text);
    return {bytes.begin(), bytes.end()};
}

void put(Writer& out, Tlv type, Bytes value) {
    out.be(static_cast<std::uint8_t>(type)).prefixed<std::uint16_t>(value);
}

void put_text(Writer& out, Tlv type, std::string_view text) {
    if (!text.empty() && text.size() <= kLongestText) {
        put(out, type, as_bytes(text));
    }
}

void put_path(Writer& out, std::string_view path) {
    assert(path.size() <= kUnixPathSize);
    out.raw(as_bytes(path)).raw(std::vector<std::uint8_t>(kUnixPathSize - path.size()));
}

/// Writes the addresses, and returns their family.
struct PutEnds {
    Writer& out;

    AddressFamily operator()(std::monostate /*none*/) const { return AddressFamily::unspecified; }
    AddressFamily operator()(const TcpEnds& ends) const {
        assert(ends.source.address.family() == ends.destination.address.family());
        out.raw(ends.source.address.octets()).raw(ends.destination.address.octets());
        out.be(ends.source.port).be(ends.destination.port);
        return ends.source.address.family() == Family::ipv4 ? AddressFamily::ipv4 : AddressFamily::ipv6;
    }
    AddressFamily operator()(const UnixEnds& ends) const {
        put_path(out, ends.source);
        put_path(out, ends.destination);
        return AddressFamily::unix_socket;
    }
};

void put_tls(Writer& out, const ClientTls& tls) {
    Writer value;
    value.be(static_cast<std::uint8_t>((tls.in_use ? kClientSsl : 0U) |
                                       (tls.certificate ? kClientCertificateConnection : 0U) |
                                       (tls.authenticated ? kClientCertificateSession : 0U)));
    value.be(tls.verify);
    put_text(value, Tlv::ssl_version, tls.version);
    put_text(value, Tlv::ssl_common_name, tls.common_name);
    put_text(value, Tlv::ssl_cipher, tls.cipher);
    put(out, Tlv::ssl, value.view());
}

std::vector<std::uint8_t> with_fixed_part(Command command, AddressFamily family, Bytes rest) {
    const Transport transport = family == AddressFamily::unspecified ? Transport::unspecified : Transport::stream;
    Writer out;
    out.raw(kSignature).be(static_cast<std::uint8_t>(0x20U | static_cast<std::uint8_t>(command)));
    out.be(static_cast<std::uint8_t>((static_cast<unsigned>(family) << 4U) | static_cast<unsigned>(transport)));
    return std::move(out.prefixed<std::uint16_t>(rest)).release();
}

}  // namespace

std::vector<std::uint8_t> write_v1(const Ends& ends) {
    const auto* tcp = std::get_if<TcpEnds>(&ends);
    if (tcp == nullptr) {
        return octets_of(fmt::format("{}{}{}", kVersion1, kUnknown, kLineEnd));
    }
    const auto& [source, destination] = *tcp;
    return octets_of(fmt::format("{}{} {} {} {} {}{}", kVersion1,
                                 source.address.family() == Family::ipv4 ? kTcp4 : kTcp6, source.address.text(),
                                 destination.address.text(), source.port, destination.port, kLineEnd));
}

std::vector<std::uint8_t> write_v2(const Header& header) {
    if (std::holds_alternative<std::monostate>(header.ends)) {
        // 2.2: "When a sender presents a LOCAL connection, it should not present any address".
        return with_fixed_part(Command::local, AddressFamily::unspecified, {});
    }
    Writer rest;
    const AddressFamily family = std::visit(PutEnds{rest}, header.ends);
    put_text(rest, Tlv::alpn, header.alpn);
    put_text(rest, Tlv::authority, header.authority);
    if (header.tls) {
        put_tls(rest, *header.tls);
    }
    // 2.2.3: "initialize the checksum field to '0's".
    put(rest, Tlv::crc32c, std::array<std::uint8_t, 4>{});
    auto written = with_fixed_part(Command::proxy, family, rest.view());
    Writer checksum;
    checksum.be(crc32c(written));
    std::ranges::copy(checksum.view(), written.end() - 4);
    return written;
}

}  // namespace keysluice::proxy
