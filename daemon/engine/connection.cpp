#include "daemon/engine/connection.hpp"

#include <fmt/format.h>

#include "daemon/shared/clock.hpp"
#include "daemon/shared/log.hpp"
#include "daemon/shared/session_listing.hpp"
#include "daemon/shared/sockets.hpp"

namespace keysluice {

Connection::Connection(Host& host, std::shared_ptr<ServedService> service, Accepted accepted)
    : host_(host), service_(std::move(service)), peer_(accepted.peer) {
    negotiation_ = std::make_unique<Negotiation>(host_.loop(), *this, service_->settings, *service_->context,
                                                 std::move(accepted.socket));
    host_.counters().add(service_->id, counter::kNegotiating);
}

Connection::~Connection() = default;

void Connection::start() {
    const std::size_t first_target = service_->settings.mode == Mode::client ? service_->next_target++ : 0;
    negotiation_->start(now() + service_->settings.handshake_timeout, first_target);
}

void Connection::on_established(Negotiation& /*negotiation*/, Negotiated result) {
    host_.counters().add(service_->id, counter::kNegotiating, -1);
    host_.loop().bury(std::move(negotiation_));
    if (service_->settings.offload == Offload::off) {
        stay_in_userspace(std::move(result), "offload-off");
        return;
    }
    const auto placement = place(result.tls.get(), *result.session, host_.kernel());
    if (!placement) {
        reset_on_close(result.tls.get());
        fail_with(placement.error());
        return;
    }
    switch (placement->carrier) {
        case Carrier::kernel:
            leave_for_kernel(std::move(result), placement->secrets);
            return;
        case Carrier::userspace:
            stay_in_userspace(std::move(result), placement->reason);
            return;
    }
}

void Connection::leave_for_kernel(Negotiated result, std::shared_ptr<const TrafficSecrets> secrets) {
    const tls::Summary summary = result.session->summary();
    result.session.reset();
    std::vector<UniqueFd> sockets;
    sockets.push_back(std::move(result.tls));
    if (result.plain) {
        sockets.push_back(std::move(result.plain));
    }
    const Carried connection{
        .service = service_->id, .tls13 = summary.version == tls::Version::tls13, .since = now()};
    if (!host_.hand_over(connection, std::move(secrets), std::move(sockets))) {
        fail_with({"keeper-busy", "too many connections wait for the keeper or its relay already"});
        return;
    }
    host_.counters().add(service_->id, counter::kEstablishedKernel);
    if (logs(LogLevel::debug)) {
        log_debug("{}: {}: {} {}, carried by the kernel", service_->settings.name, describe_peer(peer_),
                  tls::name_of(summary.version), summary.cipher_suite);
    }
    over();
}

void Connection::stay_in_userspace(Negotiated result, std::string_view why) {
    if (service_->settings.offload == Offload::require) {
        refuse(
            {"offload-required", fmt::format("the kernel can't carry this connection ({}), and offload = \"require\" "
                                             "refuses any other",
                                             why)},
            std::move(result.tls));
        return;
    }
    host_.counters().add(service_->id, counter::kEstablishedUserspace);
    host_.counters().add(service_->id, fmt::format("{}{}", counter::kWhyUserspace, why));
    const tls::Summary summary = result.session->summary();
    listed_ = {.id = session_id_of(result.tls.get()),
               .service = service_->id,
               .since = now(),
               .tls13 = summary.version == tls::Version::tls13,
               .suite = summary.cipher_suite,
               .local = describe_local(result.tls.get()),
               .remote = describe_peer(result.tls.get()),
               .backend = {},
               .why = std::string(why)};
    if (logs(LogLevel::debug)) {
        log_debug("{}: {}: {} {}, carried by this process ({})", service_->settings.name, describe_peer(peer_),
                  tls::name_of(summary.version), summary.cipher_suite, why);
    }
    established_ = std::move(result);
    if (established_.plain) {
        relay();
        return;
    }
    const TlsService& settings = service_->settings;
    connector_ =
        std::make_unique<Connector>(host_.loop(), settings.connect, service_->next_target++, settings.connect_timeout,
                                    [this](Result<UniqueFd> backend) { on_backend(std::move(backend)); });
    connector_->start();
}

void Connection::on_backend(Result<UniqueFd> backend) {
    host_.loop().bury(std::move(connector_));
    if (!backend) {
        // RFC 8446 6.2 internal_error would say more, but OpenSSL sends no alert on request; a reset is no clean end.
        reset_on_close(established_.tls.get());
        fail_with(backend.error());
        return;
    }
    established_.plain = std::move(*backend);
    relay();
}

void Connection::relay() {
    host_.counters().add(service_->id, counter::kActiveUserspace);
    active_userspace_ = true;
    relay_ = std::make_unique<UserspaceRelay>(host_.loop(), *this, std::move(established_),
                                              service_->settings.close_timeout);
    relay_->start();
}

ListedSession Connection::listed() const {
    ListedSession session = listed_.value_or(ListedSession{});
    if (relay_) {
        session.backend = describe_peer(relay_->plain().get());
    }
    return session;
}

void Connection::cut_off(const Error& error) {
    if (relay_) {
        relay_->cut_off(error);
        return;
    }
    if (negotiation_) {
        host_.counters().add(service_->id, counter::kNegotiating, -1);
        host_.loop().bury(std::move(negotiation_));
    } else {
        host_.loop().bury(std::move(connector_));
        reset_on_close(established_.tls.get());
    }
    fail_with(error);
}

void Connection::on_ended(UserspaceRelay& /*relay*/, const Error* error, UniqueFd farewell) {
    host_.loop().bury(std::move(relay_));
    if (farewell) {
        host_.farewells().add(std::move(farewell));
    }
    if (error != nullptr) {
        fail_with(*error);
        return;
    }
    over();
}

void Connection::on_failed(Negotiation& /*negotiation*/, const Error& error, UniqueFd tls) {
    host_.counters().add(service_->id, counter::kNegotiating, -1);
    host_.loop().bury(std::move(negotiation_));
    refuse(error, std::move(tls));
}

void Connection::refuse(const Error& error, UniqueFd tls) {
    if (tls) {
        host_.farewells().add(std::move(tls));
    }
    fail_with(error);
}

void Connection::fail_with(const Error& error) {
    host_.counters().add(service_->id, fmt::format("{}{}", counter::kFailed, error.reason));
    const std::string subject = fmt::format("{}: {}", service_->settings.name, describe_peer(peer_));
    if (error.reason == kPeerClosed) {
        log_debug("{}: {} ({})", subject, error.sentence, error.reason);  // health checks and port scanners do that
    } else {
        log_peer_failure(subject, error);
        host_.failures().add({.service = service_->id,
                              .peer = describe_peer(peer_),
                              .reason = std::string(error.reason),
                              .sentence = error.sentence});
    }
    over();
}

void Connection::over() {
    if (std::exchange(active_userspace_, false)) {
        host_.counters().add(service_->id, counter::kActiveUserspace, -1);
    }
    host_.ended(*this);
}

}  // namespace keysluice
