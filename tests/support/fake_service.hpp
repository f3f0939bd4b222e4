#pragma once

#include <utility>
#include <vector>

#include "cli/command_line.hpp"
#include "cli/service.hpp"

namespace keysluice::cli {

/// Answers what it was given, and writes down what it was told to do.
struct FakeService : Service {
    Manager answer = {.version = "0.1.0", .api_version = 1, .features = {"ike"}, .ike_failure = {}};
    Configured configuration = {};
    std::vector<IkeSa> sas = {};
    std::vector<TlsSession> sessions = {};
    std::vector<std::string> told = {};
    std::vector<PolicyCall> policy_calls = {};
    std::string policy_answer = {};
    Error failure = {};  ///< where it has a reason, what names are answered with

    Result<Manager> manager() override { return answer; }
    Result<std::vector<IkeSa>> ike_sas(const SaFilter& filter) override {
        std::vector<IkeSa> found;
        for (const IkeSa& sa : sas) {
            if (filter.group.empty() && (filter.connection.empty() || filter.connection == sa.connection)) {
                found.push_back(sa);
            }
        }
        return found;
    }
    Result<std::vector<TlsSession>> tls_sessions(const TlsFilter& filter) override {
        std::vector<TlsSession> found;
        for (const TlsSession& session : sessions) {
            if (filter.service.empty() || filter.service == session.service) {
                found.push_back(session);
            }
        }
        return found;
    }
    Result<Configured> configured() override { return configuration; }
    Result<void> count(TlsService& service) override {
        service.counters = {{"accepted", 3}, {"active-kernel", 2}, {"failed:handshake-timeout", 1}};
        return {};
    }
    Result<void> count(IkeSa& sa) override {
        if (sa.children.empty()) {
            return fail("not-found", "it has gone");
        }
        sa.children.front().counters = ChildCounters{.in = {.packets = 12, .bytes = 1234}, .out = {}, .broken = 7};
        return {};
    }
    Result<std::uint32_t> up(const std::string& name, const Wish& wish) override { return note("up " + name, wish); }
    Result<std::uint32_t> down(const std::string& name, const Wish& wish) override {
        return note("down " + name, wish);
    }
    Result<std::uint32_t> rekey(const std::string& name, const Wish& wish) override {
        return note("rekey " + name, wish);
    }
    Result<void> down(std::uint64_t ike_spi, const Wish& wish) override {
        write_down("down " + std::to_string(ike_spi), wish);
        return {};
    }
    Result<void> rekey(std::uint64_t ike_spi, const Wish& wish) override {
        write_down("rekey " + std::to_string(ike_spi), wish);
        return {};
    }
    Result<std::uint32_t> reauthenticate(const std::string& name, const Wish& wish) override {
        return note("reauthenticate " + name, wish);
    }
    Result<void> reauthenticate(std::uint64_t ike_spi, const Wish& wish) override {
        write_down("reauthenticate " + std::to_string(ike_spi), wish);
        return {};
    }
    Result<void> close_session(std::uint64_t id, const Wish& wish) override {
        write_down("close " + std::to_string(id), wish);
        return {};
    }
    Result<std::uint32_t> reload(const Wish& wish) override { return note("reload", wish); }
    Result<std::string> policies(const PolicyCall& call) override {
        policy_calls.push_back(call);
        return policy_answer;
    }
    Result<void> follow(Follower& /*follower*/) override { return {}; }

   private:
    void write_down(std::string what, const Wish& wish) {
        what += wish.child.empty() ? "" : " child " + wish.child;
        told.push_back(what + (wish.interactive ? " interactive" : ""));
    }
    Result<std::uint32_t> note(std::string what, const Wish& wish) {
        if (!failure.reason.empty()) {
            return std::unexpected(failure);
        }
        write_down(std::move(what), wish);
        return 2;
    }
};

/// Performs a command line that makes sense.
inline Result<Outcome> perform(Service& service, const std::vector<std::string>& words) {
    const Invocation line = *read_command_line(words);
    Context context{.line = line, .service = service, .now = [] { return Instant(std::chrono::seconds(1000)); }};
    return line.command->run(context);
}

}  // namespace keysluice::cli
