#include "daemon/engine/connection.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "daemon/engine/description.hpp"
#include "daemon/engine/origin.hpp"
#include "daemon/engine/proxy_header.hpp"
#include "daemon/engine/routing.hpp"
#include "daemon/shared/clock.hpp"
#include "daemon/shared/log.hpp"
#include "daemon/shared/session_listing.hpp"
#include "daemon/shared/sockets.hpp"
#include "ktls/alert.hpp"
#include "ktls/record.hpp"

namespace keysluice {

Connection::Connection(Host& host, std::shared_ptr<ServedService> service, Accepted accepted,
                       std::shared_ptr<Submitter> submitter, std::string submission)
    : host_(host),
      service_(std::move(service)),
      peer_(accepted.peer),
      accepted_(std::move(accepted.socket)),
      submitter_(std::move(submitter)),
      submission_(std::move(submission)) {
    host_.counters().add(service_->id, counter::kNegotiating);
}

Connection::~Connection() = default;

void Connection::start() {
    const TlsService& settings = service_->settings;
    until_ = now() + settings.handshake_timeout;
    auto counted = host_.limiter().admit(service_->id, settings.limits);
    if (!counted) {
        turn_away(counted.error());
        return;
    }
    counted_ = std::move(*counted);
    if (settings.accept_proxy == AcceptProxy::none) {
        let_in();
        return;
    }
    intake_ = std::make_unique<HeaderIntake>(host_.loop(), accepted_.get(), versions_of(settings.accept_proxy),
                                             [this](Result<proxy::Header> header) { on_header(std::move(header)); });
    intake_->start(until_);
}

void Connection::on_header(Result<proxy::Header> header) {
    host_.loop().bury(std::move(intake_));
    if (!header) {
        turn_away(header.error());
        return;
    }
    peer_ = client_of(header->ends).value_or(peer_);
    told_ = std::make_unique<proxy::Header>(*std::move(header));
    let_in();
}

void Connection::let_in() {
    origin_ = origin_of(peer_);
    if (const auto admitted =
            host_.limiter().admit_client(counted_, service_->id, service_->settings.limits, origin_);
        !admitted) {
        turn_away(admitted.error());
        return;
    }
    prepare_header();
    if (service_->settings.plaintext == Plaintext::refuse) {
        negotiate();
        return;
    }
    first_octet_ = std::make_unique<FirstOctet>(
        host_.loop(), accepted_.get(), [this](Result<bool> speaks_tls) { on_first_octet(std::move(speaks_tls)); });
    first_octet_->start(until_);
}

void Connection::on_first_octet(Result<bool> speaks_tls) {
    host_.loop().bury(std::move(first_octet_));
    if (!speaks_tls) {
        turn_away(speaks_tls.error());
    } else if (*speaks_tls) {
        negotiate();
    } else {
        relay_plaintext();
    }
}

void Connection::relay_plaintext() {
    host_.counters().add(service_->id, counter::kNegotiating, -1);
    established_.tls = std::move(accepted_);
    plaintext_ = true;
    carrier_ = Carrier::kernel;
    if (told_) {
        preface_ = preface_of(service_->settings.send_proxy, *told_);
        told_.reset();
    }
    preface_.empty() ? leave_for_relay() : connect_backend();
}

void Connection::turn_away(const Error& error) {
    host_.counters().add(service_->id, counter::kNegotiating, -1);
    reset_on_close(accepted_.get());
    fail_with(error);
}

void Connection::prepare_header() {
    const bool told = told_ && !std::holds_alternative<std::monostate>(told_->ends);
    if (service_->settings.send_proxy == SendProxy::none) {
        told_.reset();
    } else if (!told) {
        told_ = std::make_unique<proxy::Header>(proxy::Header{.ends = ends_of(accepted_.get())});
    }
}

void Connection::negotiate() {
    const TlsService& settings = service_->settings;
    const bool client_mode = settings.mode == Mode::client;
    negotiation_ =
        std::make_unique<Negotiation>(host_.loop(), *this, settings, *service_->context, std::move(accepted_));
    negotiation_->start(until_, client_mode ? service_->next_target[&settings.connect]++ : 0,
                        client_mode && told_ ? preface_of(settings.send_proxy, *told_) : std::vector<std::uint8_t>());
}

void Connection::on_established(Negotiation& /*negotiation*/, Negotiated result) {
    host_.counters().add(service_->id, counter::kNegotiating, -1);
    host_.loop().bury(std::move(negotiation_));
    established_ = std::move(result);
    if (told_ && service_->settings.mode == Mode::server) {
        describe_tls(established_.session->summary(), *told_);
        preface_ = preface_of(service_->settings.send_proxy, *told_);
    }
    told_.reset();
    if (!service_->settings.routes.empty()) {
        route_ = choose_route(service_->settings, established_.session->summary());
    }
    if (service_->settings.offload == Offload::off) {
        stay_in_userspace("offload-off");
        return;
    }
    auto placement =
        place(established_.tls.get(), *established_.session, host_.kernel(), service_->settings.rekey_after.set());
    if (!placement) {
        reset_on_close(established_.tls.get());
        fail_with(placement.error());
        return;
    }
    carrier_ = placement->carrier;
    secrets_ = std::move(placement->secrets);
    switch (carrier_) {
        case Carrier::kernel:
            if (for_application()) {
                return give_to_application();
            }
            return preface_.empty() && route_ == nullptr ? leave_for_relay() : connect_backend();
        case Carrier::userspace:
            return stay_in_userspace(placement->reason);
    }
}

void Connection::count_established(std::string_view where, const tls::Summary& summary) {
    host_.counters().add(service_->id, where);
    if (summary.resumed) {
        host_.counters().add(service_->id, counter::kResumed);
    }
}

void Connection::leave_for_relay() {
    const tls::Summary summary = plaintext_ ? tls::Summary{} : established_.session->summary();
    if (!plaintext_ && established_.session->wants_ticket()) {
        host_.await_ticket(session_id_of(established_.tls.get()), std::move(established_.session));
    }
    established_.session.reset();
    std::vector<UniqueFd> sockets;
    sockets.push_back(std::move(established_.tls));
    if (established_.plain) {
        sockets.push_back(std::move(established_.plain));
    }
    const Carried connection{.service = service_->id,
                             .tls13 = !plaintext_ && summary.version == tls::Version::tls13,
                             .plaintext = plaintext_,
                             .origin = origin_,
                             .since = now()};
    if (!host_.hand_over(connection, std::move(secrets_), std::move(sockets))) {
        fail_with({"keeper-busy", "too many connections wait for the keeper or its relay already"});
        return;
    }
    if (plaintext_) {
        host_.counters().add(service_->id, counter::kEstablishedPlaintext);
        log_debug("{}: {}: no TLS, relayed as it is", service_->settings.name, describe_peer(peer_));
        over();
        return;
    }
    count_established(counter::kEstablishedKernel, summary);
    if (logs(LogLevel::debug)) {
        log_debug("{}: {}: {} {}, carried by the kernel", service_->settings.name, describe_peer(peer_),
                  tls::name_of(summary.version), summary.cipher_suite);
    }
    over();
}

void Connection::stay_in_userspace(std::string_view why) {
    if (for_application()) {
        refuse(
            {"handoff-needs-kernel", fmt::format("the kernel can't carry this connection ({}), and keysluice's own "
                                                 "record layer can't be given to an application",
                                                 why)},
            std::move(established_.tls));
        return;
    }
    if (service_->settings.offload == Offload::require) {
        refuse(
            {"offload-required", fmt::format("the kernel can't carry this connection ({}), and offload = \"require\" "
                                             "refuses any other",
                                             why)},
            std::move(established_.tls));
        return;
    }
    const int socket = established_.tls.get();
    const tls::Summary summary = established_.session->summary();
    count_established(counter::kEstablishedUserspace, summary);
    host_.counters().add(service_->id, fmt::format("{}{}", counter::kWhyUserspace, why));
    listed_ = {.id = session_id_of(socket),
               .service = service_->id,
               .since = now(),
               .tls13 = summary.version == tls::Version::tls13,
               .suite = summary.cipher_suite,
               .local = describe_local(socket),
               .remote = service_->settings.mode == Mode::server ? describe_peer(peer_) : describe_peer(socket),
               .backend = {},
               .why = std::string(why)};
    if (logs(LogLevel::debug)) {
        log_debug("{}: {}: {} {}, carried by this process ({})", service_->settings.name, describe_peer(peer_),
                  tls::name_of(summary.version), summary.cipher_suite, why);
    }
    if (established_.plain) {
        relay();
    } else {
        connect_backend();
    }
}

void Connection::connect_backend() {
    const TlsService& settings = service_->settings;
    const std::vector<Endpoint>& targets = route_ != nullptr ? route_->connect : settings.connect;
    connector_ = std::make_unique<Connector>(host_.loop(), targets, service_->next_target[&targets]++,
                                             settings.connect_timeout,
                                             [this](Result<UniqueFd> backend) { on_backend(std::move(backend)); });
    connector_->start();
}

void Connection::on_backend(Result<UniqueFd> backend) {
    host_.loop().bury(std::move(connector_));
    if (!backend) {
        give_up_backend(backend.error());
        return;
    }
    established_.plain = std::move(*backend);
    switch (carrier_) {
        case Carrier::kernel:
            return send_preface();
        case Carrier::userspace:
            return relay();
    }
}

void Connection::send_preface() {
    const int plain = established_.plain.get();
    reset_on_close(plain);
    const ssize_t size =
        preface_.empty() ? 0 : send(plain, preface_.data(), preface_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    // A new connection has room for all of it, and who is told a part of it is told nothing.
    if (size != static_cast<ssize_t>(preface_.size())) {
        give_up_backend({"plain-side-reset", fmt::format("the plaintext side did not take the PROXY header: {}",
                                                         size < 0 ? std::strerror(errno) : "it has no room")});
        return;
    }
    leave_for_relay();
}

void Connection::give_up_backend(const Error& error) {
    if (plaintext_) {
        reset_on_close(established_.tls.get());
        fail_with(error);
        return;
    }
    switch (carrier_) {
        case Carrier::kernel: {
            const auto alert = ktls::encode_alert(ktls::AlertDescription::internal_error);
            static_cast<void>(ktls::send_control(established_.tls.get(), ktls::ContentType::alert, alert));
            refuse(error, std::move(established_.tls));
            return;
        }
        case Carrier::userspace:
            // RFC 8446 6.2 internal_error would say more, but OpenSSL sends no alert on request; a reset is no clean
            // end.
            reset_on_close(established_.tls.get());
            fail_with(error);
            return;
    }
}

void Connection::relay() {
    host_.counters().add(service_->id, counter::kActiveUserspace);
    active_userspace_ = true;
    relay_ = std::make_unique<UserspaceRelay>(host_.loop(), *this, std::move(established_),
                                              service_->settings.close_timeout, std::move(preface_),
                                              service_->settings.rekey_after, service_->settings.limits);
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
    if (intake_ || first_octet_ || negotiation_) {
        host_.counters().add(service_->id, counter::kNegotiating, -1);
        intake_.reset();
        first_octet_.reset();
        negotiation_.reset();
    } else {
        connector_.reset();
        handoff_.reset();
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
    if (submitter_) {
        static_cast<void>(submitter_->answer(describe_refusal(submission_, error)));
    }
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
    counted_ = {};
    host_.ended(*this);
}

}  // namespace keysluice
