#include "daemon/engine/routing.hpp"

#include <algorithm>

#include "tls/server_name.hpp"

namespace keysluice {

const Route* choose_route(const TlsService& service, const tls::Summary& session) {
    const std::string name = tls::lower_case(session.server_name);
    const auto fits = [&](const Route& route) {
        const auto stands_for = [&](const std::string& pattern) { return tls::fits(pattern, name); };
        return (route.names.empty() || std::ranges::any_of(route.names, stands_for)) &&
               (route.alpn.empty() || std::ranges::find(route.alpn, session.alpn) != route.alpn.end());
    };
    const auto found = std::ranges::find_if(service.routes, fits);
    return found == service.routes.end() ? nullptr : &*found;
}

}  // namespace keysluice
