#include "daemon/control/front_desk.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "daemon/control/control.hpp"
#include "daemon/shared/clock.hpp"
#include "daemon/shared/log.hpp"
#include "daemon/shared/quoted.hpp"
#include "ike/wire/message.hpp"

namespace keysluice::control {
namespace {

/// CHILD SAs after which no other IKE SA is looked at: one may have hundreds.
constexpr std::size_t kMostChildren = 512;

ConnectionView view_of(const IkeConnection& connection, const IkeService* ike) {
    const ike::Connection& rules = *connection.rules;
    const auto text = [](const std::optional<IpAddress>& address) { return address ? address->text() : "any"; };
    const auto word = [](ike::Auth auth) { return std::string(kIkeAuthNames.at(static_cast<std::size_t>(auth))); };
    ConnectionView view{.name = rules.name,
                        .groups = connection.groups,
                        .local = text(rules.local),
                        .remote = text(rules.remote),
                        .local_id = ike::wire::print(rules.local_id),
                        .remote_id = rules.remote_id.any() ? "*" : rules.remote_id.text(),
                        .auth = word(rules.auth),
                        .remote_auth = word(rules.remote_auth),
                        .start = std::string(kIkeStartNames.at(static_cast<std::size_t>(connection.start))),
                        .interface = rules.interface.name,
                        .children = {},
                        .refused = ike == nullptr ? std::vector<RefusedChild>{} : ike->refused(rules.name),
                        .gateways = {},
                        .gateway = {}};
    for (const ike::ChildRule& child : rules.children) {
        view.children.push_back(child.name);
    }
    if (const auto gateway = ike == nullptr ? std::nullopt : ike->endpoint().gateway(rules.name)) {
        for (const UdpEndpoint& each : rules.gateways.all) {
            view.gateways.push_back(each.text());
        }
        view.gateway = gateway->text();
    }
    return view;
}

/// What a filter says, ready to be asked for each SA.
class Question {
   public:
    Question(const SaFilter& filter, const std::vector<IkeConnection>& connections) : filter_(filter) {
        for (const IkeConnection& connection : connections) {
            if (filter.group && in_group(connection.groups, *filter.group)) {
                in_group_.insert(connection.rules->name);
            }
        }
    }

    [[nodiscard]] bool takes(const ike::Sa& sa) const {
        return sa.state != ike::State::dead && (!filter_.connection || sa.connection->name == *filter_.connection) &&
               (!filter_.group || in_group_.contains(sa.connection->name)) &&
               (!filter_.remote_id || proven_id(sa) == *filter_.remote_id);
    }

