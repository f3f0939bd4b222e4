#include <sys/utsname.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>

#include "cli/doctor/look.hpp"
#include "daemon/control/ike_kernel.hpp"
#include "daemon/shared/system_random.hpp"
#include "ktls/probe.hpp"

namespace keysluice::doctor {
namespace {

constexpr unsigned kCapNetAdmin = 12;  // <linux/capability.h>

bool is_administrator() {
    std::ifstream stream("/proc/self/status");
    std::string line;
    while (std::getline(stream, line)) {
        if (line.starts_with("CapEff:")) {
            return ((std::stoull(line.substr(7), nullptr, 16) >> kCapNetAdmin) & 1U) != 0;
        }
    }
    return false;
}

/// "kernel/net/tls/tls.ko.xz: …" is "tls".
std::string module_in(std::string line) {
    line.resize(std::min(line.find_first_of(": "), line.size()));
    line.erase(0, line.rfind('/') + 1);
    line.resize(std::min(line.find(".ko"), line.size()));
    std::ranges::replace(line, '-', '_');
    return line;
}

/// False where there is no such list.
bool read_modules(const std::string& file, std::set<std::string>& into) {
    std::ifstream stream(file);
    std::string line;
    while (std::getline(stream, line)) {
        into.insert(module_in(line));
    }
    return !into.empty();
}

Module state_of(const std::string& name, bool complete, const std::set<std::string>& present,
                const std::set<std::string>& installed) {
    if (present.contains(name)) {
        return Module::present;
    }
    if (installed.contains(name)) {
        return Module::installed;
    }
    return complete ? Module::absent : Module::unknown;
}

}  // namespace

KernelFacts look_at_kernel() {
    KernelFacts facts;
    utsname name{};
    facts.release = uname(&name) == 0 ? std::string(name.release) : "";
    facts.administrator = is_administrator();
    std::set<std::string> present;
    std::set<std::string> installed;
    const std::string folder = "/lib/modules/" + facts.release;
    read_modules("/proc/modules", present);
    std::set<std::string> built_in;
    const bool complete =
        read_modules(folder + "/modules.builtin", built_in) && read_modules(folder + "/modules.dep", installed);
    present.merge(built_in);
    for (const char* module : {"tls", "xfrm_user", "esp4", "esp6"}) {
        facts.modules[module] = state_of(module, complete, present, installed);
    }
    const ktls::Capabilities ktls = ktls::probe();
    facts.ktls = ktls.carries_any();
    facts.ktls_rekeys = ktls.rekeys_receiving && ktls.rekeys_sending;
    facts.ktls_absent = ktls.absent;
    if (facts.administrator) {
        SystemRandom random;
        facts.esp_missing = control::look_for_missing(random);
    }
    return facts;
}

}  // namespace keysluice::doctor
