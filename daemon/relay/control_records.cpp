// The part of Session that deals with records other than application data.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "daemon/relay/session.hpp"

namespace keysluice {

namespace {

using ktls::AlertDescription;

/// RFC 8446 5.2: no record carries more than 2^14 bytes.
constexpr std::size_t kLargestRecord = 16UL * 1024;

MutableBytes record_scratch() {
    static thread_local std::array<std::uint8_t, kLargestRecord> buffer;
    return buffer;
}

template <typename... Handlers>
struct Overloaded : Handlers... {
    using Handlers::operator()...;
};

}  // namespace

Session::Step Session::look_closer(ktls::Splice said) {
    // A byte of room tells what comes next, and leaves application data in the kernel.
    std::array<std::uint8_t, 1> first{};
    const auto peeked = ktls::peek_record(tls_.fd.get(), first, said);
    if (!peeked) {
        if (peeked.error().reason == "bad-record") {
            return refuse(AlertDescription::unexpected_message, peeked.error());
        }
        return abort(peeked.error());  // behind a bad MAC the kernel sends nothing any more, no alert either
    }
    return std::visit(Overloaded{[](const ktls::Data&) { return Step::moved; },
                                 [this](const ktls::Control& waiting) {
                                     if (waiting.type == ktls::ContentType::handshake) {
                                         expect_key_update();
                                     }
                                     const MutableBytes room = record_scratch();
                                     const auto record = ktls::receive_record(tls_.fd.get(), room);
                                     if (!record) {
                                         return refuse(AlertDescription::internal_error, record.error());
                                     }
                                     const auto* control = std::get_if<ktls::Control>(&*record);
                                     return control == nullptr
                                                ? Step::moved
                                                : on_control(*control, Bytes(room).first(control->size));
                                 },
                                 [this](const ktls::EmptyRecord&) { return count_idle_record(); },
                                 [this](const ktls::WouldBlock&) {
                                     tls_.readable = false;
                                     return to_plain_.in_pipe > 0 ? Step::moved : Step::stuck;
                                 },
                                 [this](const ktls::EndOfStream&) {
                                     if (tls_.shut) {
                                         // Both have said what they had to; many peers answer our close_notify with a
                                         // bare FIN.
                                         return part();
                                     }
                                     return abort({"truncated", "the TLS side ended without close_notify"});
                                 }},
                      *peeked);
}

Session::Step Session::on_control(const ktls::Control& control, Bytes payload) {
    switch (control.type) {
        case ktls::ContentType::alert:
            return on_alert(payload);
        case ktls::ContentType::handshake:
            return on_handshake(payload);
        case ktls::ContentType::application_data:
            return count_idle_record();
        case ktls::ContentType::change_cipher_spec:
            break;
    }
    return refuse(AlertDescription::unexpected_message,
                  {"unexpected-record", fmt::format("a record of type {} has no place after the handshake",
                                                    static_cast<unsigned>(control.type))});
}

Session::Step Session::on_alert(Bytes payload) {
    const auto alert = ktls::parse_alert(payload);
    if (!alert) {
        return refuse(AlertDescription::decode_error, alert.error());
    }
    switch (ktls::meaning(*alert, version_)) {
        case ktls::AlertMeaning::closed:
            entry_.flags |= TableEntry::kTlsEnded;
            return Step::moved;
        case ktls::AlertMeaning::ignored:
            return count_idle_record();
        case ktls::AlertMeaning::failed:
            break;
    }
    return abort({"peer-alert", fmt::format("the peer sent the alert {}", ktls::name(alert->description))});
}

Session::Step Session::on_handshake(Bytes payload) {
    const std::size_t skipped = std::min<std::size_t>(ticket_rest_, payload.size());
    ticket_rest_ -= static_cast<std::uint32_t>(skipped);
    if (skipped > 0 && skipped == payload.size()) {
        return count_idle_record();
    }
    payload = payload.subspan(skipped);
    if (handshake_start_.count == 0 || payload.empty()) {
        return on_messages({version_, payload});
    }
    // RFC 8446 5.1 lets a message be cut anywhere, in its header too.
    const Bytes start = Bytes(handshake_start_.bytes).first(std::exchange(handshake_start_.count, 0));
    std::vector<std::uint8_t> joined(start.begin(), start.end());
    joined.insert(joined.end(), payload.begin(), payload.end());
    return on_messages({version_, joined});
}

Session::Step Session::on_messages(ktls::HandshakeMessages messages) {
    const auto unexpected = [this](std::string_view what) {
        return refuse(AlertDescription::unexpected_message,
                      {"unexpected-handshake-message", fmt::format("{} has no place after the handshake", what)});
    };
    Bytes rest = messages.rest();
    while (const auto message = messages.next()) {
        const Bytes octets = rest.first(rest.size() - messages.rest().size());
        rest = messages.rest();
        const Step step = std::visit(
            Overloaded{[this, octets](const ktls::NewSessionTicket&) {
                           if (version_ == ktls::Version::tls13) {
                               host_.on_ticket(*this, octets);
                           }
                           return Step::moved;
                       },
                       [this](const ktls::KeyUpdate&) { return on_key_update(); },
                       [this, &unexpected](const ktls::Renegotiation&) {
                           if (version_ == ktls::Version::tls13) {
                               return unexpected("a hello");
                           }
                           // RFC 5246 7.2.2: the peer may go on after this warning.
                           const auto alert = ktls::encode_alert(AlertDescription::no_renegotiation);
                           static_cast<void>(ktls::send_control(tls_.fd.get(), ktls::ContentType::alert, alert));
                           return Step::moved;
                       },
                       [&unexpected](const ktls::CertificateRequest&) { return unexpected("a certificate request"); },
                       [&unexpected](const ktls::OtherMessage& other) {
                           return unexpected(fmt::format("a handshake message of type {}", other.type));
                       },
                       [this, &unexpected, &messages](const ktls::Incomplete& incomplete) {
                           constexpr std::uint8_t kNewSessionTicket = 4;
                           if (incomplete.type != kNewSessionTicket) {
                               return unexpected("a fragmented handshake message");
                           }
                           expect_more_of_ticket(messages.rest(), incomplete.missing);
                           return Step::moved;
                       },
                       [this](const ktls::Violation& violation) {
                           return refuse(violation.alert, {violation.reason, violation.sentence});
                       }},
            *message);
        if (step == Step::over) {
            return step;
        }
    }
    return count_idle_record();
}

void Session::expect_key_update() {
    const MutableBytes room = record_scratch();
    const auto record = rekeying_.possible() ? ktls::peek_record(tls_.fd.get(), room) : ktls::WouldBlock{};
    const auto* control = record ? std::get_if<ktls::Control>(&*record) : nullptr;
    if (control == nullptr) {
        return;  // what it is, taking it out tells
    }
    // What goes on from the record before is none, whatever it looks like; a message whose header was cut is met
    // late.
    const std::size_t skipped = std::min<std::size_t>(ticket_rest_, control->size);
    if (handshake_start_.count > 0) {
        return;
    }
    ktls::HandshakeMessages messages{version_, Bytes(room).first(control->size).subspan(skipped)};
    while (const auto message = messages.next()) {
        if (const auto* update = std::get_if<ktls::KeyUpdate>(&*message)) {
            rekeying_.expect(update->requested);
        }
    }
}

void Session::expect_more_of_ticket(Bytes seen, std::size_t missing) {
    if (seen.size() > handshake_start_.bytes.size()) {
        ticket_rest_ = static_cast<std::uint32_t>(missing);
        return;
    }
    std::ranges::copy(seen, handshake_start_.bytes.begin());
    handshake_start_.count = static_cast<std::uint8_t>(seen.size());
}

Session::Step Session::count_idle_record() {
    if (++idle_records_ > kMostIdleRecords) {
        return refuse(AlertDescription::unexpected_message,
                      {"record-flood", fmt::format("more than {} records in a row carry no data", kMostIdleRecords)});
    }
    return Step::moved;
}

}  // namespace keysluice
