#include "daemon/control/serve_options.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>

#include "daemon/control/configuration.hpp"
#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::control;

namespace {

TlsService service_of(const ServeOptions& options) {
    const auto read = parse_configuration(configuration_text(options), "f", "/credentials");
    REQUIRE_MESSAGE(read, (read ? "" : to_string(read.error().front())));
    REQUIRE(read->services.size() == 1);
    CHECK(read->daemon.bus == "none");
    CHECK(read->daemon.runtime_directory == options.runtime_directory);
    return read->services.front();
}

}  // namespace

TEST_SUITE("control: serve options") {
    TEST_CASE("a port alone is enough, as stunnel has it") {
        const TlsService service = service_of(
            {.ends = {"443", "8080"}, .certificate = "/c", .private_key = "/k", .runtime_directory = "/run/x"});
        CHECK(service.mode == Mode::server);
        CHECK(service.listen ==
              std::vector{parse_endpoint("0.0.0.0:443").value(), parse_endpoint("[::]:443").value()});
        CHECK(service.connect == std::vector{parse_endpoint("127.0.0.1:8080").value()});
        CHECK(service.certificate == "/c");
        CHECK(service.private_key == "/k");
    }

    TEST_CASE("everything else is the configuration's") {
        const TlsService service = service_of({.ends = {"2345", "shop.example:443"},
                                               .mode = "client",
                                               .certificate = "here.pem",
                                               .private_key = "credential:key",
                                               .ca = "/ca",
                                               .client_certificate = "",
                                               .server_name = "shop.example",
                                               .runtime_directory = "/run/x"});
        CHECK(service.mode == Mode::client);
        CHECK(service.listen ==
              std::vector{parse_endpoint("127.0.0.1:2345").value(), parse_endpoint("[::1]:2345").value()});
        CHECK(service.connect == std::vector{parse_endpoint("shop.example:443").value()});
        CHECK(service.certificate == std::filesystem::absolute("here.pem").string());
        CHECK(service.private_key == "credential:key");
        CHECK(service.ca == "/ca");
        CHECK(service.server_name == "shop.example");
    }

    TEST_CASE("what a path holds stays a path") {
        const TlsService service = service_of({.ends = {"unix:/a\"b\\c", "unix:/d"},
                                               .certificate = "/x\"\nca = \"/y",
                                               .private_key = "file:/k",
                                               .client_certificate = "none",
                                               .runtime_directory = "/run/\"x"});
        CHECK(service.listen == std::vector{parse_endpoint("unix:/a\"b\\c").value()});
        CHECK(service.certificate == "/x\"\nca = \"/y");
        CHECK(service.ca == "");
    }

    TEST_CASE("it is written where only this user gets in") {
        const test::RuntimeFolder folder;
        const auto file = write_configuration(
            {.ends = {"443", "8080"}, .certificate = "/c", .private_key = "/k", .runtime_directory = folder / "run"});
        REQUIRE(file);
        CHECK(*file == folder / "run/keysluice.toml");
        CHECK(std::filesystem::status(folder / "run").permissions() == std::filesystem::perms::owner_all);
        CHECK(read_configuration(*file, ""));
        const auto refused = write_configuration({.ends = {"443", "8080"}, .runtime_directory = folder / "no/where"});
        REQUIRE_FALSE(refused);
        CHECK(refused.error().reason == "file-unwritable");
    }

    TEST_CASE("whoever is not root needs XDG_RUNTIME_DIR") {
        if (geteuid() == 0) {
            REQUIRE(seteuid(65534) == 0);
        }
        unsetenv("XDG_RUNTIME_DIR");
        const auto refused = write_configuration({.ends = {"443", "8080"}});
        REQUIRE(seteuid(getuid()) == 0);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().reason == "no-runtime-directory");
    }
}
