#include "tests/support/ike_end.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "ike/key_exchange.hpp"
#include "ike/peer_certificate.hpp"
#include "ike/snapshot.hpp"

namespace keysluice::ike::testing {
namespace {

UdpEndpoint endpoint_of(const char* address) {
    return {*IpAddress::parse(address), 500};
}

}  // namespace

void SeededRandom::fill(MutableBytes out) {
    for (std::uint8_t& octet : out) {  // splitmix64
        state_ += 0x9E3779B97F4A7C15ULL;
        std::uint64_t mixed = state_;
        mixed = (mixed ^ (mixed >> 30U)) * 0xBF58476D1CE4E5B9ULL;
        mixed = (mixed ^ (mixed >> 27U)) * 0x94D049BB133111EBULL;
        octet = static_cast<std::uint8_t>(mixed >> 56U);
    }
    if (few != 0 && out.size() == sizeof(std::uint32_t)) {
        Writer number;
        number.be(0x1000 + Reader(out).be<std::uint32_t>() % few);
        std::ranges::copy(number.view(), out.begin());
    }
}

End::End(std::string its_name, const char* its_address, Settings its_settings, std::uint64_t seed)
    : name(std::move(its_name)),
      address(endpoint_of(its_address)),
      settings(its_settings),
      random(seed),
      endpoint(std::make_unique<Endpoint>(settings, random)) {}

void End::configure(ConnectionPtr connection) {
    connections = {std::move(connection)};
    endpoint->configure(connections);
}

TlsAnswered End::hear(const AnswerTls& job) {
    TlsAnswered answer{.sa = job.sa, .epoch = job.epoch, .progress = {}};
    if (job.turn.begins) {
        const auto role = job.server ? tls::EapHandshake::Role::server : tls::EapHandshake::Role::client;
        const OwnCertificate& own = job.connection->certificate;
        handshakes.insert_or_assign(
            job.sa,
            Handshake{tls::EapHandshake::begin(role, *signing_keys.at(own.key_id), own.chain).value(), job.epoch});
    }
    const auto found = handshakes.find(job.sa);
    if (found == handshakes.end() || found->second.epoch != job.epoch) {
        answer.progress.why = {"eap-tls-gone", "the process that had the handshake is no more"};
        return answer;
    }
    tls::EapHandshake::Turn said = found->second.tls.hear(job.turn.records);
    answer.progress = {.records = std::move(said.records), .msk = std::move(said.msk), .why = std::move(said.why)};
    if (!answer.progress.why.reason.empty()) {
        answer.progress.of_tls = true;
        return answer;
    }
    return check_tls_peer({.answer = std::move(answer),
                           .chain = std::move(said.chain),
                           .identity = job.identity,
                           .connection = job.connection},
                          std::chrono::system_clock::now());
}

Event End::answer(const Action& errand) {
    if (const auto* job = std::get_if<VerifyPeer>(&errand)) {
        return PeerVerified{job->sa, job->epoch, verify_peer(*job, std::chrono::system_clock::now())};
    }
    if (const auto* job = std::get_if<ExchangeKeys>(&errand)) {
        return exchange_keys(*job);
    }
    if (const auto* job = std::get_if<AnswerTls>(&errand)) {
        return hear(*job);
    }
    if (const auto* question = std::get_if<FindPaths>(&errand)) {
        PathsFound found{.sa = question->sa, .paths = {}};
        for (const IpAddress& remote : question->remotes) {
            if (!unreachable.contains(remote)) {
                found.paths.push_back({question->local.value_or(address.address), remote});
            }
        }
        return found;
    }
    const auto& job = std::get<Sign>(errand);
    const auto key = signing_keys.find(job.key_id);
    return Signed{job.sa, job.epoch,
                  key == signing_keys.end() ? fail("no-engine", "nobody has this key")
                                            : crypto::sign(*key->second, job.scheme, job.octets)};
}

void End::rewrite() {
    std::vector<std::unique_ptr<Sa>> read;
    ++settings.epoch;
    const auto find_connection = [&](const std::string& wanted) {
        return *std::ranges::find_if(connections, [&](const ConnectionPtr& each) { return each->name == wanted; });
    };
    for (const auto& [spi, sa] : endpoint->sas()) {
        auto again = read_snapshot(write_snapshot(*sa), find_connection, settings.epoch);
        if (!again) {
            std::fprintf(stderr, "%s\n", again.error().sentence.c_str());
            std::abort();
        }
        read.push_back(*std::move(again));
    }
    const auto wanted = endpoint->wanted();
    const auto gateways = read_gateways(write_gateways(endpoint->gateways()));
    endpoint = std::make_unique<Endpoint>(settings, random);
    endpoint->configure(connections);
    endpoint->restore({}, wanted);
    for (auto& sa : read) {  // one by one, as keysluiced does
        std::vector<std::unique_ptr<Sa>> one;
        one.push_back(std::move(sa));
        endpoint->restore(std::move(one), {});
    }
    endpoint->restored(gateways.value());
}

std::size_t End::count(Report::Kind kind) const {
    return static_cast<std::size_t>(std::ranges::count(reports, kind, &Report::kind));
}

std::string End::last_reason() const {
    for (auto each = reports.rbegin(); each != reports.rend(); ++each) {
        if (each->kind == Report::Kind::failed || each->kind == Report::Kind::refused) {
            return std::string(each->error.reason);
        }
    }
    return {};
}

std::string End::states() const {
    std::string states;
    for (const auto& [spi, each] : endpoint->sas()) {
        states += std::string(name_of(each->state)) + " ";
    }
    return states;
}

std::size_t End::standing() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(endpoint->sas(), [](const auto& each) { return each.second->state != State::dead; }));
}

const Sa* End::sa() const {
    const auto is_alive = [](const auto& each) { return each.second->state != State::dead; };
    const auto found = std::ranges::find_if(endpoint->sas(), is_alive);
    return standing() == 1 ? found->second.get() : nullptr;
}

std::size_t End::installed() const {
    std::size_t count = 0;
    for (const auto& [spi, each] : endpoint->sas()) {
        count += static_cast<std::size_t>(std::ranges::count(each->children, ChildState::installed,
                                                             [](const ChildSa& child) { return child.state; }));
    }
    return count;
}

}  // namespace keysluice::ike::testing
