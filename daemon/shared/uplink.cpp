#include "daemon/shared/uplink.hpp"

#include "daemon/shared/clock.hpp"
#include "daemon/shared/log.hpp"

namespace keysluice {

Uplink::Uplink(Loop& loop, std::string path, Hello hello, Owner& owner)
    : loop_(loop), path_(std::move(path)), hello_(hello), owner_(owner) {}

Uplink::~Uplink() {
    loop_.disarm(*this);
}

void Uplink::on_deadline() {
    auto socket = connect_channel(path_);
    if (!socket) {
        loop_.arm(*this, now() + kRetry);
        return;
    }
    channel_ = std::make_unique<Channel>(loop_, std::move(*socket), *this);
    if (channel_->send(hello_)) {
        owner_.on_connected(*this);
    }
}

bool Uplink::send(const Message& message, Descriptors descriptors) {
    return channel_ && channel_->send(message, std::move(descriptors));
}

void Uplink::on_message(Channel& /*channel*/, Message message, Descriptors descriptors) {
    owner_.on_message(*this, std::move(message), std::move(descriptors));
}

void Uplink::on_closed(Channel& /*channel*/, std::string_view why) {
    // Whoever starts the other end says why it ended; here it would be noise at every orderly stop.
    log_debug("{}: {}; connecting again", path_, why);
    loop_.bury(std::move(channel_));
    loop_.arm(*this, now() + kRetry);
}

void Uplink::on_drained(Channel& /*channel*/) {
    owner_.on_drained(*this);
}

}  // namespace keysluice
