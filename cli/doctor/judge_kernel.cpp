#include <fmt/format.h>

#include <array>
#include <initializer_list>
#include <utility>

#include "cli/doctor/judge.hpp"

namespace keysluice::doctor {
namespace {

const std::string kOtherKernel =
    "apt install linux-image-amd64   # or another kernel that has it, then reboot; \"cloud\" kernels leave much out";

/// For now and for the next boot.
std::vector<std::string> load(std::initializer_list<std::string_view> modules) {
    std::vector<std::string> lines;
    for (const std::string_view module : modules) {
        lines.push_back(fmt::format("modprobe {}", module));
    }
    for (const std::string_view module : modules) {
        lines.push_back(fmt::format("echo {} >> /etc/modules-load.d/90-keysluice.conf", module));
    }
    return lines;
}

void judge_ktls(const KernelFacts& kernel, const Wants& wants, Findings& findings) {
    if (kernel.ktls) {
        findings.push_back({"kernel-tls",
                            Verdict::ok,
                            fmt::format("Linux {} carries the records of TLS{}", kernel.release,
                                        kernel.ktls_rekeys ? ", and follows a change of keys" : ""),
                            {},
                            {}});
        return;
    }
    const Error why = kernel.ktls_absent.value_or(
        Error{"ktls-install-failed", fmt::format("Linux {} takes the keys of no cipher of TLS", kernel.release)});
    const std::string rest = wants.tls_kernel_required ? "services with offload = \"require\" refuse all connections"
                                                       : "TLS stays in userspace";
    const Verdict verdict = wants.tls_kernel_required ? Verdict::wrong : Verdict::warning;
    std::vector<std::string> remedy = load({"tls"});
    if (why.reason == "kernel-without-ktls") {
        if (kernel.module("tls") == Module::absent) {
            remedy = {kOtherKernel};
        }
        findings.push_back(
            {"kernel-tls", verdict, fmt::format("{}: {}", why.sentence, rest), std::move(remedy), why.reason});
    } else if (why.reason == "ktls-install-failed") {
        findings.push_back(
            {"kernel-tls", verdict, fmt::format("{}: {}", why.sentence, rest), {kOtherKernel}, why.reason});
    } else {
        findings.push_back({"kernel-tls", Verdict::unknown, why.sentence, {}, why.reason});
    }
}

/// By the modules alone: an attempt needs CAP_NET_ADMIN.
void guess_esp(const KernelFacts& kernel, const Wants& wants, Findings& findings) {
    constexpr std::array<std::string_view, 3> kNeeded{"xfrm_user", "esp4", "esp6"};
    bool known = true;
    for (const std::string_view name : kNeeded) {
        const Module module = kernel.module(name);
        known = known && module != Module::unknown;
        if (module == Module::absent) {
            const bool needed = name != "esp6" || wants.ipv6_peers;
            findings.push_back({"kernel-esp",
                                needed ? Verdict::wrong : Verdict::warning,
                                fmt::format("Linux {} has no module {}", kernel.release, name),
                                {kOtherKernel},
                                "kernel-without-esp"});
            known = false;
        }
    }
    findings.push_back(
        {"kernel-esp",
         known ? Verdict::ok : Verdict::unknown,
         known ? fmt::format("Linux {} has xfrm_user, esp4 and esp6; root sees which algorithms", kernel.release)
               : "which algorithms ESP has, only root can try",
         known ? std::vector<std::string>{} : std::vector<std::string>{"sudo keysluice doctor"},
         {}});
}

void judge_esp(const KernelFacts& kernel, const Wants& wants, Findings& findings) {
    if (!kernel.esp_missing) {
        guess_esp(kernel, wants, findings);
        return;
    }
    if (kernel.esp_missing->empty()) {
        findings.push_back({"kernel-esp",
                            Verdict::ok,
                            fmt::format("Linux {} has ESP with all algorithms that IKE can use", kernel.release),
                            {},
                            {}});
    }
    const bool installed = kernel.module("esp4") != Module::absent && kernel.module("xfrm_user") != Module::absent;
    for (const Error& missing : *kernel.esp_missing) {
        const bool none = missing.reason == "kernel-without-esp" || missing.reason == "netlink-unavailable";
        std::vector<std::string> remedy{kOtherKernel};
        if (none && installed) {
            remedy = load({"xfrm_user", "esp4", "esp6"});
        }
        findings.push_back({"kernel-esp", none ? Verdict::wrong : Verdict::warning, missing.sentence,
                            std::move(remedy), missing.reason});
    }
}

}  // namespace

void judge_kernel(const Facts& facts, const Wants& wants, Findings& findings) {
    if (wants.tls_kernel) {
        judge_ktls(facts.kernel, wants, findings);
    }
    if (wants.ike) {
        judge_esp(facts.kernel, wants, findings);
    }
}

}  // namespace keysluice::doctor
