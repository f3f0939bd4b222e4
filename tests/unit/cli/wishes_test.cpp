#include <doctest/doctest.h>

#include "tests/support/fake_service.hpp"

using namespace keysluice;
using namespace keysluice::cli;

namespace {

struct OneSa : FakeService {
    OneSa() {
        failure = {"not-found", "there is no connection or group \"x\""};
        sas = {{.spi = 0xabc,
                .peer_spi = 0xdef,
                .connection = "hq",
                .state = "established",
                .children = {{.name = "net", .spi_in = 0x11, .spi_out = 0x22}}}};
    }
};

}  // namespace

TEST_SUITE("cli: wishes") {
    TEST_CASE("by name, with their options") {
        FakeService service;
        CHECK(perform(service, {"up", "hq", "--child", "net", "--interactive"})->text.starts_with("hq: 2 coming up"));
        CHECK(perform(service, {"down", "hq", "--json"})->text == "{\"version\":1,\"closed\":2}\n");
        CHECK(perform(service, {"rekey", "--child=net", "hq"})->text == "hq: 2 IKE SAs being rekeyed\n");
        CHECK(perform(service, {"reauth", "hq"})->text.starts_with("hq: 2 IKE SAs being authenticated anew"));
        CHECK(perform(service, {"reload", "--json"})->text == "{\"version\":1,\"connections\":2}\n");
        CHECK(service.told == std::vector<std::string>{"up hq child net interactive", "down hq", "rekey hq child net",
                                                       "reauthenticate hq", "reload"});
    }

    TEST_CASE("by SPI, where nothing has that name") {
        OneSa service;
        CHECK(perform(service, {"down", "0000000000000abc"})->text == "0000000000000abc: 1 session closing\n");
        CHECK(perform(service, {"down", "0x0000000000000def"}));
        CHECK(perform(service, {"rekey", "0000000000000abc", "--child", "net"}));
        CHECK(perform(service, {"rekey", "00000022"}));
        CHECK(perform(service, {"reauth", "00000022"}));
        CHECK(service.told == std::vector<std::string>{"down 2748", "down 2748", "rekey 2748 child net",
                                                       "rekey 2748 child net", "reauthenticate 2748"});
    }

    TEST_CASE("a TLS session by its id") {
        FakeService service;
        CHECK(perform(service, {"down", "sk:1f", "--interactive"})->text == "sk:1f: closing\n");
        CHECK(service.told == std::vector<std::string>{"close 31 interactive"});
    }

    TEST_CASE("what fails stays as the service has said it") {
        OneSa service;
        CHECK(perform(service, {"down", "0000000000000001"}).error().sentence == service.failure.sentence);
        CHECK(perform(service, {"rekey", "x"}).error().reason == "not-found");
        CHECK(perform(service, {"down", "00000011"}).error().reason == "bad-argument");
        service.failure = {"not-permitted", "no"};
        CHECK(perform(service, {"down", "0000000000000abc"}).error().reason == "not-permitted");
        CHECK(perform(service, {"up", "hq"}).error().reason == "not-permitted");
        CHECK(service.told.empty());
    }
}
