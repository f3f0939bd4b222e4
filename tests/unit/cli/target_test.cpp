#include "cli/target.hpp"

#include <doctest/doctest.h>

#include "cli/completion.hpp"
#include "tests/support/fake_service.hpp"

using namespace keysluice;
using namespace keysluice::cli;

namespace {

struct Busy : FakeService {
    Busy() {
        configuration = {
            .connections = {{.name = "hq", .groups = {"branch"}, .start = "on-load", .children = {"net"}},
                            {.name = "shop", .start = "manual", .children = {"net", "voice"}}},
            .services = {{.name = "shop"}}};
        sas = {{.spi = 0xabc, .peer_spi = 0xdef, .connection = "hq", .state = "established"},
               {.spi = 0x123, .connection = "gone", .state = "closing"}};
    }
};

std::size_t count(const std::string& text, std::string_view part) {
    std::size_t found = 0;
    for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) {
        ++found;
    }
    return found;
}

}  // namespace

TEST_SUITE("cli: target") {
    TEST_CASE("SPIs as people write them") {
        CHECK(read_spi("0000000000000abc")->value == 0xabc);
        CHECK(!read_spi("0x0000000000000ABC")->of_child);
        CHECK(read_spi("c0000001")->of_child);
        for (const char* wrong : {"", "0x", "abc", "00000000", "0000000000000000", "g0000001", "0x0xc00001",
                                  "-0000001", "00000000000000abc"}) {
            CHECK(!read_spi(wrong));
        }
    }

    TEST_CASE("a name is that of all that have it; then a group, what is configured no longer, an SPI") {
        Busy service;
        const Target shop = *look_up(service, "shop");
        CHECK(shop.connections.size() == 1);
        CHECK(shop.services.front().counters.at("accepted") == 3);
        CHECK(look_up(service, "branch")->connections.front().name == "hq");
        CHECK(look_up(service, "gone")->sas.front().spi == 0x123);
        CHECK(look_up(service, "0000000000000def")->sas.front().spi == 0xabc);
        const auto nothing = look_up(service, "\x1b[2J");
        CHECK(nothing.error().reason == "not-found");
        CHECK(nothing.error().sentence.find('\x1b') == std::string::npos);
    }

    TEST_CASE("TLS sessions: their ids, and their places below their services") {
        CHECK(session_text(0x1f) == "sk:1f");
        CHECK(read_session("sk:1f") == 0x1f);
        for (const char* wrong :
             {"", "1f", "sk:", "sk:0", "sk:1g", "sk: 1", "sk:-1", "SK:1", "sk:10000000000000000"}) {
            CHECK(!read_session(wrong));
        }
        Busy service;
        service.sessions = {
            {.id = 2, .service = "shop", .version = "1.3", .offload = "none", .reason = "offload-off"},
            {.id = 3,
             .service = "shop",
             .version = "1.2",
             .suite = "AES-128-GCM",
             .offload = "software",
             .device = "eth0"}};
        const std::string text = perform(service, {"list", "shop"})->text;
        CHECK(text.find("  sk:2: TLS 1.3, carried by: an engine (offload-off)\n") != std::string::npos);
        CHECK(text.find("  sk:3: TLS 1.2, AES-128-GCM, carried by: software(eth0)\n") != std::string::npos);
        CHECK(perform(service, {"show", "sk:3"})->text.starts_with("  sk:3: "));
        CHECK(perform(service, {"show", "sk:4"}).error().reason == "not-found");
    }

    TEST_CASE("list and show are of what was named; status counts, and says what is wrong") {
        Busy service;
        CHECK(count(perform(service, {"list"})->text, "IKEv2") == 2);
        CHECK(count(perform(service, {"list", "hq"})->text, "IKEv2") == 1);
        CHECK(perform(service, {"list", "--tls"})->text.starts_with("shop: TLS"));
        CHECK(perform(service, {"list", "--ike"})->text.find("TLS") == std::string::npos);
        CHECK(perform(service, {"show", "hq"})->text.starts_with("connection hq: start on-load\n"));
        CHECK(perform(service, {"show", "shop"})->text.find("no IKE SA\nshop: TLS") != std::string::npos);
        CHECK(perform(service, {"status"})->text.find("wrong") == std::string::npos);
        CHECK(perform(service, {"status"})->text.find("1 of 2 IKE SAs established, 0 CHILD SAs") !=
              std::string::npos);

        service.answer.ike_failure = "the port\n is taken";
        service.sas.front().state = "closing";
        service.sas.back().children = {{.name = "net",
                                        .state = "installed",
                                        .offload_requested = "packet",
                                        .offload = "none",
                                        .offload_reason = "why"}};
        service.configuration.connections.back().refused = {{"voice", "kernel-lacks", "no ESP"}};
        const std::string text = perform(service, {"status"})->text;
        for (const char* wrong :
             {"wrong: IKE does not run: the port\\x0a is taken\n", "wrong: connection hq is to be up and is not",
              "wrong: connection shop, child voice: no ESP (kernel-lacks)\n",
              "wrong: gone, child net: offload packet was asked for, and it is sw (why)\n"}) {
            CAPTURE(std::string(wrong));
            CHECK(count(text, wrong) == 1);
        }
        CHECK(count(text, "wrong: ") == 4);
        const std::string document = perform(service, {"status", "--json"})->text;
        CHECK(document.find(
                  R"("offload":{"none":1},"tls_kernel":2,"tls_userspace":0,"tls_failed":{"handshake-timeout":1})") !=
              std::string::npos);
    }

    TEST_CASE("what the kernel has counted, where it is asked for; an IKE SA that has gone meanwhile is no failure") {
        Busy service;
        service.sas.front().children = {{.name = "net", .spi_in = 1}};
        CHECK(perform(service, {"list", "hq"})->text.find("bytes") == std::string::npos);
        const std::string text = perform(service, {"list", "--counters"})->text;
        CHECK(count(text, ",   1234 bytes,    12 packets\n") == 1);
        CHECK(count(text, "dropped: 0 outside the window, 0 replayed, 7 broken\n") == 1);
        CHECK(count(text, "IKEv2") == 2);
        CHECK(perform(service, {"show", "hq", "--json"})->text.find("\"counters\":{\"in\"") == std::string::npos);
        CHECK(perform(service, {"show", "hq", "--json", "--counters"})
                  ->text.find(R"("counters":{"in":{"packets":12,"bytes":1234,"age":null,"idle":null},"out":)") !=
              std::string::npos);
    }

    TEST_CASE("stats has every counter") {
        Busy service;
        const std::string text = perform(service, {"stats"})->text;
        CHECK(count(text, "failed:handshake-timeout                 1\n") == 1);
        CHECK(perform(service, {"stats", "--json"})->text.find(R"("counters":{"accepted":3,)") != std::string::npos);
    }

    TEST_CASE("words for shells") {
        Busy service;
        const auto words = [&service](const char* word) {
            return completion_words_of(word, service.configuration, service.sas);
        };
        using Words = std::vector<std::string>;
        CHECK(words("names") == Words{"branch", "hq", "shop"});
        CHECK(words("children") == Words{"net", "voice"});
        CHECK(words("targets") == Words{"0000000000000123", "0000000000000abc", "branch", "hq", "shop"});
        CHECK(perform(service, {"completion", "children"})->text == "net\nvoice\n");
        CHECK(perform(service, {"completion", "tcsh"}).error().reason == "bad-argument");
        for (const char* shell : {"bash", "zsh", "fish"}) {
            const std::string script = completion_script(shell);
            for (const Command& command : commands()) {
                CHECK(script.find(std::string(command.name)) != std::string::npos);
                for (const Option& option : command.options) {
                    CHECK(script.find(std::string(option.name)) != std::string::npos);
                    CHECK(option.help.find_first_of("'[]\\") ==
                          std::string_view::npos);  // they would need escapes there
                }
                CHECK(command.help.find_first_of("'[]\\:") == std::string_view::npos);
            }
        }
    }
}
