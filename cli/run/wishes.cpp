#include <fmt/format.h>

#include "cli/command_line.hpp"
#include "cli/counted.hpp"
#include "cli/json.hpp"
#include "cli/printable.hpp"
#include "cli/run/runs.hpp"
#include "cli/target.hpp"

namespace keysluice::cli {
namespace {

Wish wish_of(const Invocation& line) {
    return {.child = line.value("child"), .interactive = line.has("interactive")};
}

Outcome done(const Context& context, std::string_view key, std::uint32_t count, std::string text) {
    return {.text = context.line.json() ? document({{key, count}}) : std::move(text) + "\n"};
}

/// An IKE SA, and the SPI that it was called by: its own, its peer's, or one of a CHILD SA.
struct Called {
    IkeSa sa;
    SpiText spi;
};

/// The IKE SA that a text names, or `otherwise` where there is none: a name comes first.
Result<Called> sa_called(Context& context, const std::string& text, const Error& otherwise) {
    const auto spi = read_spi(text);
    if (otherwise.reason != "not-found" || !spi) {
        return std::unexpected(otherwise);
    }
    const auto sas = context.service.ike_sas({});
    if (!sas) {
        return std::unexpected(sas.error());
    }
    const IkeSa* sa = find_by_spi(*sas, *spi);
    if (sa == nullptr) {
        return std::unexpected(otherwise);
    }
    return Called{*sa, *spi};
}

/// What the rekeying of one SA is: with the SPI of a CHILD SA, of that child.
Wish narrowed(Wish wish, const Called& called) {
    const SpiText spi = called.spi;
    for (const ChildSa& child : called.sa.children) {
        if (spi.of_child && (child.spi_in == spi.value || child.spi_out == spi.value)) {
            wish.child = child.name;
        }
    }
    return wish;
}

}  // namespace

Result<Outcome> run_up(Context& context) {
    const std::string name = context.line.name();
    const auto begun = context.service.up(name, wish_of(context.line));
    if (!begun) {
        return std::unexpected(begun.error());
    }
    return done(context, "connections", *begun,
                fmt::format("{}: {} coming up, or up already; keysluice monitor tells what comes of it",
                            printable(name), *begun));
}

Result<Outcome> run_down(Context& context) {
    const std::string name = context.line.name();
    const Wish wish = wish_of(context.line);
    if (const auto session = read_session(name)) {
        if (auto closed = context.service.close_session(*session, wish); !closed) {
            return pass_on(std::move(closed));
        }
        return done(context, "closed", 1, fmt::format("{}: closing", name));
    }
    auto closing = context.service.down(name, wish);
    if (!closing) {
        const auto called = sa_called(context, name, closing.error());
        if (!called) {
            return std::unexpected(called.error());
        }
        if (called->spi.of_child) {
            return fail("bad-argument",
                        fmt::format("{} is the SPI of a CHILD SA, which is not closed alone; its IKE SA has the SPI "
                                    "{:016x}",
                                    name, called->sa.spi));
        }
        if (auto one = context.service.down(called->sa.spi, wish); !one) {
            return pass_on(std::move(one));
        }
        closing = 1;
    }
    return done(context, "closed", *closing,
                fmt::format("{}: {} closing", printable(name), counted(*closing, "session")));
}

Result<Outcome> run_rekey(Context& context) {
    const std::string name = context.line.name();
    const Wish wish = wish_of(context.line);
    auto rekeying = context.service.rekey(name, wish);
    if (!rekeying) {
        const auto called = sa_called(context, name, rekeying.error());
        if (!called) {
            return std::unexpected(called.error());
        }
        if (auto one = context.service.rekey(called->sa.spi, narrowed(wish, *called)); !one) {
            return pass_on(std::move(one));
        }
        rekeying = 1;
    }
    return done(context, "ike_sas", *rekeying,
                fmt::format("{}: {} being rekeyed", printable(name), counted(*rekeying, "IKE SA")));
}

Result<Outcome> run_reauth(Context& context) {
    const std::string name = context.line.name();
    const Wish wish = wish_of(context.line);
    auto begun = context.service.reauthenticate(name, wish);
    if (!begun) {
        const auto called = sa_called(context, name, begun.error());
        if (!called) {
            return std::unexpected(called.error());
        }
        if (auto one = context.service.reauthenticate(called->sa.spi, wish); !one) {
            return pass_on(std::move(one));
        }
        begun = 1;
    }
    return done(context, "ike_sas", *begun,
                fmt::format("{}: {} being authenticated anew; keysluice monitor tells what comes of it",
                            printable(name), counted(*begun, "IKE SA")));
}

Result<Outcome> run_reload(Context& context) {
    const auto connections = context.service.reload(wish_of(context.line));
    if (!connections) {
        return std::unexpected(connections.error());
    }
    return done(context, "connections", *connections,
                fmt::format("the configuration was read again: {} of IKE", counted(*connections, "connection")));
}

}  // namespace keysluice::cli
