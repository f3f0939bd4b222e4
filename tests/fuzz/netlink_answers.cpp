// What the kernel says to requests: its acknowledgements and their words, answers to a batch, attributes, and sockets
// of sock_diag. The first byte chooses.

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "ktls/socket_info.hpp"
#include "netlink/answers.hpp"
#include "netlink/messages.hpp"

namespace {

using namespace keysluice;

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

/// The messages of a datagram, as netlink::Socket cuts them.
template <typename Visit>
void each_message(Bytes datagram, Visit visit) {
    // As aligned as the buffer of a socket.
    std::vector<std::uint32_t> buffer((datagram.size() + 3) / 4);
    if (!datagram.empty()) {
        std::memcpy(buffer.data(), datagram.data(), datagram.size());
    }
    Bytes rest{reinterpret_cast<const std::uint8_t*>(buffer.data()), datagram.size()};
    for (const auto* message = netlink::next_message(rest); message != nullptr && visit(*message);) {
        message = netlink::next_message(rest);
    }
}

void acknowledgements(Bytes datagram) {
    each_message(datagram, [&](const nlmsghdr& message) {
        if (const auto ack = netlink::acknowledgement(message)) {
            require(ack->text.size() < datagram.size());
            const Error error = netlink::refusal(*ack, "something");
            require(error.reason.starts_with("netlink-") && error.sentence.contains("something"));
        }
        return true;
    });
}

void answers(Bytes datagram) {
    constexpr std::size_t kCount = 3;
    netlink::Answers batch(0xffff'fffe, kCount);  // its numbers wrap around
    each_message(datagram, [&](const nlmsghdr& message) {
        const auto taken = batch.take(message, "something");
        require(taken || taken.error().reason == "netlink-malformed");
        return taken.has_value() && !batch.complete();
    });
    require(std::move(batch).release().size() == kCount);
}

void socket_info(Bytes payload) {
    const auto info = ktls::decode_socket_info(payload);
    require(info || info.error().reason == "inet-diag-malformed" || info.error().reason == "netlink-malformed");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const Bytes rest = Bytes{data, size}.subspan(1);
    switch (data[0] % 3) {
        case 0:
            acknowledgements(rest);
            break;
        case 1:
            answers(rest);
            break;
        default:
            socket_info(rest);
            break;
    }
    return 0;
}
