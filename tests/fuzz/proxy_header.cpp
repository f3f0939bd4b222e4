// The first byte says which versions are taken and in which chunks the rest arrives, as a socket would give it.
#include <algorithm>
#include <cstdlib>

#include "proxy/header_reader.hpp"

using namespace keysluice;

namespace {

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

/// What was read can be said again, and is then the same.
void require_the_same(const proxy::Header& header) {
    proxy::HeaderReader reader({});
    const auto written = proxy::write_v2(header);
    const auto taken = reader.take(written);
    require(taken && *taken == written.size() && reader.complete() && reader.header() == header);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    proxy::HeaderReader reader({.v1 = (data[0] & 1U) == 0, .v2 = (data[0] & 2U) == 0});
    const std::size_t chunk = std::size_t{1} + (data[0] >> 2U);
    const Bytes stream = Bytes{data, size}.subspan(1);
    std::size_t position = 0;
    while (position < stream.size() && !reader.complete()) {
        const std::size_t shown = std::min(chunk, stream.size() - position);
        const auto taken = reader.take(stream.subspan(position, shown));
        if (!taken) {
            return 0;
        }
        require(*taken == shown || reader.complete());
        position += *taken;
        require(position <= proxy::kLongestHeader);
    }
    if (reader.complete()) {
        require_the_same(reader.header());
    }
    return 0;
}
