// The part of Connection that gives its socket to an application.

#include <fcntl.h>

#include <utility>

#include "daemon/engine/connection.hpp"
#include "daemon/engine/description.hpp"
#include "daemon/shared/log.hpp"
#include "daemon/shared/sockets.hpp"

namespace keysluice {

namespace {

/// A counter beside those of counters.hpp: of the established connections those whose socket an application was
/// given.
constexpr std::string_view kDelivered = "delivered";

/// What we accept does not block. An application gets what accept(2) would have given to it.
void let_block(int socket) {
    const int flags = fcntl(socket, F_GETFL);
    if (flags >= 0) {
        fcntl(socket, F_SETFL, flags & ~O_NONBLOCK);
    }
}

}  // namespace

bool Connection::for_application() const {
    return submitter_ || service_->settings.deliver == Deliver::handoff;
}

void Connection::give_to_application() {
    const tls::Summary summary = established_.session->summary();
    const auto certificate = established_.session->peer_certificate();
    const std::string peer = describe_peer(peer_);
    established_.session.reset();
    auto description = describe({.id = submitter_ ? &submission_ : nullptr,
                                 .service = service_->settings.name,
                                 .peer = peer,
                                 .summary = summary,
                                 .certificate = certificate,
                                 .secrets = secrets_.get()});
    secrets_.reset();
    if (!description) {
        give_up_backend(description.error());
    } else if (!submitter_) {
        hand_off(*std::move(description), summary);
    } else if (submitter_->answer(*std::move(description), std::move(established_.tls))) {
        given_to_application(summary);
    } else {
        over();  // nobody is left to tell, and with the application's own descriptor nothing else is
    }
}

void Connection::hand_off(SecretBuffer description, const tls::Summary& summary) {
    let_block(established_.tls.get());
    handoff_ = std::make_unique<Handoff>(host_.loop(), service_->settings,
                                         service_->next_target[&service_->settings.connect]++, std::move(description),
                                         established_.tls.get(), [this, summary](const Result<void>& given) {
                                             host_.loop().bury(std::move(handoff_));
                                             if (given) {
                                                 // Nothing of it stays here: an application that closes it is rid
                                                 // of it, in its epoll too.
                                                 established_.tls.reset();
                                                 given_to_application(summary);
                                             } else {
                                                 give_up_backend(given.error());
                                             }
                                         });
    handoff_->start();
}

void Connection::given_to_application(const tls::Summary& summary) {
    count_established(counter::kEstablishedKernel, summary);
    host_.counters().add(service_->id, kDelivered);
    log_debug("{}: {}: {} {}, given to an application", service_->settings.name, describe_peer(peer_),
              tls::name_of(summary.version), summary.cipher_suite);
    over();
}

}  // namespace keysluice
