#include "daemon/control/policy_service.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "daemon/control/discard_counter.hpp"
#include "daemon/control/plaintext.hpp"
#include "daemon/shared/clock.hpp"
#include "daemon/shared/endpoint.hpp"
#include "daemon/shared/log.hpp"

namespace keysluice::control {
namespace {

std::uint64_t wall_clock() {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
            .count());
}

/// connect() of a datagram socket sends nothing, and chooses the source.
std::optional<IpAddress> source_towards(const IpAddress& remote) {
    constexpr std::uint16_t kDiscard = 9;
    const UdpEndpoint endpoint{.address = remote, .port = kDiscard};
    const auto parsed = parse_endpoint(endpoint.text());
    const auto address = parsed ? to_socket_address(*parsed) : std::unexpected(parsed.error());
    if (!address) {
        return std::nullopt;
    }
    const UniqueFd socket(::socket(address->family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    SocketAddress own;
    own.length = sizeof(own.storage);
    if (!socket || ::connect(socket.get(), address->get(), address->length) != 0 ||
        ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&own.storage), &own.length) != 0) {
        return std::nullopt;
    }
    if (own.family() == AF_INET) {
        const auto& four = reinterpret_cast<const sockaddr_in&>(own.storage);
        return IpAddress::from_octets({reinterpret_cast<const std::uint8_t*>(&four.sin_addr), 4});
    }
    const auto& six = reinterpret_cast<const sockaddr_in6&>(own.storage);
    return IpAddress::from_octets({reinterpret_cast<const std::uint8_t*>(&six.sin6_addr), 16});
}

/// Those of a kernel that can't be reached.
class NoDatabases final : public Databases {
   public:
    explicit NoDatabases(Error why) : why_(std::move(why)) {}

    Result<void> apply(const xfrm::Transaction& /*transaction*/) override { return std::unexpected(why_); }
    Result<std::vector<xfrm::SaState>> sas() override { return std::unexpected(why_); }
    Result<std::vector<xfrm::PolicyState>> policies() override { return std::unexpected(why_); }
    Result<xfrm::SaState> sa(const xfrm::SaId& /*id*/) override { return std::unexpected(why_); }
    Result<netlink::Device> device_towards(const IpAddress& /*local*/, const IpAddress& /*remote*/) override {
        return std::unexpected(why_);
    }
    std::optional<netlink::Feature> esp_feature(std::uint32_t /*device*/) override { return std::nullopt; }

   private:
    Error why_;
};

/// The running kernel's, from the first time that somebody asks.
class KernelDiscardCounts final : public DiscardCounts {
   public:
    explicit KernelDiscardCounts(std::vector<std::uint16_t> own_ports) : own_ports_(std::move(own_ports)) {}

    policy::Discards discards() override { return open() ? counter_->discards() : policy::Discards::blocked; }
    Result<void> load(std::span<const policy::Policy> rules) override {
        auto opened = open();
        return opened ? counter_->load(rules) : opened;
    }
    Result<std::vector<std::uint64_t>> counts() override {
        if (auto opened = open(); !opened) {
            return std::unexpected(std::move(opened).error());
        }
        return counter_->counts();
    }

    Result<void> remove() override {
        auto opened = open();
        return opened ? std::exchange(counter_, nullptr)->remove() : opened;
    }

   private:
    Result<void> open() {
        if (!counter_) {
            auto counter = DiscardCounter::open(own_ports_);
            if (!counter) {
                return std::unexpected(std::move(counter).error());
            }
            counter_ = std::make_unique<DiscardCounter>(*std::move(counter));
        }
        return {};
    }

