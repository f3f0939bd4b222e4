// The messages between keysluice's processes: what is accepted is encoded the same way.
#include "daemon/shared/messages.hpp"

#include <algorithm>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const keysluice::Bytes packet(data, size);
    if (const auto message = keysluice::decode(packet)) {
        if (!std::ranges::equal(keysluice::encode(*message), packet)) {
            std::abort();
        }
    } else if (message.error().reason != "message-malformed") {
        std::abort();
    }
    return 0;
}
