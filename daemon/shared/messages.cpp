#include "daemon/shared/messages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/constant_time.hpp"

namespace keysluice {

namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::size_t kMaximumName = 255;
constexpr std::size_t kMaximumSentence = 4096;
// Traffic secrets of TLS 1.3 with SHA-256 and SHA-384.
constexpr std::size_t kShortSecret = 32;
constexpr std::size_t kLongSecret = 48;
constexpr std::size_t kMskSize = 64;

Bytes cut(std::string_view text, std::size_t limit) {
    return as_bytes(text.substr(0, limit));
}

std::string text_of(Bytes bytes) {
    return std::string(as_text(bytes));
}

// One pair of functions for each message: what `put` writes, `get` reads.

void put(Writer& to, bool flag) {
    to.be(static_cast<std::uint8_t>(flag ? 1 : 0));
}
bool get(Reader& from, bool& flag) {
    const auto byte = from.be<std::uint8_t>();
    flag = byte == 1;
    return byte <= 1;
}

/// µs of CLOCK_MONOTONIC.
void put(Writer& to, Instant moment) {
    to.be(static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(moment.time_since_epoch()).count()));
}
bool get(Reader& from, Instant& moment) {
    constexpr auto kLast = std::chrono::duration_cast<std::chrono::microseconds>(Instant::max().time_since_epoch());
    const auto count = from.be<std::uint64_t>();
    const bool known = count <= static_cast<std::uint64_t>(kLast.count());
    moment = known ? Instant(std::chrono::microseconds(count)) : Instant{};
    return known;
}

void put(Writer& to, const Hello& hello) {
    to.be(static_cast<std::uint8_t>(hello.kind)).be(hello.index).be(hello.pid);
}
bool get(Reader& from, Hello& hello) {
    const auto kind = from.be<std::uint8_t>();
    hello = {
        .kind = static_cast<ProcessKind>(kind), .index = from.be<std::uint16_t>(), .pid = from.be<std::uint32_t>()};
    return kind <= static_cast<std::uint8_t>(ProcessKind::relay);
}

void put(Writer& to, const Listener& listener) {
    to.prefixed<std::uint8_t>(cut(listener.name, kMaximumName));
}
bool get(Reader& from, Listener& listener) {
    listener.name = text_of(from.prefixed<std::uint8_t>());
    return !listener.name.empty();
}

void put(Writer& /*to*/, const ListenersComplete& /*message*/) {}
bool get(Reader& /*from*/, ListenersComplete& /*message*/) {
    return true;
}

void put(Writer& to, const ForgetListener& listener) {
    to.prefixed<std::uint8_t>(cut(listener.name, kMaximumName));
}
bool get(Reader& from, ForgetListener& listener) {
    listener.name = text_of(from.prefixed<std::uint8_t>());
    return !listener.name.empty();
}

void put(Writer& to, const Carried& connection) {
    to.be(connection.service.value);
    put(to, connection.tls13);
    put(to, connection.plaintext);
    to.be(connection.origin);
    put(to, connection.since);
}
bool get(Reader& from, Carried& connection) {
    connection.service = {from.be<std::uint64_t>()};
    if (!get(from, connection.tls13) || !get(from, connection.plaintext)) {
        return false;
    }
    connection.origin = from.be<std::uint64_t>();
    return get(from, connection.since);
}

void put(Writer& to, const Handover& handover) {
    to.be(handover.token);
    put(to, handover.again);
    put(to, handover.connection);
    // In one piece: a vector that grows leaves behind what it had.
    Secret<2 * kLongSecret> both;
    if (handover.secrets) {
        const Bytes receive = handover.secrets->receive.expose();
        const MutableBytes room = both.writable(2 * receive.size());
        std::ranges::copy(receive, room.begin());
        std::ranges::copy(handover.secrets->send.expose(), room.last(receive.size()).begin());
    }
    to.prefixed<std::uint8_t>(both.expose());
}
bool get(Reader& from, Handover& handover) {
    handover.token = from.be<std::uint32_t>();
    if (!get(from, handover.again) || !get(from, handover.connection)) {
        return false;
    }
    const Bytes both = from.prefixed<std::uint8_t>();
    const std::size_t size = both.size() / 2;
    if (!both.empty()) {
        handover.secrets = std::make_shared<TrafficSecrets>(
            TrafficSecrets{.receive = Secret<48>(both.first(size)), .send = Secret<48>(both.last(size))});
    }
    return both.empty() || both.size() == 2 * kShortSecret || both.size() == 2 * kLongSecret;
}

