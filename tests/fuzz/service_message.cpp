// The message in which the daemon tells its engines and relays about a service: what is accepted is encoded the same
// way.
#include <algorithm>
#include <cstdlib>

#include "daemon/shared/service.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const keysluice::Bytes message(data, size);
    if (const auto service = keysluice::decode_service(message)) {
        if (!std::ranges::equal(keysluice::encode(*service), message)) {
            std::abort();
        }
    }
    return 0;
}
