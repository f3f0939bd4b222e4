// ike_load ADDRESS PORT CONCURRENT: makes IKE SAs with one CHILD SA each, as many initiators on one thread.
//
// Reads totals from standard input, one a line. For each it makes IKE SAs until so many stand, CONCURRENT at a time,
// and prints what that took as JSON. They stay until the program ends, each of an initiator with an address
// (10.x.y.z, which must be local) and an identity of its own. Nothing is installed in the kernel.
#include <fmt/format.h>

#include <cstdio>
#include <deque>
#include <iostream>
#include <string>
#include <utility>

#include "daemon/control/ike_sockets.hpp"
#include "daemon/shared/clock.hpp"
#include "daemon/shared/system_random.hpp"
#include "daemon/shared/timer.hpp"
#include "ike/endpoint.hpp"
#include "tests/bench/loopback.hpp"

namespace keysluice::bench {
namespace {

using control::IkeSockets;

constexpr std::uint16_t kOwnPort = 5500;
constexpr std::uint64_t kMost = 1'000'000;
constexpr Duration kPatience = std::chrono::seconds(30);
constexpr std::string_view kSharedKey = "a key that both ends of the benchmark know";

std::string name_of(std::uint64_t number) {
    return fmt::format("c{}", number);
}

IpAddress address_of(std::uint64_t number) {
    const std::array<std::uint8_t, 4> octets{10, static_cast<std::uint8_t>((number >> 16U) + 1),
                                             static_cast<std::uint8_t>(number >> 8U),
                                             static_cast<std::uint8_t>(number)};
    return *IpAddress::from_octets(octets);
}

Result<ike::ConnectionPtr> connection_of(std::uint64_t number, const IpAddress& responder) {
    auto connection = std::make_shared<ike::Connection>();
    connection->name = name_of(number);
    connection->local = address_of(number);
    connection->remote = responder;
    auto id = ike::parse_identity(fmt::format("{}@bench.example", connection->name));
    auto proposal = ike::parse_ike_proposal("aes128gcm16-prfsha256-x25519", {});
    auto esp = ike::parse_esp_proposal("aes128gcm16", {});
    if (!id || !proposal || !esp) {
        return fail("bad-connection", "an identity or proposal of the benchmark is not understood any more");
    }
    connection->local_id = *std::move(id);
    connection->keys.set_for_all(ike::SharedKey(as_bytes(kSharedKey)));
    connection->proposals = {*std::move(proposal)};
    ike::ChildRule& child = connection->children.emplace_back();
    child.name = "net";
    child.proposals = {*std::move(esp)};
    child.rekey_time = std::chrono::hours(100);
    connection->rekey_time = std::chrono::hours(100);
    connection->liveness = Duration::zero();
    return connection;
}

class Load final : IkeSockets::Owner {
   public:
    Load(UdpEndpoint responder, std::uint64_t concurrent)
        : responder_(std::move(responder)),
          concurrent_(concurrent),
          endpoint_({}, random_),
          deadline_(loop_, [this] { take(ike::TimePassed{}); }) {}

    Result<void> open() {
        auto sockets = IkeSockets::open(loop_, {.port = kOwnPort, .nat_port = kOwnPort + 1}, false, store_, *this);
        if (!sockets) {
            return pass_on(std::move(sockets));
        }
        sockets_ = *std::move(sockets);
        return {};
    }

    Result<void> reach(std::uint64_t total) {
        if (auto known = introduce(total); !known) {
            return known;
        }
        again_ = 0;
        const Instant began = now();
        progress_ = began;
        while (standing_ < total && failure_.reason.empty()) {
            begin_some(total);
            loop_.turn(std::chrono::seconds(1));
            if (now() > progress_ + kPatience) {
                return fail("no-progress",
                            fmt::format("{} of {} IKE SAs stand, and no more for 30 s", standing_, total));
            }
        }
        if (!failure_.reason.empty()) {
            return std::unexpected(failure_);
        }
        const std::chrono::duration<double> took = now() - began;
        fmt::print("{{\"sas\": {}, \"seconds\": {:.3f}, \"repeated\": {}}}\n", standing_, took.count(), again_);
        std::fflush(stdout);
        return {};
    }