void put(Writer& to, const Adopt& adopt) {
    to.be(adopt.slot.value);
    put(to, adopt.connection);
}
bool get(Reader& from, Adopt& adopt) {
    adopt.slot = {from.be<std::uint32_t>()};
    return get(from, adopt.connection);
}

void put(Writer& to, const Attach& attach) {
    to.be(attach.slot.value);
}
bool get(Reader& from, Attach& attach) {
    attach.slot = {from.be<std::uint32_t>()};
    return true;
}

std::uint32_t number_of(Slot slot) {
    return slot.value;
}
std::uint32_t number_of(std::uint32_t token) {
    return token;
}

template <typename Number>
void put(Writer& to, const std::vector<Number>& list) {
    to.be(static_cast<std::uint16_t>(list.size()));
    for (const Number each : list) {
        to.be(number_of(each));
    }
}
template <typename Number>
bool get(Reader& from, std::vector<Number>& list) {
    const auto count = from.be<std::uint16_t>();
    if (count > kMaximumListed) {
        return false;
    }
    for (std::size_t i = 0; i < count && from.ok(); ++i) {
        list.push_back(Number{from.be<std::uint32_t>()});
    }
    return true;
}

void put(Writer& to, const Release& release) {
    put(to, release.slots);
}
bool get(Reader& from, Release& release) {
    return get(from, release.slots);
}

void put(Writer& to, const Pipe& pipe) {
    to.be(pipe.pipe.value);
}
bool get(Reader& from, Pipe& pipe) {
    pipe.pipe = {from.be<std::uint16_t>()};
    return true;
}

void put(Writer& /*to*/, const Table& /*message*/) {}
bool get(Reader& /*from*/, Table& /*message*/) {
    return true;
}

void put(Writer& /*to*/, const Draining& /*message*/) {}
bool get(Reader& /*from*/, Draining& /*message*/) {
    return true;
}

void put(Writer& to, const Service& service) {
    to.be(service.id.value).prefixed<std::uint16_t>(service.settings).be(service.load);
    put(to, service.balanced);
}
bool get(Reader& from, Service& service) {
    service.id = {from.be<std::uint64_t>()};
    const Bytes settings = from.prefixed<std::uint16_t>();
    service.settings.assign(settings.begin(), settings.end());
    service.load = from.be<std::uint32_t>();
    return get(from, service.balanced);
}

void put(Writer& /*to*/, const Tickets& /*message*/) {}
bool get(Reader& /*from*/, Tickets& /*message*/) {
    return true;
}

void put(Writer& /*to*/, const CountLimits& /*message*/) {}
bool get(Reader& /*from*/, CountLimits& /*message*/) {
    return true;
}

void put(Writer& to, const TicketReceived& ticket) {
    to.be(ticket.session.value).prefixed<std::uint16_t>(ticket.message);
}
bool get(Reader& from, TicketReceived& ticket) {
    ticket.session = {from.be<std::uint64_t>()};
    const Bytes message = from.prefixed<std::uint16_t>();
    ticket.message.assign(message.begin(), message.end());
    return !message.empty() && message.size() <= kLongestTicket;
}

void put(Writer& /*to*/, const ServicesComplete& /*message*/) {}
bool get(Reader& /*from*/, ServicesComplete& /*message*/) {
    return true;
}

void put(Writer& to, const LoadService& wanted) {
    to.be(wanted.load).be(wanted.id.value).prefixed<std::uint16_t>(wanted.settings);
}
bool get(Reader& from, LoadService& wanted) {
    wanted.load = from.be<std::uint32_t>();
    wanted.id = {from.be<std::uint64_t>()};
    const Bytes settings = from.prefixed<std::uint16_t>();
    wanted.settings.assign(settings.begin(), settings.end());
    return true;
}

void put(Writer& to, const ServiceLoaded& loaded) {
    to.be(loaded.id.value).be(loaded.load);
    put(to, loaded.fresh);
    to.prefixed<std::uint8_t>(cut(loaded.reason, kMaximumName))
        .prefixed<std::uint16_t>(cut(loaded.sentence, kMaximumSentence));
}
bool get(Reader& from, ServiceLoaded& loaded) {
    loaded.id = {from.be<std::uint64_t>()};
    loaded.load = from.be<std::uint32_t>();
    const bool known = get(from, loaded.fresh);
    loaded.reason = text_of(from.prefixed<std::uint8_t>());
    loaded.sentence = text_of(from.prefixed<std::uint16_t>());
    return known && loaded.sentence.size() <= kMaximumSentence;
}

void put(Writer& to, const AskCounters& ask) {
    to.be(ask.token);
}
bool get(Reader& from, AskCounters& ask) {
    ask.token = from.be<std::uint32_t>();
    return true;
}

