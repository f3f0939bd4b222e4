#include "cli/doctor/look.hpp"

#include <fmt/format.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "cli/doctor/judge.hpp"
#include "cli/doctor/report.hpp"
#include "cli/doctor/sockets.hpp"

namespace keysluice::doctor {
namespace {

/// Where systemd puts them while keysluiced runs. Only it can read them there: the doctor does not look into secrets.
constexpr std::string_view kCredentials = "/run/credentials/keysluiced.service";

ClockFacts look_at_clock() {
    timex state{};
    const int result = adjtimex(&state);
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    return {.now = now, .synchronised = result != -1 && result != TIME_ERROR && (state.status & STA_UNSYNC) == 0};
}

}  // namespace

Facts look(const Wants& wants) {
    Facts facts;
    facts.kernel = look_at_kernel();
    facts.devices = look_at_devices();
    facts.sysctls = look_at_sysctls(facts.devices);
    Holders holders = look_at_sockets("/proc");
    facts.sockets = std::move(holders.sockets);
    facts.processes = std::move(holders.processes);
    facts.clock = look_at_clock();
    facts.certificates = look_at_certificates(wants.certificates, std::chrono::system_clock::now());
    facts.secrets = look_at_secrets(wants.secrets);
    return facts;
}

Findings examine(const std::string& file) {
    Findings findings;
    Wants wants = wants_of_anybody();
    if (access(file.c_str(), R_OK) != 0 && errno == EACCES) {
        findings.push_back({"configuration",
                            Verdict::unknown,
                            fmt::format("{} can't be read by this user, so what it needs is not known", file),
                            {"sudo keysluice doctor"},
                            {}});
    } else if (const auto configuration = control::read_configuration(file, kCredentials)) {
        findings = judge_configuration({});
        wants = wants_of(*configuration);
    } else {
        findings = judge_configuration(configuration.error());
    }
    std::ranges::move(judge(look(wants), wants), std::back_inserter(findings));
    return sorted(findings);
}

}  // namespace keysluice::doctor
