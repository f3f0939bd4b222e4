#include "daemon/control/policy_checks.hpp"

#include <fmt/format.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <ranges>
#include <span>
#include <tuple>
#include <utility>

#include "daemon/control/policy_terms.hpp"

namespace keysluice::control {
namespace {

using policy::Dimension;
using policy::Direction;
using policy::Disposition;
using policy::Interval;
using policy::Piece;
using policy::Question;

constexpr std::size_t kMostReported = 3;  ///< pieces of one finding

/// Packets of one protocol, and of these ports on one side.
Question question_about(Direction direction, Family family, std::uint8_t protocol, Interval local_ports) {
    Question question{.direction = direction, .family = family, .packets = {}};
    for (std::size_t i = 0; i < policy::kDimensions; ++i) {
        question.packets.at(i) = whole(static_cast<Dimension>(i), family);
    }
    question.packets.at(static_cast<std::size_t>(Dimension::protocol)) = {protocol, protocol};
    question.packets.at(static_cast<std::size_t>(Dimension::local_port)) = local_ports;
    return question;
}

/// 0 where it is no listener of TCP's.
std::uint16_t port_of(const Endpoint& endpoint) {
    const auto* const four = std::get_if<Ipv4Endpoint>(&endpoint);
    const auto* const six = std::get_if<Ipv6Endpoint>(&endpoint);
    return four != nullptr ? four->port : six != nullptr ? six->port : std::uint16_t{0};
}

bool is_one_host(const std::vector<policy::AddressRange>& ranges) {
    return ranges.size() == 1 && ranges.front().first == ranges.front().last;
}

class Checker {
   public:
    Checker(const PolicySet& set, const Configuration& configuration)
        : set_(set), configuration_(configuration), rules_(set.rules()) {}

    PolicyFindings check() {
        for (const ListedPolicy& each : set_.policies) {
            if (const auto* const manual = std::get_if<ManualSa>(&each.by)) {
                check_manual(each, *manual);
            } else if (const auto* const negotiated = std::get_if<NegotiatedSa>(&each.by)) {
                check_negotiated(each, *negotiated);
            }
        }
        check_lockout();
        check_icmp();
        check_listeners();
        for (const SavedTest& each : set_.tests) {
            if (std::string failure = failure_of(each, rules_); !failure.empty()) {
                wrong(each.where, "policy-test-failed", fmt::format("test {}: {}", each.name, failure));
            }
        }
        return std::move(findings_);
    }

   private:
    void wrong(const Position& where, std::string_view reason, std::string sentence) {
        findings_.wrong.push_back({where, reason, std::move(sentence)});
    }
    void warn(const Position& where, std::string_view reason, std::string sentence) {
        findings_.warnings.push_back({where, reason, std::move(sentence)});
    }
    void check_manual(const ListedPolicy& listed, const ManualSa& manual);
    void check_negotiated(const ListedPolicy& listed, const NegotiatedSa& negotiated);
    void check_lockout();
    void check_icmp();
    void check_listeners();
    [[nodiscard]] Result<std::vector<Piece>> pieces_without_bypass(const Question& question) const;
    /// For what is worth a warning only.
    [[nodiscard]] std::vector<Piece> known_pieces_without_bypass(const Question& question);
    [[nodiscard]] Position place_of(const Piece& piece) const;
    [[nodiscard]] const policy::Policy& first_of(const Piece& piece) const {
        return rules_.at(piece.matches.front());
    }