void put(Writer& to, const Counters& counters) {
    to.be(counters.token);
    put(to, counters.more);
    to.be(static_cast<std::uint16_t>(counters.counts.size()));
    for (const Count& count : counters.counts) {
        to.be(count.service.value).prefixed<std::uint8_t>(cut(count.name, kMaximumName)).be(count.value);
    }
}
bool get(Reader& from, Counters& counters) {
    counters.token = from.be<std::uint32_t>();
    const bool known = get(from, counters.more);
    const auto count = from.be<std::uint16_t>();
    if (!known || count > kMaximumListed) {
        return false;
    }
    for (std::size_t i = 0; i < count && from.ok(); ++i) {
        Count one;
        one.service = {from.be<std::uint64_t>()};
        one.name = text_of(from.prefixed<std::uint8_t>());
        one.value = from.be<std::uint64_t>();
        counters.counts.push_back(std::move(one));
    }
    return true;
}

void get(Reader& from, KeyId& key) {
    std::ranges::copy(from.take(key.size()), key.begin());
}

void put(Writer& to, const SigningKey& key) {
    to.raw(key.key).prefixed<std::uint16_t>(cut(key.path, kMaximumSentence));
}
bool get(Reader& from, SigningKey& key) {
    get(from, key.key);
    key.path = text_of(from.prefixed<std::uint16_t>());
    return !key.path.empty() && key.path.size() <= kMaximumSentence;
}

void put(Writer& to, const SigningKeyLoaded& loaded) {
    to.raw(loaded.key)
        .prefixed<std::uint8_t>(cut(loaded.reason, kMaximumName))
        .prefixed<std::uint16_t>(cut(loaded.sentence, kMaximumSentence));
}
bool get(Reader& from, SigningKeyLoaded& loaded) {
    get(from, loaded.key);
    loaded.reason = text_of(from.prefixed<std::uint8_t>());
    loaded.sentence = text_of(from.prefixed<std::uint16_t>());
    return loaded.sentence.size() <= kMaximumSentence;
}

void put(Writer& to, const SignatureWanted& wanted) {
    to.be(wanted.token).raw(wanted.key).be(wanted.scheme).prefixed<std::uint16_t>(wanted.octets);
}
bool get(Reader& from, SignatureWanted& wanted) {
    wanted.token = from.be<std::uint32_t>();
    get(from, wanted.key);
    wanted.scheme = from.be<std::uint8_t>();
    const Bytes octets = from.prefixed<std::uint16_t>();
    wanted.octets.assign(octets.begin(), octets.end());
    return octets.size() <= kMostToSign;
}

void put(Writer& to, const SignatureMade& made) {
    to.be(made.token)
        .prefixed<std::uint16_t>(made.signature)
        .prefixed<std::uint16_t>(cut(made.sentence, kMaximumSentence));
}
bool get(Reader& from, SignatureMade& made) {
    made.token = from.be<std::uint32_t>();
    const Bytes signature = from.prefixed<std::uint16_t>();
    made.signature.assign(signature.begin(), signature.end());
    made.sentence = text_of(from.prefixed<std::uint16_t>());
    return signature.size() <= kLongestSignature && made.sentence.size() <= kMaximumSentence;
}

using Octets = std::vector<std::uint8_t>;

void put(Writer& to, const std::vector<Octets>& certificates) {
    to.be(static_cast<std::uint8_t>(certificates.size()));
    for (const Octets& each : certificates) {
        to.prefixed<std::uint16_t>(each);
    }
}
bool get(Reader& from, std::vector<Octets>& certificates) {
    const auto count = from.be<std::uint8_t>();
    std::size_t size = 0;
    for (std::size_t i = 0; i < count && from.ok(); ++i) {
        const Bytes each = from.prefixed<std::uint16_t>();
        size += each.size();
        certificates.emplace_back(each.begin(), each.end());
    }
    return count <= kMostTlsCertificates && size <= kMostTlsTurn;
}

void put(Writer& to, const TlsTurnHeard& turn) {
    to.be(turn.token).be(turn.handshake).raw(turn.key);
    put(to, turn.server);
    put(to, turn.begins);
    put(to, turn.chain);
    to.prefixed<std::uint16_t>(turn.records);
}
bool get(Reader& from, TlsTurnHeard& turn) {
    turn.token = from.be<std::uint32_t>();
    turn.handshake = from.be<std::uint64_t>();
    get(from, turn.key);
    const bool good = get(from, turn.server) && get(from, turn.begins) && get(from, turn.chain);
    const Bytes records = from.prefixed<std::uint16_t>();
    turn.records.assign(records.begin(), records.end());
    return good && records.size() <= kMostTlsTurn;
}