    std::vector<std::uint16_t> own_ports_;
    std::unique_ptr<DiscardCounter> counter_;
};

/// What is enforced may be another set afterwards.
bool changes_kernel(PolicyRequest::Verb verb) {
    return verb == PolicyRequest::Verb::commit || verb == PolicyRequest::Verb::enable ||
           verb == PolicyRequest::Verb::disable;
}

bool changes_something(PolicyRequest::Verb verb) {
    return verb >= PolicyRequest::Verb::commit;
}

/// How a change is told: on the bus, and to a person.
struct Told {
    std::string_view kind;
    std::string_view sentence;
};

Told told(PolicyRequest::Verb verb) {
    switch (verb) {
        case PolicyRequest::Verb::commit:
            return {"policies-committed", "policies are committed"};
        case PolicyRequest::Verb::confirm:
            return {"policies-confirmed", "the commit of policies is confirmed"};
        case PolicyRequest::Verb::enable:
            return {"policies-enforced", "policies are enforced"};
        case PolicyRequest::Verb::disable:
            return {"policies-released", "policies are not enforced any more"};
        case PolicyRequest::Verb::renew_key:
            return {"policies-rekeyed", "SAs have the new key"};
        case PolicyRequest::Verb::edit:
        case PolicyRequest::Verb::import:
            return {"policies-edited", "the working set of policies is another one"};
        case PolicyRequest::Verb::show:
        case PolicyRequest::Verb::test:
        case PolicyRequest::Verb::diff:
        case PolicyRequest::Verb::verify:
        case PolicyRequest::Verb::list_keys:
        case PolicyRequest::Verb::exported:
            return {};
    }
    return {};
}

constexpr Told kReturned{"policies-returned", "nobody has confirmed the policies: those before them hold again"};

std::string first_line(const Refusal& refusal) {
    const auto* const wrong = std::get_if<Diagnostics>(&refusal);
    return wrong == nullptr ? std::get<Error>(refusal).sentence : to_string(wrong->front());
}

/// What nobody has asked for, and nobody gets as an answer.
void report(const PolicyTable::Held& done, std::string_view what) {
    if (!done) {
        log_error("failed {}: {}", what, first_line(done.error()));
        return;
    }
    for (const Diagnostic& lost : *done) {
        log_error("there are no SAs of a policy, which drops its packets: {}", to_string(lost));
    }
}

PolicyTable::Answer carry_out(PolicyTable& table, Databases& databases, const PolicyRequest& request,
                              std::span<const ChildPolicy> children) {
    switch (request.verb) {
        case PolicyRequest::Verb::show:
            return table.show(databases, request.which);
        case PolicyRequest::Verb::test:
            return table.test(request.which, request.question);
        case PolicyRequest::Verb::diff:
            return table.diff(databases);
        case PolicyRequest::Verb::verify:
            return table.verify(databases);
        case PolicyRequest::Verb::list_keys:
            return table.list_keys();
        case PolicyRequest::Verb::exported:
            return table.exported();
        case PolicyRequest::Verb::commit:
            return table.commit(databases, request.confirm_within, children);
        case PolicyRequest::Verb::confirm:
            return table.confirm();
        case PolicyRequest::Verb::enable:
            return table.enforce(databases, true, children);
        case PolicyRequest::Verb::disable:
            return table.enforce(databases, false, children);
        case PolicyRequest::Verb::renew_key:
            return table.renew(databases, request.name);
        case PolicyRequest::Verb::edit:
            return table.edit(request.edit);
        case PolicyRequest::Verb::import:
            return table.import(request.text, request.name);
    }
    std::unreachable();
}

}  // namespace

std::unique_ptr<Databases> kernel_databases() {
    auto kernel = xfrm::Kernel::open();
    auto routes = kernel ? netlink::Socket::open(NETLINK_ROUTE) : std::unexpected(kernel.error());
    if (!routes) {
        return std::make_unique<NoDatabases>(std::move(routes).error());
    }
    return std::make_unique<KernelDatabases>(*std::move(kernel), *std::move(routes));
}

PolicyService::PolicyService(Loop& loop, PolicyTable::Places places, std::unique_ptr<Databases> databases,
                             std::vector<std::uint16_t> own_ports, ChangeCollector& changes, ChildPolicies& children)
    : loop_(loop),
      changes_(changes),
      children_(children),
      table_(std::move(places), wall_clock, own_addresses, source_towards,
             std::make_unique<KernelDiscardCounts>(std::move(own_ports))),
      thread_(loop, std::move(databases)),
      settling_(loop,
                [this] {
                    if (now() >= leaving_at_) {  // else together with the SAs that a commit has left
                        follow();
                    }
                }),
      leaving_(loop, [this] { follow(); }),
      returning_(loop, [this] { give_back(); }) {
    start();
    count();
    listen();
}