    const PolicySet& set_;
    const Configuration& configuration_;
    std::vector<policy::Policy> rules_;
    PolicyFindings findings_;
    /// By direction, peer of what goes out, protocol.
    std::map<std::tuple<Direction, IpAddress, xfrm::Protocol, xfrm::Spi>, const ListedPolicy*> spis_;
};

void Checker::check_manual(const ListedPolicy& listed, const ManualSa& manual) {
    const policy::Policy& rule = listed.rule;
    const bool tunnel = rule.protection.mode == xfrm::Mode::tunnel;
    if (!tunnel && !is_one_host(rule.remote)) {
        wrong(listed.where, "remote-not-one-host",
              fmt::format("policy {}: manual keys protect what two hosts say to each other: expected one remote "
                          "address",
                          rule.name));
        return;
    }
    // An SA is known by where it leads to. What comes in may come to any address of this host.
    const IpAddress peer = rule.direction == Direction::in ? IpAddress()
                           : tunnel                        ? rule.protection.tunnel_remote
                                                           : rule.remote.front().first;
    const auto take = [&](xfrm::Spi spi) {
        const auto [earlier, added] =
            spis_.try_emplace({rule.direction, peer, rule.protection.protocol, spi}, &listed);
        if (!added) {
            wrong(listed.where, "spi-in-use",
                  fmt::format("policy {}: the SPI {} is that of policy {}: each needs its own", rule.name,
                              spi_text(spi), earlier->second->rule.name));
        }
    };
    take(manual.spi);
    if (manual.also) {
        take(manual.also->spi);
    }
    if (manual.confidentiality && manual.confidentiality->algorithm == Confidentiality::aes_cbc &&
        !manual.integrity) {
        warn(listed.where, "malleable-encryption",
             fmt::format("policy {}: encryption without integrity hides what is said, and anybody on the way can "
                         "change it unseen (RFC 4303 section 1)",
                         rule.name));
    }
    if (manual.confidentiality && manual.confidentiality->algorithm == Confidentiality::aes_gcm) {
        warn(listed.where, "key-counts-on",
             fmt::format("policy {}: RFC 4106 section 2 has AES-GCM with keys of one session only: the kernel's "
                         "nonces begin anew at a random place each time the SA is made, which makes a repetition "
                         "unlikely, not impossible; replace the key often, or take aes-cbc with integrity",
                         rule.name));
    }
}

void Checker::check_negotiated(const ListedPolicy& listed, const NegotiatedSa& negotiated) {
    const auto& all = configuration_.ike.connections;
    const auto found = std::ranges::find_if(
        all, [&](const IkeConnection& each) { return each.rules->name == negotiated.connection; });
    const bool known = found != all.end() && std::ranges::any_of(found->rules->children, [&](const auto& each) {
                           return each.name == negotiated.child;
                       });
    if (!known) {
        wrong(listed.where, "unknown-connection",
              fmt::format("policy {}: there is no connection {} with a child {}", listed.rule.name,
                          negotiated.connection, negotiated.child));
    }
}

/// Those of the question's packets that do not simply pass. Only what stands before a policy that lets all of them
/// pass counts. Fails as policy::test() does.
Result<std::vector<Piece>> Checker::pieces_without_bypass(const Question& question) const {
    const auto covers_all = [&](const policy::Policy& each) {
        return each.direction == question.direction && each.disposition == Disposition::bypass &&
               std::ranges::all_of(std::views::iota(std::size_t{0}, policy::kDimensions), [&](std::size_t i) {
                   const auto& asked = question.packets.at(i);
                   const auto parts = intervals_of(each, static_cast<Dimension>(i), question.family);
                   return std::ranges::any_of(parts, [&](const Interval& part) {
                       return part.first <= asked.first && asked.last <= part.last;
                   });
               });
    };
    const auto last = std::ranges::find_if(rules_, covers_all);
    const std::span counting(rules_.begin(), last == rules_.end() ? last : std::next(last));
    auto pieces = policy::test(counting, question);
    if (pieces) {
        std::erase_if(*pieces, [&](const Piece& each) {
            return !each.matches.empty() && first_of(each).disposition == Disposition::bypass;
        });
    }
    return pieces;
}

std::vector<Piece> Checker::known_pieces_without_bypass(const Question& question) {
    auto pieces = pieces_without_bypass(question);
    if (!pieces) {
        warn({}, pieces.error().reason, pieces.error().sentence);
        return {};
    }
    return *std::move(pieces);
}

Position Checker::place_of(const Piece& piece) const {
    const std::size_t place = piece.matches.empty() ? set_.policies.size() : piece.matches.front();
    return place < set_.policies.size() ? set_.policies[place].where : Position();
}

/// RFC 4890 section 4.3.1 lists what must not be dropped: without neighbour discovery a host is not there, and
/// without errors it waits in vain.
void Checker::check_lockout() {
    if (set_.lockout_accepted) {
        return;
    }
    struct Vital {
        Interval types;
        std::string_view what;
    };
    static constexpr std::array<Vital, 2> kVital{{{{ICMP6_DST_UNREACH, ICMP6_PARAM_PROB}, "ICMPv6 errors"},
                                                  {{ND_ROUTER_SOLICIT, ND_REDIRECT}, "IPv6's neighbour discovery"}}};
    for (const Direction direction : {Direction::in, Direction::out}) {
        for (const Vital& vital : kVital) {
            const auto pieces =
                pieces_without_bypass(question_about(direction, Family::ipv6, IPPROTO_ICMPV6, vital.types));
            if (!pieces) {
                wrong({}, "locked-out",
                      fmt::format(
                          "nobody can tell whether {} {} would pass in the clear: {}. Put a policy with "
                          "protocol = \"ipv6-icmp\" and disposition = \"bypass\" in front, or write lockout = "
                          "\"accepted\" in [policies]",
                          direction == Direction::in ? "incoming" : "outgoing", vital.what, pieces.error().sentence));
                return;
            }
            for (const Piece& piece : std::span(*pieces).first(std::min(pieces->size(), kMostReported))) {
                wrong(place_of(piece), "locked-out",
                      fmt::format("{} {} would not pass in the clear ({}): {} {}s it; without it this host can't be "
                                  "reached by IPv6. Put a policy with protocol = \"ipv6-icmp\" and disposition = "
                                  "\"bypass\" in front, or write lockout = \"accepted\" in [policies]",
                                  direction == Direction::in ? "incoming" : "outgoing", vital.what,
                                  packets_text(piece.packets, Family::ipv6), first_of(piece).name,
                                  kDispositionNames.at(static_cast<std::size_t>(first_of(piece).disposition))));
            }
        }
    }
}

void Checker::check_icmp() {
    for (const Direction direction : {Direction::in, Direction::out}) {
        constexpr Interval kAllTypes{0, 255};
        const auto pieces =
            known_pieces_without_bypass(question_about(direction, Family::ipv4, IPPROTO_ICMP, kAllTypes));
        if (!pieces.empty()) {
            warn(place_of(pieces.front()), "icmp-swallowed",
                 fmt::format("{} ICMP of IPv4 would not pass in the clear ({}): {} {}s it, and connections may hang "
                             "where a packet is too large for its path",
                             direction == Direction::in ? "incoming" : "outgoing",
                             packets_text(pieces.front().packets, Family::ipv4), first_of(pieces.front()).name,
                             kDispositionNames.at(static_cast<std::size_t>(first_of(pieces.front()).disposition))));
        }
    }
}

/// The manual of the ClearPath MCP, "IPsec Best Practices": "Ensure that the ports to be protected with IPsec are not
/// also protected by SSL/TLS".
void Checker::check_listeners() {
    for (const TlsService& service : configuration_.services) {
        for (const Endpoint& endpoint : service.listen) {
            const std::uint16_t port = service.mode == Mode::server ? port_of(endpoint) : std::uint16_t{0};
            const Family family = std::holds_alternative<Ipv4Endpoint>(endpoint) ? Family::ipv4 : Family::ipv6;
            const auto pieces =
                port == 0
                    ? std::vector<Piece>()
                    : known_pieces_without_bypass(question_about(Direction::in, family, IPPROTO_TCP, {port, port}));
            const auto twice = std::ranges::find_if(
                pieces, [this](const Piece& each) { return first_of(each).disposition == Disposition::protect; });
            if (twice != pieces.end()) {
                warn(place_of(*twice), "protected-twice",
                     fmt::format("policy {} protects what TLS protects already: service {} listens on {}",
                                 first_of(*twice).name, service.name, to_string(endpoint)));
            }
        }
    }
}

}  // namespace

PolicyFindings check_policies(const PolicySet& set, const Configuration& configuration) {
    return Checker(set, configuration).check();
}

Result<std::vector<AnswerPiece>> answer_question(const std::vector<policy::Policy>& rules,
                                                 const PolicyQuestion& question) {
    std::vector<AnswerPiece> answer;
    for (const Question& each : question.families) {
        auto pieces = policy::test(rules, each);
        if (!pieces) {
            return std::unexpected(std::move(pieces).error());
        }
        for (Piece& piece : *pieces) {
            answer.push_back({.question = &each, .piece = std::move(piece)});
        }
    }
    return answer;
}

std::string failure_of(const SavedTest& test, const std::vector<policy::Policy>& rules) {
    const auto answer = answer_question(rules, test.question);
    if (!answer) {
        return answer.error().sentence;
    }
    for (std::size_t i = 0; i < std::min(answer->size(), test.expected.size()); ++i) {
        const AnswerPiece& got = (*answer)[i];
        const policy::Policy& first = rules.at(got.piece.matches.front());
        const SavedTest::Expected& expected = test.expected[i];
        if (first.disposition != expected.disposition || (!expected.first.empty() && first.name != expected.first)) {
            return fmt::format("expected {}{}{} for {}, got {} {}",
                               kDispositionNames.at(static_cast<std::size_t>(expected.disposition)),
                               expected.first.empty() ? "" : " ", expected.first,
                               packets_text(got.piece.packets, got.question->family),
                               kDispositionNames.at(static_cast<std::size_t>(first.disposition)), first.name);
        }
    }
    return answer->size() == test.expected.size()
               ? std::string()
               : fmt::format("expected {} pieces, got {}", test.expected.size(), answer->size());
}

std::string packets_text(const policy::Box& packets, Family family) {
    const auto text = [&](Dimension dimension) {
        return interval_text(packets.at(static_cast<std::size_t>(dimension)), dimension, family);
    };
    const bool icmp = packets.front().first == packets.front().last &&
                      policy::is_icmp(static_cast<std::uint8_t>(packets.front().first));
    if (icmp) {
        return fmt::format("{} type {} code {}, local {}, remote {}", text(Dimension::protocol),
                           text(Dimension::local_port), text(Dimension::remote_port), text(Dimension::local_address),
                           text(Dimension::remote_address));
    }
    return fmt::format("{}, local {} port {}, remote {} port {}", text(Dimension::protocol),
                       text(Dimension::local_address), text(Dimension::local_port), text(Dimension::remote_address),
                       text(Dimension::remote_port));
}

}  // namespace keysluice::control
