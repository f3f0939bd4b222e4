#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "ike/ids.hpp"

namespace keysluice::ike::wire {

enum class ExchangeType : std::uint8_t {
    ike_sa_init = 34,
    ike_auth = 35,
    create_child_sa = 36,
    informational = 37,
};

/// What a header says comes next, and what each payload says of its successor (RFC 7296 section 3.2).
enum class PayloadType : std::uint8_t {
    none = 0,
    sa = 33,
    ke = 34,
    id_initiator = 35,
    id_responder = 36,
    certificate = 37,
    certificate_request = 38,
    auth = 39,
    nonce = 40,
    notify = 41,
    del = 42,
    vendor_id = 43,
    ts_initiator = 44,
    ts_responder = 45,
    encrypted = 46,
    configuration = 47,
    eap = 48,
    encrypted_fragment = 53,
};

/// The header of every IKE message (RFC 7296 section 3.1):
///
///                      1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                       IKE SA Initiator's SPI                  |
/// |                                                               |
/// |                       IKE SA Responder's SPI                  |
/// |                                                               |
/// |  Next Payload | MjVer | MnVer | Exchange Type |     Flags     |
/// |                          Message ID                           |
/// |                            Length                             |
struct Header {
    IkeSpi initiator_spi = {};
    IkeSpi responder_spi = {};
    std::uint8_t major_version = 2;
    ExchangeType exchange = ExchangeType::ike_sa_init;  ///< may be a value without a name: parse() lets it through
    bool from_initiator = false;                        ///< of the IKE SA's original initiator
    bool is_response = false;
    MessageId message_id = {};

    bool operator==(const Header&) const = default;
};

inline constexpr std::size_t kHeaderSize = 28;

/// A header with what only the wire says of it: which payload comes first, and how long the whole message is.
struct FramedHeader {
    Header header = {};
    PayloadType first = PayloadType::none;
    std::uint32_t length = 0;
};

/// Reads the header at the start of `datagram`, of whatever version and length: enough to find the SA that it is for,
/// or to answer INVALID_MAJOR_VERSION. Fails with "ike-malformed" when there are not 28 octets.
[[nodiscard]] Result<FramedHeader> parse_header(Bytes datagram);
void emit_header(const FramedHeader& framed, Writer& writer);

/// "IKE_SA_INIT", or "exchange 43" for a value without a name.
[[nodiscard]] std::string name_of(ExchangeType type);
/// "SA", "IDi" …, as RFC 7296 section 3.2 abbreviates them, or "payload 99".
[[nodiscard]] std::string name_of(PayloadType type);

}  // namespace keysluice::ike::wire
