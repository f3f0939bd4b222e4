#include "cli/doctor/judge.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <utility>

namespace keysluice::doctor {
namespace {

using std::chrono::days;

/// Whoever renews certificates by hand needs some days for it.
constexpr days kSoon{30};
/// Before this was written, no clock was right.
constexpr std::chrono::sys_days kYoung{std::chrono::year{2026} / 1 / 1};

Finding look_at_certificate(const CertificateFacts& certificate, std::chrono::sys_seconds now) {
    if (certificate.hidden) {
        return {"certificate",
                Verdict::unknown,
                fmt::format("{}: {} can't be read by this user", certificate.of, certificate.path),
                {"sudo keysluice doctor"},
                {}};
    }
    if (certificate.error) {
        return {"certificate",
                Verdict::wrong,
                fmt::format("{}: {}", certificate.of, certificate.error->sentence),
                {fmt::format("openssl x509 -in {} -noout -subject -dates", certificate.path)},
                certificate.error->reason};
    }
    const auto rest = std::chrono::floor<days>(certificate.end - now);
    std::string found = fmt::format("{}: {} is valid for {} more days, until {:%Y-%m-%d}", certificate.of,
                                    certificate.path, rest.count(), certificate.end);
    if (rest >= kSoon) {
        return {"certificate", Verdict::ok, std::move(found), {}, {}};
    }
    return {"certificate",
            Verdict::warning,
            std::move(found),
            {fmt::format("openssl x509 -in {} -noout -subject -dates   # renew it", certificate.path)},
            {}};
}

Finding look_at_secret(const SecretFacts& secret) {
    const auto finding = [&](Verdict verdict, std::string_view what, std::vector<std::string> remedy) {
        return Finding{
            "secret", verdict, fmt::format("{}: {} {}", secret.of, secret.path, what), std::move(remedy), {}};
    };
    if (secret.hidden) {
        return finding(Verdict::unknown, "can't be looked at by this user", {"sudo keysluice doctor"});
    }
    if (!secret.problem.empty()) {
        return finding(Verdict::wrong, fmt::format("can't be looked at: {}", secret.problem),
                       {fmt::format("ls -l {}", secret.path)});
    }
    const std::string close = fmt::format("chmod u+r,g-w,o= {}", secret.path);
    if (secret.by_all) {
        return finding(Verdict::wrong, "can be read by every user of this host: change the secret, and close it",
                       {close});
    }
    if (secret.changeable) {
        return finding(Verdict::wrong, "can be written by others than its owner", {close});
    }
    if (!secret.by_user) {
        return finding(
            Verdict::warning,
            fmt::format("can't be read by the user {}, as whom systemd starts who needs it", secret.user),
            {fmt::format("chgrp {} {}", secret.user, secret.path), fmt::format("chmod 640 {}", secret.path)});
    }
    return finding(Verdict::ok, "is there, and closed to others", {});
}

}  // namespace

void judge_clock(const Facts& facts, Findings& findings) {
    const std::string now = fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", facts.clock.now);
    if (facts.clock.now < kYoung) {
        findings.push_back({"clock",
                            Verdict::wrong,
                            fmt::format("it is not {}: certificates seem not to be valid yet", now),
                            {"timedatectl set-ntp true"},
                            "certificate-not-yet-valid"});
    } else if (!facts.clock.synchronised) {
        findings.push_back({"clock",
                            Verdict::warning,
                            fmt::format("nobody keeps the clock right; it says {}", now),
                            {"timedatectl set-ntp true"},
                            {}});
    } else {
        findings.push_back({"clock", Verdict::ok, fmt::format("it is synchronised: {}", now), {}, {}});
    }
}

void judge_files(const Facts& facts, Findings& findings) {
    for (const CertificateFacts& certificate : facts.certificates) {
        findings.push_back(look_at_certificate(certificate, facts.clock.now));
    }
    for (const SecretFacts& secret : facts.secrets) {
        findings.push_back(look_at_secret(secret));
    }
}

Findings judge_configuration(const control::Diagnostics& wrong) {
    Findings findings;
    for (const control::Diagnostic& each : wrong) {
        findings.push_back({"configuration",
                            Verdict::wrong,
                            control::to_string(each),
                            {fmt::format("editor {}   # man 5 keysluice.toml", each.where.file)},
                            each.reason});
    }
    if (wrong.empty()) {
        findings.push_back({"configuration", Verdict::ok, "it has no mistake", {}, {}});
    }
    return findings;
}

Findings judge(const Facts& facts, const Wants& wants) {
    Findings findings;
    judge_kernel(facts, wants, findings);
    judge_devices(facts, wants, findings);
    judge_sysctls(facts, wants, findings);
    judge_ports(facts, wants, findings);
    judge_rivals(facts, wants, findings);
    judge_clock(facts, findings);
    judge_files(facts, findings);
    return findings;
}

}  // namespace keysluice::doctor
