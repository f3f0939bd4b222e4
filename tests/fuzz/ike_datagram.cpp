// A datagram of any bytes is refused for a reason, or read; what was read in the clear is emitted, and read again the
// same. Whoever is asked whether it may be answered, or what it says, comes back.
#include <cstdlib>

#include "ike/wire/message.hpp"
#include "ike/wire/rules.hpp"

namespace {

using namespace keysluice;
using namespace keysluice::ike::wire;

/// Selectors of unknown types alone leave none, and none can't be emitted.
bool has_no_selectors(const Payload& payload) {
    const auto* initiator = std::get_if<TsInitiatorPayload>(&payload);
    const auto* responder = std::get_if<TsResponderPayload>(&payload);
    return (initiator != nullptr && initiator->selectors.empty()) ||
           (responder != nullptr && responder->selectors.empty());
}

void emit_again(const Outer& outer) {
    std::size_t size = kHeaderSize;
    for (const Payload& payload : outer.payloads) {
        size += emit_payloads({payload}).bytes.size();
        if (has_no_selectors(payload)) {
            return;
        }
    }
    const auto again = emit(outer.header, outer.payloads);
    const auto read = parse(again);
    if (again.size() != size || !read || read->header != outer.header || read->payloads != outer.payloads) {
        std::abort();
    }
}

void inside(const EncryptedPart& part, Bytes datagram) {
    if (part.associated_data.data() != datagram.data() ||
        part.associated_data.size() + part.body.size() != datagram.size()) {
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Bytes datagram(data, size);
    const auto outer = parse(datagram);
    if (!outer) {
        if (outer.error().reason.empty() || outer.error().sentence.empty()) {
            std::abort();
        }
        return 0;
    }
    for (const bool encrypted : {false, true}) {
        static_cast<void>(check(outer->header, outer->payloads, outer->payloads, encrypted));
    }
    static_cast<void>(critical_unknown(outer->payloads));
    if (print(outer->header, outer->payloads).find('\n') != std::string::npos) {
        std::abort();
    }
    if (outer->encrypted) {
        inside(*outer->encrypted, datagram);
    } else {
        emit_again(*outer);
    }
    return 0;
}