void PolicyService::start() {
    thread_.submit([this, children = children_.child_policies()](Databases& databases) mutable -> KernelThread::Then {
        auto done = table_.start(databases, children);
        return [this, children = std::move(children), listed = table_.listed(), done = std::move(done),
                returns_at = table_.returns_at()] {
            report(done, "to enforce the committed policies");
            arm(returns_at);
            children_.follow(listed, children);
        };
    });
}

void PolicyService::follow() {
    thread_.submit([this](Databases& databases) -> KernelThread::Then {
        return [done = table_.follow(databases)] { report(done, "to follow this host's addresses"); };
    });
}

void PolicyService::give_back() {
    thread_.submit([this, children = children_.child_policies()](Databases& databases) mutable -> KernelThread::Then {
        auto done = table_.give_back(databases, children);
        return [this, children = std::move(children), listed = table_.listed(), done = std::move(done),
                returns_at = table_.returns_at()] {
            arm(returns_at);
            if (!done) {
                report(std::unexpected(done.error()), "to give back the policies before, which is tried again");
            } else if (*done) {
                log_warning("{}", kReturned.sentence);
                changes_.policies(kReturned.kind, kReturned.sentence);
                report(**done, "to give back all of the policies before");
                children_.follow(listed, children);
                count();
            }
        };
    });
}

void PolicyService::count() {
    thread_.submit([this](Databases& /*databases*/) -> KernelThread::Then {
        return [this, counting = table_.count_discards()] {
            if (!counting) {
                log_warning("discarded packets are not counted: {} ({})", counting.error().sentence,
                            counting.error().reason);
            } else if (*counting) {
                hear();
            }
        };
    });
}

/// One process can hear of them, so who counts nothing leaves that to others.
void PolicyService::hear() {
    if (discarded_) {
        return;
    }
    auto log = DiscardLog::open();
    if (!log) {
        log_debug("discarded packets are not logged: {} ({})", log.error().sentence, log.error().reason);
        return;
    }
    discarded_ = std::make_unique<KernelEvents<DiscardLog>>(
        loop_, *std::move(log), "discarded packets",
        [](const DiscardedPacket& packet) { log_warning("{}", describe(packet)); });
}

void PolicyService::listen() {
    auto events = netlink::AddressEvents::open();
    if (!events) {
        log_debug("addresses are not followed: {} ({})", events.error().sentence, events.error().reason);
        return;
    }
    addresses_ = std::make_unique<KernelEvents<netlink::AddressEvents>>(
        loop_, *std::move(events), "addresses of this host",
        [this](const netlink::AddressChange&) { settling_.arm(now() + kSettling); });
}

void PolicyService::ask(PolicyRequest request, Answer answer) {
    if (thread_.full()) {
        answer(std::unexpected(Refusal(Error{"too-many-calls", "too many calls are under way; try again"})));
        return;
    }
    auto children = changes_kernel(request.verb) ? children_.child_policies() : std::vector<ChildPolicy>();
    thread_.submit([this, request = std::move(request), children = std::move(children),
                    answer = std::move(answer)](Databases& databases) mutable -> KernelThread::Then {
        auto done = carry_out(table_, databases, request, children);
        return [this, request = std::move(request), children = std::move(children), listed = table_.listed(),
                answer = std::move(answer), done = std::move(done), returns_at = table_.returns_at()]() mutable {
            note(request, done);
            arm(returns_at);
            if (changes_kernel(request.verb)) {
                children_.follow(listed, children);
            }
            if (done && changes_kernel(request.verb)) {
                count();
                leaving_at_ = now() + kLeaving;
                leaving_.arm(leaving_at_);
            }
            answer(std::move(done));
        };
    });
}

void PolicyService::note(const PolicyRequest& request, const PolicyTable::Answer& answer) {
    if (!changes_something(request.verb)) {
        return;
    }
    if (answer) {
        const auto [kind, sentence] = told(request.verb);
        log_info("{}", sentence);
        changes_.policies(kind, sentence);
    } else {
        log_warning("refused: {}", first_line(answer.error()));
    }
}

void PolicyService::arm(std::optional<std::uint64_t> returns_at) {
    if (!returns_at) {
        returning_.disarm();
        return;
    }
    const std::uint64_t clock = wall_clock();
    returning_.arm(now() + std::chrono::seconds(*returns_at > clock ? *returns_at - clock : 0));
}

}  // namespace keysluice::control