void put(Writer& to, const TlsTurnAnswered& turn) {
    to.be(turn.token).prefixed<std::uint16_t>(turn.records);
    put(to, turn.chain);
    to.prefixed<std::uint16_t>(cut(turn.sentence, kMaximumSentence));
    // At the end: a vector that grows leaves behind what it had.
    to.prefixed<std::uint8_t>(turn.msk ? turn.msk->expose() : Bytes());
}
bool get(Reader& from, TlsTurnAnswered& turn) {
    turn.token = from.be<std::uint32_t>();
    const Bytes records = from.prefixed<std::uint16_t>();
    turn.records.assign(records.begin(), records.end());
    const bool good = get(from, turn.chain);
    turn.sentence = text_of(from.prefixed<std::uint16_t>());
    const Bytes msk = from.prefixed<std::uint8_t>();
    turn.msk = msk.empty() ? nullptr : std::make_shared<const Secret<kMskSize>>(msk);
    return good && records.size() <= kMostTlsTurn && turn.sentence.size() <= kMaximumSentence &&
           (msk.empty() || msk.size() == kMskSize);
}

void put(Writer& to, const TlsHandshakeOver& over) {
    to.be(over.handshake);
}
bool get(Reader& from, TlsHandshakeOver& over) {
    over.handshake = from.be<std::uint64_t>();
    return true;
}

void put(Writer& to, const Engines& engines) {
    to.be(engines.count);
}
bool get(Reader& from, Engines& engines) {
    engines.count = from.be<std::uint16_t>();
    return engines.count <= kMostEngines;
}

void put(Writer& to, const Taken& taken) {
    put(to, taken.tokens);
}
bool get(Reader& from, Taken& taken) {
    return get(from, taken.tokens);
}

void put(Writer& /*to*/, const AskHeld& /*message*/) {}
bool get(Reader& /*from*/, AskHeld& /*message*/) {
    return true;
}

void put(Writer& /*to*/, const SigningKeysComplete& /*message*/) {}
bool get(Reader& /*from*/, SigningKeysComplete& /*message*/) {
    return true;
}

void put(Writer& /*to*/, const HeldComplete& /*message*/) {}
bool get(Reader& /*from*/, HeldComplete& /*message*/) {
    return true;
}

void put(Writer& to, ServiceId service) {
    to.be(service.value);
}
bool get(Reader& from, ServiceId& service) {
    service = {from.be<std::uint64_t>()};
    return true;
}

void put(Writer& to, const ListedSession& session) {
    to.be(session.id.value).be(session.service.value);
    put(to, session.since);
    put(to, session.tls13);
    for (const std::string* text :
         {&session.suite, &session.local, &session.remote, &session.backend, &session.why}) {
        to.prefixed<std::uint8_t>(cut(*text, kMaximumName));
    }
}
bool get(Reader& from, ListedSession& session) {
    session.id = {from.be<std::uint64_t>()};
    session.service = {from.be<std::uint64_t>()};
    const bool known = get(from, session.since) && get(from, session.tls13);
    for (std::string* text : {&session.suite, &session.local, &session.remote, &session.backend, &session.why}) {
        *text = text_of(from.prefixed<std::uint8_t>());
    }
    return known;
}

void put(Writer& to, const Failure& failure) {
    to.be(failure.service.value)
        .prefixed<std::uint8_t>(cut(failure.peer, kMaximumName))
        .prefixed<std::uint8_t>(cut(failure.reason, kMaximumName))
        .prefixed<std::uint16_t>(cut(failure.sentence, kMaximumSentence));
}
bool get(Reader& from, Failure& failure) {
    failure.service = {from.be<std::uint64_t>()};
    failure.peer = text_of(from.prefixed<std::uint8_t>());
    failure.reason = text_of(from.prefixed<std::uint8_t>());
    failure.sentence = text_of(from.prefixed<std::uint16_t>());
    return failure.sentence.size() <= kMaximumSentence;
}

template <typename Listed>
void put_all(Writer& to, const std::vector<Listed>& list) {
    to.be(static_cast<std::uint16_t>(list.size()));
    for (const Listed& each : list) {
        put(to, each);
    }
}
template <typename Listed>
bool get_all(Reader& from, std::vector<Listed>& list) {
    const auto count = from.be<std::uint16_t>();
    bool good = count <= kMaximumListed;
    for (std::size_t i = 0; i < count && good && from.ok(); ++i) {
        good = get(from, list.emplace_back());
    }
    return good;
}

