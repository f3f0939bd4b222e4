#include <fmt/format.h>

#include <algorithm>

#include "cli/command_line.hpp"
#include "cli/listing.hpp"
#include "cli/run/runs.hpp"
#include "cli/target.hpp"
#include "cli/top/keys.hpp"
#include "cli/top/odometer.hpp"
#include "cli/top/rates.hpp"
#include "cli/top/screen.hpp"
#include "cli/top/terminal.hpp"
#include "daemon/shared/counters.hpp"

namespace keysluice::cli {
namespace {

constexpr Duration kInterval = std::chrono::seconds(1);
/// IKE SAs whose CHILD SAs are counted: each is a call, and a question to the kernel.
constexpr std::size_t kMostCounted = 256;
/// Of the time, the service works for us at most the fifth part.
constexpr int kRest = 4;

class Top {
   public:
    explicit Top(Context& context) : context_(context) {}

    /// Until it is ended, or the service is.
    Result<Outcome> run(const Terminal& terminal) {
        Instant due = context_.now();
        while (true) {
            if (const Instant begin = context_.now(); begin >= due) {
                if (auto looked = look(begin); !looked) {
                    return pass_on(std::move(looked));
                }
                due = context_.now() + std::max(kInterval, kRest * (context_.now() - begin));
            }
            const Terminal::Size size = Terminal::size();
            Terminal::draw(render(view_, size.width, size.height));
            const Terminal::Input input = terminal.wait(due - context_.now());
            typed_ += input.typed;
            if (input.ended || !obey(take_keys(typed_))) {
                return Outcome{};
            }
        }
    }

   private:
    Result<void> look(Instant at) {
        auto all = look_up_all(context_.service);
        if (!all) {
            return std::unexpected(all.error());
        }
        count(all->sas);
        Totals totals;
        for (const auto& [connection, bytes] : odometer_.add(all->sas)) {
            totals[of_ike(connection)] = bytes;
        }
        for (const TlsService& service : all->services) {
            totals[of_tls(service.name)] = counter_of(service, std::string(counter::kAccepted));
        }
        rates_.add(at, std::move(totals));
        view_.rows.clear();
        for (const TlsService& service : all->services) {
            add(service);
        }
        for (const Connection& connection : all->connections) {
            add(connection, all->sas);
        }
        view_.title = fmt::format("keysluice top   {} TLS services, {} connections, {} IKE SAs", all->services.size(),
                                  all->connections.size(), all->sas.size());
        return {};
    }

    /// A connection and a service may have the same name.
    static std::string of_ike(const std::string& connection) { return "ike " + connection; }
    static std::string of_tls(const std::string& service) { return "tls " + service; }

    /// Without a kernel, nothing is counted; one that has gone meanwhile stays without.
    void count(std::vector<IkeSa>& sas) {
        for (std::size_t i = 0; i < std::min(sas.size(), kMostCounted); ++i) {
            if (const auto counted = context_.service.count(sas[i]);
                !counted && counted.error().reason != "not-found") {
                return;
            }
        }
    }

    void add(const TlsService& service) {
        view_.rows.push_back({.name = service.name,
                              .state = fmt::format("TLS: {} kernel, {} userspace",
                                                   counter_of(service, std::string(counter::kActiveKernel)),
                                                   counter_of(service, std::string(counter::kActiveUserspace))),
                              .history = rates_.history(of_tls(service.name)),
                              .unit = "conn"});
    }

    void add(const Connection& connection, const std::vector<IkeSa>& sas) {
        std::size_t established = 0;
        std::size_t children = 0;
        for (const IkeSa& sa : sas) {
            if (sa.connection == connection.name) {
                established += sa.state == "established" ? 1U : 0U;
                children += sa.children.size();
            }
        }
        view_.rows.push_back(
            {.name = connection.name,
             .state = established == 0 ? "IKE: down" : fmt::format("IKE: {} up, {} CHILD SAs", established, children),
             .history = rates_.history(of_ike(connection.name)),
             .unit = "B"});
    }

    /// Whether it goes on.
    bool obey(const std::vector<Key>& keys) {
        for (const Key key : keys) {
            switch (key) {
                case Key::quit:
                    return false;
                case Key::sort:
                    view_.order = view_.order == TopOrder::rate ? TopOrder::name : TopOrder::rate;
                    break;
                case Key::up:
                    view_.first -= std::min<std::size_t>(view_.first, 1);
                    break;
                case Key::down:
                    ++view_.first;  // render() brings it back where there are no rows
                    break;
            }
        }
        return true;
    }

    Context& context_;
    RateBook rates_;
    Odometer odometer_;
    TopView view_;
    std::string typed_;
};

}  // namespace

Result<Outcome> run_top(Context& context) {
    if (context.line.json()) {
        return fail("bad-argument", "top is for a terminal; keysluice stats --watch 1 --json has its numbers");
    }
    const auto terminal = Terminal::open();
    if (!terminal) {
        return std::unexpected(terminal.error());
    }
    return Top(context).run(**terminal);
}

}  // namespace keysluice::cli
