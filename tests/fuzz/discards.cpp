// What the kernel says about nftables and packets that it logs, and the packets themselves. The first byte chooses.

#include <cstdlib>

#include "daemon/control/discard_log.hpp"
#include "netlink/nftables.hpp"

using namespace keysluice;

namespace {

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

void packet(Bytes bytes) {
    if (const auto header = policy::parse_packet(bytes)) {
        require(header->source.family() == header->destination.family());
        require(header->source_port.has_value() == header->destination_port.has_value());
        require(policy::describe(*header).contains(header->source.text()));
    }
}

void logged(Bytes payload) {
    const auto heard = netlink::decode_logged(4U << 8U, payload);
    require(heard ? heard->has_value() : heard.error().reason == "netlink-malformed");
    if (heard && *heard) {
        if (const auto discarded = control::discarded(**heard)) {
            require(control::describe(*discarded).contains("discarded"));
        }
    }
}

template <typename Entry>
void entry(const Result<Entry>& decoded, std::size_t size) {
    require(decoded ? decoded->name.size() + decoded->table.size() <= size
                    : decoded.error().reason == "netlink-malformed");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const Bytes rest = Bytes{data, size}.subspan(1);
    switch (data[0] % 4) {
        case 0:
            packet(rest);
            break;
        case 1:
            logged(rest);
            break;
        case 2:
            entry(netlink::nft::decode_counter(rest), size);
            break;
        default:
            entry(netlink::nft::decode_chain(rest), size);
            break;
    }
    return 0;
}