   private:
    Result<void> introduce(std::uint64_t total) {
        while (connections_.size() < total) {
            auto connection = connection_of(connections_.size(), responder_.address);
            if (!connection) {
                return pass_on(std::move(connection));
            }
            connections_.push_back(*std::move(connection));
        }
        endpoint_.configure(connections_);
        return {};
    }

    void begin_some(std::uint64_t total) {
        while (begun_ < total && begun_ - standing_ < concurrent_) {
            const std::uint64_t number = begun_++;
            take(ike::Initiate{.connection = name_of(number),
                               .child = {},
                               .local = {address_of(number), kOwnPort},
                               .remote = responder_});
        }
    }

    void on_datagram(const UdpEndpoint& local, const UdpEndpoint& remote, Bytes bytes) override {
        take(ike::DatagramReceived{.local = local, .remote = remote, .bytes = bytes});
    }

    void take(const ike::Event& event) {
        const bool late = std::holds_alternative<ike::TimePassed>(event);
        perform(endpoint_.on(event, now()), late);
        while (!answers_.empty()) {
            const ike::Event answer = std::move(answers_.front());
            answers_.pop_front();
            perform(endpoint_.on(answer, now()), false);
        }
        deadline_.arm(endpoint_.next_deadline());
    }

    void perform(const ike::Actions& actions, bool late) {
        for (const ike::Action& action : actions) {
            if (const auto* datagram = std::get_if<ike::SendDatagram>(&action)) {
                again_ += late ? 1 : 0;
                note(sockets_->send(*datagram));
            } else if (const auto* install = std::get_if<ike::InstallChild>(&action)) {
                answers_.emplace_back(ike::ChildInstalled{.inbound = install->spec.inbound, .result = {}});
            } else if (const auto* report = std::get_if<ike::Report>(&action)) {
                if (report->kind == ike::Report::Kind::child_established) {
                    ++standing_;
                    progress_ = now();
                }
                note(report->error.reason.empty() ? Result<void>{} : std::unexpected(report->error));
            }
        }
    }

    void note(const Result<void>& result) {
        if (!result && failure_.reason.empty()) {
            failure_ = result.error();
        }
    }

    UdpEndpoint responder_;
    std::uint64_t concurrent_;
    SystemRandom random_;
    Loop loop_;
    ike::Endpoint endpoint_;
    Timer deadline_;
    DescriptorStore store_;
    std::unique_ptr<IkeSockets> sockets_;
    std::vector<ike::ConnectionPtr> connections_;
    std::deque<ike::Event> answers_;
    std::uint64_t begun_ = 0;
    std::uint64_t standing_ = 0;
    Instant progress_;         ///< when the last one came to stand
    std::uint64_t again_ = 0;  ///< datagrams that were sent again
    Error failure_;
};

int run(char** arguments) {
    const auto address = IpAddress::parse(arguments[1]);
    const Result<std::uint64_t> port = parse_number(arguments[2], 65535);
    const Result<std::uint64_t> concurrent = parse_number(arguments[3], kMost);
    if (!address || !port || !concurrent) {
        return report({"bad-argument", "expected ADDRESS PORT CONCURRENT"});
    }
    Load load({*address, static_cast<std::uint16_t>(*port)}, *concurrent);
    if (const Result<void> opened = load.open(); !opened) {
        return report(opened.error());
    }
    std::string line;
    while (std::getline(std::cin, line)) {
        const Result<std::uint64_t> total = parse_number(line.c_str(), kMost);
        const Result<void> reached = total ? load.reach(*total) : std::unexpected(total.error());
        if (!reached) {
            return report(reached.error());
        }
    }
    return 0;
}

}  // namespace
}  // namespace keysluice::bench

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fputs("usage: ike_load ADDRESS PORT CONCURRENT\n", stderr);
        return 2;
    }
    return keysluice::bench::run(argv);
}
