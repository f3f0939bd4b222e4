#include "daemon/engine/routing.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <string>

using namespace keysluice;

namespace {

TlsService service() {
    const std::vector<Endpoint> anywhere{UnixEndpoint{"/run/x"}};
    return {.routes = {{.names = {"api.example"}, .alpn = {"h2"}, .connect = anywhere},
                       {.names = {"*.example", "shop.test"}, .alpn = {}, .connect = anywhere},
                       {.names = {}, .alpn = {"imap", "pop3"}, .connect = anywhere}}};
}

/// The number of the route; nothing: none.
std::optional<std::ptrdiff_t> chosen(const std::string& name, const std::string& alpn) {
    const TlsService settings = service();
    tls::Summary session;
    session.server_name = name;
    session.alpn = alpn;
    const Route* route = choose_route(settings, session);
    return route == nullptr ? std::nullopt : std::optional(route - settings.routes.data());
}

}  // namespace

TEST_CASE("the first route that fits counts") {
    CHECK(chosen("api.example", "h2") == 0);
    CHECK(chosen("API.Example", "h2") == 0);
    CHECK(chosen("api.example", "http/1.1") == 1);
    CHECK(chosen("api.example", "") == 1);
    CHECK(chosen("other.example", "h2") == 1);
    CHECK(chosen("shop.test", "pop3") == 1);
    CHECK(chosen("", "pop3") == 2);
    CHECK(chosen("a.b.example", "imap") == 2);
    CHECK(chosen("a.b.example", "h2") == std::nullopt);
    CHECK(chosen("", "") == std::nullopt);
}