void put(Writer& to, const AskSessions& ask) {
    to.be(ask.token).be(ask.after.value).be(ask.limit);
    put_all(to, ask.services);
}
bool get(Reader& from, AskSessions& ask) {
    ask.token = from.be<std::uint32_t>();
    ask.after = {from.be<std::uint64_t>()};
    ask.limit = from.be<std::uint16_t>();
    return ask.limit <= kMostSessions && get_all(from, ask.services);
}

void put(Writer& to, const Sessions& sessions) {
    to.be(sessions.token);
    put(to, sessions.more);
    put_all(to, sessions.sessions);
}
bool get(Reader& from, Sessions& sessions) {
    sessions.token = from.be<std::uint32_t>();
    return get(from, sessions.more) && get_all(from, sessions.sessions) && sessions.sessions.size() <= kMostSessions;
}

void put(Writer& to, const EndSessions& end) {
    to.be(end.token).be(end.id.value).be(end.service.value);
}
bool get(Reader& from, EndSessions& end) {
    end.token = from.be<std::uint32_t>();
    end.id = {from.be<std::uint64_t>()};
    end.service = {from.be<std::uint64_t>()};
    return true;
}

void put(Writer& to, const SessionsEnded& ended) {
    to.be(ended.token).be(ended.count);
}
bool get(Reader& from, SessionsEnded& ended) {
    ended.token = from.be<std::uint32_t>();
    ended.count = from.be<std::uint32_t>();
    return true;
}

void put(Writer& to, const CloseService& close) {
    put(to, close.id);
}
bool get(Reader& from, CloseService& close) {
    return get(from, close.id);
}

void put(Writer& to, const ForgetService& forgotten) {
    put(to, forgotten.id);
}
bool get(Reader& from, ForgetService& forgotten) {
    return get(from, forgotten.id);
}

void put(Writer& to, const Failures& failures) {
    put_all(to, failures.failures);
}
bool get(Reader& from, Failures& failures) {
    return get_all(from, failures.failures) && failures.failures.size() <= kMostFailures;
}

template <typename Kind>
Result<Message> decode_body(Reader& from) {
    Kind message;
    if (!get(from, message) || !from.finished()) {
        return fail("message-malformed", "a message between keysluice's processes is not as its kind demands");
    }
    return Message(std::move(message));
}

template <std::size_t... Index>
Result<Message> decode_kind(std::size_t kind, Reader& from, std::index_sequence<Index...> /*kinds*/) {
    using Decoder = Result<Message> (*)(Reader&);
    static constexpr std::array<Decoder, sizeof...(Index)> kDecoders{
        &decode_body<std::variant_alternative_t<Index, Message>>...};
    return kDecoders.at(kind)(from);
}

}  // namespace

std::string_view name_of(ProcessKind kind) {
    switch (kind) {
        case ProcessKind::control:
            return "control";
        case ProcessKind::engine:
            return "engine";
        case ProcessKind::relay:
            return "relay";
    }
    return "";
}

bool Handover::operator==(const Handover& other) const {
    const auto same = [](const Secret<48>& one, const Secret<48>& another) {
        return equal_in_constant_time(one.expose(), another.expose());
    };
    const bool same_secrets = secrets && other.secrets ? same(secrets->receive, other.secrets->receive) &&
                                                             same(secrets->send, other.secrets->send)
                                                       : secrets == other.secrets;
    return token == other.token && again == other.again && connection == other.connection && same_secrets;
}

bool TlsTurnAnswered::operator==(const TlsTurnAnswered& other) const {
    const bool same_key =
        msk && other.msk ? equal_in_constant_time(msk->expose(), other.msk->expose()) : msk == other.msk;
    return token == other.token && records == other.records && chain == other.chain && sentence == other.sentence &&
           same_key;
}

std::vector<std::uint8_t> encode(const Message& message) {
    Writer to;
    to.be(kFormat).be(static_cast<std::uint8_t>(message.index()));
    std::visit([&to](const auto& kind) { put(to, kind); }, message);
    return std::move(to).release();
}

Result<Message> decode(Bytes packet) {
    Reader from(packet);
    const auto format = from.be<std::uint8_t>();
    const auto kind = from.be<std::uint8_t>();
    if (!from.ok() || format != kFormat || kind >= std::variant_size_v<Message>) {
        return fail(
            "message-malformed",
            fmt::format("a message between keysluice's processes has format {} and kind {}; expected format {} and "
                        "a kind below {}: are all programs of one version?",
                        format, kind, kFormat, std::variant_size_v<Message>));
    }
    return decode_kind(kind, from, std::make_index_sequence<std::variant_size_v<Message>>());
}

}  // namespace keysluice
