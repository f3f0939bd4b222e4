#include "daemon/control/ike_loading.hpp"

#include <algorithm>
#include <iterator>

#include "daemon/control/eap_files.hpp"
#include "daemon/control/ike_certificates.hpp"

namespace keysluice::control {

Diagnostics load_ike(IkeConfiguration& ike, const IkeLoading& loading, std::chrono::system_clock::time_point now,
                     Diagnostics& warnings) {
    Diagnostics wrong;
    const auto note = [&](Diagnostics faults) { std::ranges::move(faults, std::back_inserter(wrong)); };
    if (loading.read_secrets) {
        note(load_secrets(ike, warnings));
        note(load_passwords(ike, warnings));
    }
    note(load_certificates(ike, now, warnings));
    if (loading.check_private_keys) {
        note(check_private_keys(ike));
    }
    if (loading.look_up_peers) {
        note(look_up_peers(ike, loading.known_peers, warnings));
    }
    return wrong;
}

}  // namespace keysluice::control
