#include "daemon/control/front_desk.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "daemon/control/control.hpp"
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
                        .children = {},
                        .refused = ike == nullptr ? std::vector<RefusedChild>{} : ike->refused(rules.name)};
    for (const ike::ChildRule& child : rules.children) {
        view.children.push_back(child.name);
    }
    return view;
}

bool is_in(const IkeConnection& connection, const std::string& group) {
    return std::ranges::find(connection.groups, group) != connection.groups.end();
}

/// What a filter says, ready to be asked for each SA.
class Question {
   public:
    Question(const SaFilter& filter, const std::vector<IkeConnection>& connections) : filter_(filter) {
        for (const IkeConnection& connection : connections) {
            if (filter.group && is_in(connection, *filter.group)) {
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

Error not_found(const std::string& name, bool connection_only) {
    return {"not-found", fmt::format("there is no connection {}with the name {}",
                                     connection_only ? "" : "and no group ", in_quotes(name))};
}

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

/// A command for several connections.
struct FrontDesk::UnderWay {
    Command command;
    std::vector<ike::ConnectionPtr> connections;
    Answer answer;
    std::size_t done = 0;
    std::uint32_t count = 0;
    std::optional<Error> refused = {};
};

FrontDesk::FrontDesk(Loop& loop, Control& control, Reloader& reloader)
    : loop_(loop), control_(control), reloader_(reloader) {}

FrontDesk::~FrontDesk() = default;

Setup FrontDesk::setup() const {
    const Configuration& configuration = control_.configuration();
    const IkeService* ike = control_.ike();
    Setup setup{.ike = ike != nullptr,
                .ike_failure = control_.ike_refused(),
                .null_kernel = ike != nullptr && ike->null_kernel(),
                .connections = {},
                .services = configuration.services};
    setup.services.resize(std::min(setup.services.size(), Setup::kMostListed));
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
    const auto& services = control_.configuration().services;
    const auto index = std::ranges::find(services, service, &TlsService::name) - services.begin();
    control_.count([index, then = std::move(then)](const std::vector<ProcessCounters>& processes) mutable {
        Counts counts;
        for (const ProcessCounters& process : processes) {
            counts.silent += process.answered ? 0 : 1;
            for (const Count& count : process.counts) {
                if (count.service.value == index) {
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

Error FrontDesk::not_running() const {
    return {"ike-not-running", control_.ike_refused().empty()
                                   ? "IKE does not run: no connection is configured"
                                   : fmt::format("IKE does not run: {}", control_.ike_refused())};
}

Result<const ike::Sa*> FrontDesk::find(ike::IkeSpi spi) const {
    if (control_.ike() == nullptr) {
        return std::unexpected(not_running());
    }
    const ike::Sa* sa = control_.ike()->find(spi);
    return sa == nullptr ? fail("not-found", fmt::format("there is no IKE SA {:016x} any more", spi.value))
                         : Result<const ike::Sa*>(sa);
}

Result<std::vector<ike::ConnectionPtr>> FrontDesk::connections_for(const Command& command) const {
    const auto& configured = control_.configuration().ike.connections;
    std::vector<ike::ConnectionPtr> found;
    for (const IkeConnection& connection : configured) {
        if (connection.rules->name == command.name) {
            found = {connection.rules};
            break;
        }
        if (!command.connection_only && is_in(connection, command.name)) {
            found.push_back(connection.rules);
        }
    }
    // A connection that is no longer configured may have SAs.
    if (const auto left = control_.ike()->endpoint().sas_of(command.name);
        found.empty() && !left.empty() && command.verb != Command::Verb::up) {
        found.push_back(control_.ike()->find(left.front())->connection);
    }
    if (found.empty()) {
        return std::unexpected(not_found(command.name, command.connection_only));
    }
    if (!command.child.empty()) {
        const auto refused = control_.ike()->refused(found.front()->name);
        const auto same = std::ranges::find(refused, command.child, &RefusedChild::child);
        std::erase_if(found, [&](const ike::ConnectionPtr& each) { return each->child(command.child) == nullptr; });
        if (found.empty() && same != refused.end()) {
            return std::unexpected(same->why);
        }
        if (found.empty()) {
            return fail("not-found", fmt::format("{} has no child with the name {}", in_quotes(command.name),
                                                 in_quotes(command.child)));
        }
    }
    return found;
}

void FrontDesk::command(const Command& command, Answer answer) {
    if (command.sa) {
        answer(command_one(command, *command.sa));
        return;
    }
    if (control_.ike() == nullptr) {
        answer(std::unexpected(not_running()));
        return;
    }
    auto connections = connections_for(command);
    if (!connections) {
        answer(pass_on(std::move(connections)));
        return;
    }
    const bool begin = under_way_.empty();
    under_way_.push_back({.command = command, .connections = *std::move(connections), .answer = std::move(answer)});
    if (begin) {
        work();
    }
}

Result<std::uint32_t> FrontDesk::command_one(const Command& command, ike::IkeSpi spi) const {
    auto found = find(spi);
    if (!found) {
        return pass_on(std::move(found));
    }
    const ike::Sa* sa = *found;
    IkeService& ike = *control_.ike();
    if (!command.child.empty() && sa->connection->child(command.child) == nullptr) {
        return fail("not-found", fmt::format("connection {} has no child with the name {}", sa->connection->name,
                                             in_quotes(command.child)));
    }
    return command.verb == Command::Verb::down ? ike.down(sa->connection->name, spi)
                                               : ike.rekey(sa->connection->name, command.child, spi);
}

void FrontDesk::work() {
    for (std::size_t step = 0; step < kStepsAtOnce && !under_way_.empty(); ++step) {
        UnderWay& now = under_way_.front();
        const ike::Connection& rules = *now.connections[now.done];
        IkeService& ike = *control_.ike();
        switch (now.command.verb) {
            case Command::Verb::up:
                if (auto begun = ike.up(rules, now.command.child); begun) {
                    ++now.count;
                } else {
                    now.refused = std::move(begun).error();
                }
                break;
            case Command::Verb::down:
                now.count += ike.down(rules.name);
                break;
            case Command::Verb::rekey:
                now.count += ike.rekey(rules.name, now.command.child);
                break;
        }
        if (++now.done == now.connections.size()) {
            UnderWay finished = std::move(now);
            under_way_.pop_front();
            const bool refused = finished.count == 0 && finished.refused;
            finished.answer(refused ? Result<std::uint32_t>(std::unexpected(*finished.refused)) : finished.count);
        }
    }
    if (!under_way_.empty()) {
        loop_.defer([this] { work(); });
    }
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

void FrontDesk::change(ConnectionChange change, Reloaded answer) {
    reloader_.change(std::move(change), counting(std::move(answer)));
}

}  // namespace keysluice::control
