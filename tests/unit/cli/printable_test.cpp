#include "cli/printable.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace keysluice::cli;

namespace {

/// What a peer may call itself to make a terminal, or a reader, believe something else.
const std::string kHostile = "a\x1b[2J\r\n\x7f\x9b\xc2\x9b\xe2\x80\xae\\";

bool is_harmless(const std::string& text) {
    return std::ranges::none_of(text, [](char octet) { return (octet >= 0 && octet < 0x20) || octet == 0x7f; }) &&
           text.find("\xc2\x9b") == std::string::npos && text.find("\xe2\x80\xae") == std::string::npos;
}

}  // namespace

TEST_SUITE("cli: printable") {
    TEST_CASE("what a terminal obeys is written as an escape") {
        CHECK(printable(kHostile) == R"(a\x1b[2J\x0d\x0a\x7f\x9b\u{9b}\u{202e}\\)");
        CHECK(printable(std::string("\0", 1)) == R"(\x00)");
        CHECK(printable("\xef\xbb\xbf\xe2\x80\x8b") == R"(\u{feff}\u{200b})");
    }

    TEST_CASE("letters of all kinds stay, and what is no UTF-8 does not") {
        CHECK(printable("gw1.example Zürich 東京 🔑") == "gw1.example Zürich 東京 🔑");
        CHECK(printable("\xc0\x9b") == R"(\xc0\x9b)");          // an escape in two octets too many
        CHECK(printable("\xe0\x82\x9b") == R"(\xe0\x82\x9b)");  // in three
        CHECK(printable("\xed\xa0\x80") == R"(\xed\xa0\x80)");  // half of a pair
        CHECK(printable("\xf4\x90\x80\x80") == R"(\xf4\x90\x80\x80)");
        CHECK(printable("\xe6\x9d") == R"(\xe6\x9d)");
    }

    TEST_CASE("columns are characters") {
        CHECK(columns("Zürich") == 6);
        CHECK(columns("東京") == 2);
    }

    TEST_CASE("no member is forgotten") {
        ChildSa child{.name = kHostile,
                      .state = kHostile,
                      .mode = kHostile,
                      .local_ts = {kHostile},
                      .remote_ts = {kHostile},
                      .suite = kHostile,
                      .offload_requested = kHostile,
                      .offload = kHostile,
                      .offload_device = kHostile,
                      .offload_reason = kHostile};
        const IkeSa sa = printable(IkeSa{.connection = kHostile,
                                         .state = kHostile,
                                         .local = kHostile,
                                         .remote = kHostile,
                                         .local_id = kHostile,
                                         .remote_id = kHostile,
                                         .suite = kHostile,
                                         .children = {child}});
        child = sa.children.front();
        for (const std::string& each :
             {sa.connection, sa.state, sa.local, sa.remote, sa.local_id, sa.remote_id, sa.suite, child.name,
              child.state, child.mode, child.local_ts.front(), child.remote_ts.front(), child.suite,
              child.offload_requested, child.offload, child.offload_device, child.offload_reason}) {
            CHECK(is_harmless(each));
        }
        const Connection connection = printable(Connection{.name = kHostile,
                                                           .groups = {kHostile},
                                                           .local = kHostile,
                                                           .remote = kHostile,
                                                           .local_id = kHostile,
                                                           .remote_id = kHostile,
                                                           .auth = kHostile,
                                                           .remote_auth = kHostile,
                                                           .start = kHostile,
                                                           .children = {kHostile},
                                                           .refused = {{kHostile, kHostile, kHostile}}});
        const RefusedChild& refused = connection.refused.front();
        for (const std::string& each :
             {connection.name, connection.groups.front(), connection.local, connection.remote, connection.local_id,
              connection.remote_id, connection.auth, connection.remote_auth, connection.start,
              connection.children.front(), refused.child, refused.reason, refused.sentence}) {
            CHECK(is_harmless(each));
        }
        const TlsService service = printable(TlsService{.name = kHostile,
                                                        .mode = kHostile,
                                                        .listen = {kHostile},
                                                        .connect = {kHostile},
                                                        .server_name = kHostile,
                                                        .client_certificate = kHostile,
                                                        .min_version = kHostile,
                                                        .verify_peer = kHostile,
                                                        .max_version = kHostile,
                                                        .ciphers = {kHostile},
                                                        .ciphersuites = {kHostile},
                                                        .key_exchange_groups = {kHostile},
                                                        .plaintext_remote = kHostile,
                                                        .send_proxy = kHostile,
                                                        .accept_proxy = kHostile,
                                                        .offload_requested = kHostile,
                                                        .counters = {{kHostile, 1}}});
        for (const std::string& each :
             {service.name, service.mode, service.listen.front(), service.connect.front(), service.server_name,
              service.client_certificate, service.min_version, service.verify_peer, service.max_version,
              service.ciphers.front(), service.ciphersuites.front(), service.key_exchange_groups.front(),
              service.plaintext_remote, service.send_proxy, service.accept_proxy, service.offload_requested,
              service.counters.begin()->first}) {
            CHECK(is_harmless(each));
        }
        const Event event = printable(Event{.kind = kHostile,
                                            .connection = kHostile,
                                            .child = kHostile,
                                            .peer = kHostile,
                                            .reason = kHostile,
                                            .sentence = kHostile});
        for (const std::string& each :
             {event.kind, event.connection, event.child, event.peer, event.reason, event.sentence}) {
            CHECK(is_harmless(each));
        }
        const Manager manager =
            printable(Manager{.version = kHostile, .features = {kHostile}, .ike_failure = kHostile});
        CHECK((is_harmless(manager.version) && is_harmless(manager.features.front()) &&
               is_harmless(manager.ike_failure)));
    }
}
