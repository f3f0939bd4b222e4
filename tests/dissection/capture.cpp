// Writes what two engines say to each other, with the keys that decrypt it and with what we make of each payload, for
// a comparison with another program's opinion (tests/dissection/run). Keys leave through this test alone.
//
//   ike_capture SUITE PROOF OCTETS FILE.pcap
//
// PROOF is "psk" or "certificates"; OCTETS is the largest datagram that goes without fragments. Standard output
// has lines "keys …", "message …" and "payload …"; those of fragments stand at the last one.

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string_view>
#include <tuple>

#include "ike/protection.hpp"
#include "tests/exchange/outside_doctest.hpp"
#include "tests/support/certified_ends.hpp"

namespace {

using namespace keysluice;
using namespace keysluice::ike;
using namespace keysluice::ike::testing;

/// Packets of raw IPv4 and UDP, in the format of libpcap (link type 101).
class PcapFile {
   public:
    explicit PcapFile(const char* path) : file_(std::fopen(path, "wb")) {
        if (file_ == nullptr) {
            std::perror(path);
            std::exit(1);
        }
        Writer head;
        head.be(std::uint32_t{0xa1b2c3d4}).be(std::uint16_t{2}).be(std::uint16_t{4}).be(std::uint64_t{0});
        write(head.be(std::uint32_t{65535}).be(std::uint32_t{101}).view());
    }
    PcapFile(const PcapFile&) = delete;
    PcapFile& operator=(const PcapFile&) = delete;
    ~PcapFile() { std::fclose(file_); }

    void add(const Packet& sent) {
        // RFC 7296 section 2.23: on port 4500 four octets of zero stand before a message.
        const wire::Octets marker(sent.to.port == Settings().nat_port ? 4 : 0, 0);
        const std::size_t headers = 20 + 8 + marker.size();
        const auto size = static_cast<std::uint16_t>(headers + sent.bytes.size());
        Writer packet;
        packet.be(++count_).be(std::uint32_t{0}).be(std::uint32_t{size}).be(std::uint32_t{size});
        packet.be(std::uint8_t{0x45}).be(std::uint8_t{0}).be(size).be(std::uint32_t{0});
        packet.be(std::uint8_t{64}).be(std::uint8_t{17}).be(std::uint16_t{0});
        packet.raw(sent.from.address.octets()).raw(sent.to.address.octets());
        packet.be(sent.from.port).be(sent.to.port).be(static_cast<std::uint16_t>(size - 20)).be(std::uint16_t{0});
        write(packet.raw(marker).raw(sent.bytes).view());
    }

   private:
    void write(Bytes bytes) { std::fwrite(bytes.data(), 1, bytes.size(), file_); }

    std::FILE* file_;
    std::uint32_t count_ = 0;
};

std::string hex(Bytes bytes) {
    std::string text;
    for (const std::uint8_t each : bytes) {
        text += fmt::format("{:02x}", each);
    }
    return text;
}

/// Two ends whose packets are written down before they arrive.
class Capture {
   public:
    Capture(const Settings& settings, const char* path) : ends(settings, settings), file_(path) {}

    TwoEnds ends;

    void settle() {
        while (!ends.wire.empty()) {
            add(ends.wire.front());
            ends.deliver();
        }
    }
    void event(End& end, const Event& what) {
        ends.event(end, what);
        settle();
    }

   private:
    void add(const Packet& sent) {
        file_.add(sent);
        const wire::Outer outer = wire::parse(sent.bytes).value();
        std::vector<wire::Payload> payloads = outer.payloads;
        if (outer.encrypted) {
            payloads = open(outer.header, *outer.encrypted);
        }
        fmt::print("message {}\n", wire::print(outer.header, payloads));
        for (const wire::Payload& payload : payloads) {
            fmt::print("payload {}\n", wire::print(payload));
        }
    }