   private:
    const SaFilter& filter_;
    std::unordered_set<std::string_view> in_group_;
};

/// Fills News::touched; what would take too long comes with the next news.
void look_at_touched(Control& control, News& news) {
    const IkeService* ike = control.ike();
    std::vector<ike::IkeSpi> looked_at;
    std::size_t children = 0;
    for (const ike::IkeSpi spi : news.changes.touched) {
        const ike::Sa* sa = ike == nullptr ? nullptr : ike->find(spi);
        if (sa != nullptr && children >= kMostChildren) {
            control.changes().touch(*sa);  // next time
            continue;
        }
        if (sa != nullptr) {
            news.touched.push_back(ike->view(*sa));
            children += sa->children.size();
        }
        looked_at.push_back(spi);
    }
    news.changes.touched = std::move(looked_at);
}

}  // namespace

FrontDesk::FrontDesk(Loop& loop, Control& control, Reloader& reloader, PolicyService& policies)
    : loop_(loop),
      control_(control),
      reloader_(reloader),
      policies_(policies),
      claims_(loop, [this] { remove_awaited(); }),
      again_(loop, [this] {
          for (const std::string& owner : std::exchange(gone_, {})) {
              remove_all_of(owner);
          }
      }) {
    if (!reloader_.awaited().empty()) {
        claims_.arm(now() + kClaim);
    }
}

FrontDesk::~FrontDesk() = default;

Setup FrontDesk::setup() const {
    const Configuration& configuration = control_.configuration();
    const IkeService* ike = control_.ike();
    Setup setup{.ike = ike != nullptr,
                .ike_failure = control_.ike_refused(),
                .null_kernel = ike != nullptr && ike->null_kernel(),
                .connections = {},
                .services = {},
                .removed = {},
                .owners = reloader_.owners()};
    const std::size_t services = std::min(configuration.services.size(), Setup::kMostListed);
    setup.services.reserve(services);
    for (std::size_t index = 0; index < services; ++index) {
        const TlsService& service = configuration.services[index];
        setup.services.push_back({.settings = service, .open = control_.is_open(service_id(service.name))});
    }
    for (const auto& [id, service] : control_.removed().all()) {
        setup.removed.push_back(service.name);
    }
    for (const IkeConnection& connection : configuration.ike.connections) {
        if (setup.connections.size() < Setup::kMostListed) {
            setup.connections.push_back(view_of(connection, ike));
        }
    }
    return setup;
}

SaPage FrontDesk::sas(const SaFilter& filter, ike::IkeSpi after, std::size_t limit) const {
    SaPage page;
    const IkeService* ike = control_.ike();
    if (ike == nullptr) {
        return page;
    }
    const Question question(filter, control_.configuration().ike.connections);
    const auto& sas = ike->endpoint().sas();
    std::size_t looked_at = 0;
    std::size_t children = 0;
    page.sas.reserve(std::min(limit, kLongestPage));
    for (auto next = sas.upper_bound(after); next != sas.end(); ++next) {
        if (question.takes(*next->second)) {
            page.sas.push_back(ike->view(*next->second));
            children += page.sas.back().children.size();
        }
        if (page.sas.size() >= std::min(limit, kLongestPage) || children >= kMostChildren ||
            ++looked_at >= kMostLookedAt) {
            page.next = std::next(next) == sas.end() ? std::nullopt : std::optional(next->first);
            return page;
        }
    }
    return page;
}

void FrontDesk::news(std::move_only_function<void(News)> then) {
    control_.changes().next([this, then = std::move(then)](Changes changes) mutable {
        News news{.changes = std::move(changes), .touched = {}, .setup = {}};
        look_at_touched(control_, news);
        if (news.changes.reloaded) {
            news.setup = setup();
        }
        then(std::move(news));
    });
}

void FrontDesk::counts(const std::string& service, std::move_only_function<void(Counts)> then) {
    control_.count(
        [id = service_id(service), then = std::move(then)](const std::vector<ProcessCounters>& processes) mutable {
            Counts counts;
            for (const ProcessCounters& process : processes) {
                counts.silent += process.answered ? 0 : 1;
                for (const Count& count : process.counts) {
                    if (count.service == id) {
                        // Gauges go up in one process and may go down in another: modulo 2^64.
                        counts.values[count.name] += count.value;
                    }
                }
            }
            then(std::move(counts));
        });
}

void FrontDesk::sa_counters(ike::IkeSpi spi, SaCounters::Answer answer) const {
    auto sa = find(spi);
    if (sa) {
        control_.ike()->count(**sa, std::move(answer));
    } else {
        answer(pass_on(std::move(sa)));
    }
}

Result<const ike::Sa*> FrontDesk::find(ike::IkeSpi spi) const {
    if (control_.ike() == nullptr) {
        return std::unexpected(not_running());
    }
    const ike::Sa* sa = control_.ike()->find(spi);
    return sa == nullptr ? fail("not-found", fmt::format("there is no IKE SA {:016x} any more", spi.value))
                         : Result<const ike::Sa*>(sa);
}

void FrontDesk::tls_sessions(const TlsFilter& filter, TlsSessionId after, std::size_t limit,
                             TlsSessions::Listed then) {
    const auto asked_for = [&filter](const TlsService& service) {
        return (!filter.service || service.name == *filter.service) &&
               (!filter.group || in_group(service.groups, *filter.group));
    };
    std::vector<ServiceId> wanted;  // none: all, of whatever service
    if (filter.service || filter.group) {
        for (const TlsService& service : control_.configuration().services) {
            if (asked_for(service)) {
                wanted.push_back(service_id(service.name));
            }
        }
        for (const auto& [id, service] : control_.removed().all()) {
            if (asked_for(service)) {
                wanted.push_back(id);
            }
        }
        if (wanted.empty()) {
            then(TlsSessionPage{});
            return;
        }
    }
    control_.sessions().list(std::move(wanted), after, limit, std::move(then));
}

void FrontDesk::end_session(TlsSessionId session, TlsSessions::Ended answer) {
    control_.sessions().end(session, [session, answer = std::move(answer)](Result<std::uint32_t> ended) mutable {
        answer(ended && *ended == 0
                   ? fail("not-found", fmt::format("there is no TLS session {:x} any more", session.value))
                   : std::move(ended));
    });
}

Reloader::Outcome FrontDesk::counting(Reloaded answer) const {
    return [this, answer = std::move(answer)](const std::expected<void, Refusal>& outcome) mutable {
        if (outcome) {
            answer(static_cast<std::uint32_t>(control_.configuration().ike.connections.size()));
        } else {
            answer(std::unexpected(outcome.error()));
        }
    };
}

void FrontDesk::reload(Reloaded answer) {
    reloader_.reload(counting(std::move(answer)));
}

void FrontDesk::policies(PolicyRequest request, PolicyService::Answer answer) {
    policies_.ask(std::move(request), std::move(answer));
}

void FrontDesk::change(ConnectionChange change, Reloaded answer) {
    reloader_.change(std::move(change), counting(std::move(answer)));
}

void FrontDesk::remove_all_of(const std::string& owner) {
    for (const std::string& name : reloader_.owned_by(owner)) {
        remove(name, "who added it has left the bus", [this, owner] {
            gone_.insert(owner);
            again_.arm(now() + kAgain);
        });
    }
}

void FrontDesk::remove_awaited() {
    if (reloader_.busy()) {  // perhaps with one of them
        claims_.arm(now() + std::chrono::seconds(1));
        return;
    }
    for (const std::string& name : reloader_.awaited()) {
        remove(name, "who added it to the process before has not added it to this one",
               [this] { claims_.arm(now() + kAgain); });
    }
}

void FrontDesk::remove(const std::string& name, std::string_view why, std::function<void()> again) {
    const auto close = [this, name] {
        command(
            {.verb = Command::Verb::down, .name = name, .among = Command::Among::connections, .sa = {}, .child = {}},
            [](const Result<std::uint32_t>&) {});  // there may be none
    };
    close();
    change({.verb = ConnectionChange::Verb::remove, .name = name, .text = {}},
           [name, why, close, again = std::move(again)](const std::expected<std::uint32_t, Refusal>& removed) {
               if (removed) {
                   close();  // a packet may have begun it anew meanwhile
                   log_info("connection {}: removed, since {}", in_quotes(name), why);
               } else {
                   log_warning(
                       "connection {}: {}, but it can't be removed as long as the rest of the configuration "
                       "has mistakes; this is tried again",
                       in_quotes(name), why);
                   again();
               }
           });
}

}  // namespace keysluice::control
