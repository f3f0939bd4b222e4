// Alerts and handshake messages as a peer's control records bring them. The first byte chooses: bit 0 the version,
// bit 1 an alert.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "ktls/alert.hpp"
#include "ktls/handshake.hpp"

using namespace keysluice;
using namespace keysluice::ktls;

namespace {

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

void fuzz_alert(Version version, Bytes record) {
    const auto alert = parse_alert(record);
    if (!alert) {
        require(alert.error().reason == "malformed-alert");
        return;
    }
    require(record.size() == 2);
    const bool closes = alert->description == AlertDescription::close_notify;
    require((meaning(*alert, version) == AlertMeaning::closed) == closes);
    require(!name(alert->description).empty());
    require(parse_alert(encode_alert(alert->description))->description == alert->description);
}

void fuzz_handshake(Version version, Bytes record) {
    HandshakeMessages messages{version, record};
    bool ended = false;
    std::size_t count = 0;
    while (const auto message = messages.next()) {
        require(!ended);
        ended = std::holds_alternative<Violation>(*message) || std::holds_alternative<Incomplete>(*message);
        if (const auto* incomplete = std::get_if<Incomplete>(&*message)) {
            require(incomplete->missing > 0 && !messages.rest().empty());
        }
        if (std::holds_alternative<KeyUpdate>(*message)) {
            require(version == Version::tls13 && messages.rest().empty());
        }
        ++count;
    }
    // Each whole message has at least a header, and a record has at least one message.
    require(count >= 1 && count <= record.size() / 4 + 1);
    require(ended || messages.rest().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const Version version = (data[0] & 1U) != 0 ? Version::tls13 : Version::tls12;
    const Bytes record = Bytes{data, size}.subspan(1);
    if ((data[0] & 2U) != 0) {
        fuzz_alert(version, record);
    } else {
        fuzz_handshake(version, record);
    }
    return 0;
}