    /// None for a fragment that is not the last.
    std::vector<wire::Payload> open(const wire::Header& header, const wire::EncryptedPart& part) {
        const Sa& sa = find(header);
        tell_keys(sa);
        const DirectionKeys& keys = header.from_initiator ? sa.keys.initiator : sa.keys.responder;
        wire::Octets plaintext = open_part(tools_, sa.suite, keys, part).value();
        if (part.total_fragments == 0) {
            return wire::parse_payloads(part.first_inner, plaintext).value();
        }
        const auto whole = reassembly_[{header.initiator_spi, header.from_initiator, header.is_response}].add(
            header.message_id, part, std::move(plaintext));
        return whole ? wire::parse_payloads(whole->first, whole->plaintext).value() : std::vector<wire::Payload>{};
    }

    [[nodiscard]] const Sa& find(const wire::Header& header) const {
        for (const End* end : {&ends.a, &ends.z}) {
            for (const auto& [spi, sa] : end->endpoint->sas()) {
                if (sa->initiator_spi == header.initiator_spi && !sa->keys.d.empty()) {
                    return *sa;
                }
            }
        }
        std::abort();
    }

    void tell_keys(const Sa& sa) {
        if (told_.insert(sa.initiator_spi).second) {
            fmt::print("keys {:016x} {:016x}", sa.initiator_spi.value, sa.responder_spi.value);
            for (const DirectionKeys* keys : {&sa.keys.initiator, &sa.keys.responder}) {
                fmt::print(" {} {}", hex(keys->encryption.expose()),
                           keys->integrity ? hex(keys->integrity->expose()) : "none");
            }
            fmt::print("\n");
        }
    }

    PcapFile file_;
    Toolbox tools_;
    std::set<IkeSpi> told_;
    std::map<std::tuple<IkeSpi, bool, bool>, Reassembly> reassembly_;
};

void configure(TwoEnds& ends, const ProposalRule& proposal, bool certificates) {
    ends.configure([&](Connection& of_a, Connection& of_z) {
        for (Connection* each : {&of_a, &of_z}) {
            End& end = each == &of_a ? ends.a : ends.z;
            each->proposals = {proposal};
            ChildRule& child = each->children.front();
            child.proposals = {*parse_esp_proposal("aes256-sha256-x25519-esn", {}),
                               *parse_esp_proposal("aes128gcm16-x25519", {})};
            (each == &of_a ? child.local : child.remote).push_back(*parse_selector("2001:db8::/64/tcp/443"));
            (each == &of_a ? child.remote : child.local).push_back(*parse_selector("2001:db8:1::/64"));
            if (certificates) {
                show(end, *each, {&vault().leaf(end.name + ".example", KeyType::ed25519)});
                believe(*each, vault().authority());
            }
        }
        // The peer knows nothing of it.
        ChildRule unknown = of_a.children.front();
        unknown.name = "unknown";
        unknown.local = unknown.remote = {*parse_selector("203.0.113.0/24/udp/4000-4095")};
        of_a.children.push_back(unknown);
    });
}

void converse(Capture& capture) {
    TwoEnds& ends = capture.ends;
    capture.event(ends.a, Initiate{"a-z", {}, ends.a.address, ends.z.address});
    ends.check_up();
    capture.event(ends.a, Rekey{"a-z", "net"});
    capture.event(ends.z, Rekey{"a-z", {}});
    ends.now += std::chrono::seconds(31);  // liveness
    capture.event(ends.a, TimePassed{});
    ends.check_up();
    capture.event(ends.a, Terminate{"a-z"});
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5) {
        std::fprintf(stderr, "usage: ike_capture SUITE psk|certificates OCTETS FILE.pcap\n");
        return 2;
    }
    const OutsideDoctest outside;
    const auto proposal = parse_ike_proposal(argv[1], {});
    if (!proposal) {
        std::fprintf(stderr, "%s\n", proposal.error().sentence.c_str());
        return 2;
    }
    Settings settings;
    settings.cookie_after = 0;
    settings.datagram_size = std::strtoul(argv[3], nullptr, 10);
    Capture capture(settings, argv[4]);
    configure(capture.ends, *proposal, std::string_view(argv[2]) == "certificates");
    converse(capture);
    return 0;
}
