#include <algorithm>
#include <array>
#include <bitset>

#include "proxy/crc32c.hpp"
#include "proxy/parse.hpp"

namespace keysluice::proxy {

namespace {

/// Takes the TLVs out of a range one by one. The types that are read here stand once: of two names, nobody could say
/// which one counts.
class TlvReader {
   public:
    explicit TlvReader(Bytes octets) : in_(octets) {}

    /// False at the end, and where something is wrong.
    [[nodiscard]] bool next() {
        if (in_.rest().empty()) {
            return false;
        }
        type_ = in_.be<std::uint8_t>();
        value_ = in_.prefixed<std::uint16_t>();
        return in_.ok() && !twice();
    }
    [[nodiscard]] Tlv type() const { return static_cast<Tlv>(type_); }
    [[nodiscard]] Bytes value() const { return value_; }
    [[nodiscard]] std::string text() const {
        return value_.size() <= kLongestText ? std::string(as_text(value_)) : std::string();
    }
    [[nodiscard]] bool finished() const { return in_.finished() && !twice_; }

   private:
    bool twice() {
        static constexpr std::array kOnce{Tlv::alpn,        Tlv::authority,  Tlv::crc32c,         Tlv::ssl,
                                          Tlv::ssl_version, Tlv::ssl_cipher, Tlv::ssl_common_name};
        twice_ = std::ranges::find(kOnce, type()) != kOnce.end() && seen_.test(type_);
        seen_.set(type_);
        return twice_;
    }

    Reader in_;
    std::uint8_t type_ = 0;
    Bytes value_;
    std::bitset<256> seen_;
    bool twice_ = false;
};

std::string take_path(Reader& in) {
    std::string path(as_text(in.take(kUnixPathSize)));
    // A name in the file system ends at its first zero; an abstract one begins with a zero and has none at its end.
    const bool abstract = path.starts_with('\0');
    path.resize(abstract ? path.find_last_not_of('\0') + 1 : std::min(path.find('\0'), path.size()));
    return path;
}

TcpEnds take_tcp(Reader& in, std::size_t address_size) {
    const auto source = IpAddress::from_octets(in.take(address_size)).value_or(IpAddress());
    const auto destination = IpAddress::from_octets(in.take(address_size)).value_or(IpAddress());
    const auto source_port = in.be<std::uint16_t>();
    return {{source, source_port}, {destination, in.be<std::uint16_t>()}};
}

/// `in` is where the addresses begin; its ok() tells whether they were all there.
Ends take_ends(Reader& in, AddressFamily family) {
    switch (family) {
        case AddressFamily::unspecified:
            return {};
        case AddressFamily::ipv4:
            return take_tcp(in, 4);
        case AddressFamily::ipv6:
            return take_tcp(in, 16);
        case AddressFamily::unix_socket: {
            std::string source = take_path(in);
            return UnixEnds{std::move(source), take_path(in)};
        }
    }
    return {};
}

Result<ClientTls> parse_tls(Bytes value) {
    Reader in(value);
    const auto client = in.be<std::uint8_t>();
    ClientTls tls{.in_use = (client & kClientSsl) != 0,
                  .certificate = (client & kClientCertificateConnection) != 0,
                  .authenticated = (client & kClientCertificateSession) != 0,
                  .verify = in.be<std::uint32_t>()};
    TlvReader tlvs(in.rest());
    while (tlvs.next()) {
        if (tlvs.type() == Tlv::ssl_version) {
            tls.version = tlvs.text();
        } else if (tlvs.type() == Tlv::ssl_cipher) {
            tls.cipher = tlvs.text();
        } else if (tlvs.type() == Tlv::ssl_common_name) {
            tls.common_name = tlvs.text();
        }
    }
    if (!in.ok() || !tlvs.finished()) {
        return malformed("what it says of TLS is cut off or says something twice");
    }
    return tls;
}

/// `field` is the value of the TLV within the block.
bool checksum_holds(Bytes block, Bytes field) {
    if (field.size() != 4) {
        return false;
    }
    std::vector<std::uint8_t> zeroed(block.begin(), block.end());
    std::fill_n(zeroed.begin() + (field.data() - block.data()), field.size(), std::uint8_t{0});
    return Reader(field).be<std::uint32_t>() == crc32c(zeroed);
}

Result<void> parse_tlvs(Bytes octets, Bytes block, Header& header) {
    TlvReader tlvs(octets);
    while (tlvs.next()) {
        if (tlvs.type() == Tlv::alpn) {
            header.alpn = tlvs.text();
        } else if (tlvs.type() == Tlv::authority) {
            header.authority = tlvs.text();
        } else if (tlvs.type() == Tlv::ssl) {
            auto tls = parse_tls(tlvs.value());
            if (!tls) {
                return pass_on(std::move(tls));
            }
            header.tls = *std::move(tls);
        } else if (tlvs.type() == Tlv::crc32c && !checksum_holds(block, tlvs.value())) {
            // 2.2.3: "If it is not, the receiver MUST treat the TCP connection providing the header as invalid."
            return malformed("its checksum is another one");
        }
    }
    return tlvs.finished() ? Result<void>{} : malformed("what follows its addresses is cut off or stands twice");
}

}  // namespace

Result<FixedPart> parse_fixed_part(std::span<const std::uint8_t, kFixedSize> octets) {
    Reader in(Bytes(octets).subspan(kSignature.size()));
    const auto version_and_command = in.be<std::uint8_t>();
    const auto family_and_transport = in.be<std::uint8_t>();
    if ((version_and_command >> 4U) != 2) {
        return malformed("the version in its block is not 2");
    }
    const unsigned command = version_and_command & 0xfU;
    // 2.2: "Receivers must drop connections presenting unexpected values here."
    if (command > static_cast<unsigned>(Command::proxy)) {
        return malformed("its command is neither LOCAL nor PROXY");
    }
    FixedPart fixed{.command = static_cast<Command>(command)};
    fixed.length = in.be<std::uint16_t>();
    if (fixed.command == Command::local) {
        return fixed;  // 2.2: "discard the protocol block including the family which is ignored"
    }
    const unsigned family = family_and_transport >> 4U;
    const unsigned transport = family_and_transport & 0xfU;
    if (family > static_cast<unsigned>(AddressFamily::unix_socket) ||
        transport > static_cast<unsigned>(Transport::datagram)) {
        return malformed("its address family or transport protocol does not exist");
    }
    fixed.family = static_cast<AddressFamily>(family);
    fixed.transport = static_cast<Transport>(transport);
    return fixed;
}

Result<Header> parse_block(const FixedPart& fixed, Bytes block) {
    Header header;
    if (fixed.transport != Transport::stream || fixed.family == AddressFamily::unspecified) {
        return header;  // LOCAL, UNSPEC, UDP: what they have in the place of addresses may be anything
    }
    Reader in(block.subspan(kFixedSize));
    header.ends = take_ends(in, fixed.family);
    if (!in.ok()) {
        return malformed("it is too short for its addresses");
    }
    if (auto read = parse_tlvs(in.rest(), block, header); !read) {
        return pass_on(std::move(read));
    }
    return header;
}

}  // namespace keysluice::proxy
