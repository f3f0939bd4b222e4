#include "dbus/requests.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/unique_fd.hpp"

using namespace keysluice;
using namespace keysluice::bus;

namespace {

sdbus::Variant text(const char* value) {
    return sdbus::Variant{std::string(value)};
}

}  // namespace

TEST_SUITE("dbus: requests") {
    TEST_CASE("options") {
        const auto none = read_options({}, Knows::child);
        REQUIRE(none);
        CHECK(none->child.empty());
        CHECK_FALSE(none->interactive);
        const auto both = read_options({{"child", text("net")}, {"interactive", sdbus::Variant{true}}}, Knows::child);
        REQUIRE(both);
        CHECK(both->child == "net");
        CHECK(both->interactive);
        const auto persist = read_options({{"persist", sdbus::Variant{false}}}, Knows::updated);
        REQUIRE(persist);
        CHECK(persist->persist == false);
        CHECK(!persist->interactive);
        CHECK(read_options({{"persist", sdbus::Variant{true}}}, Knows::child).error().sentence ==
              "there is no option \"persist\": expected interactive, child");
        CHECK(read_options({{"child", text("net")}}, Knows::no_other).error().reason == "bad-request");
        CHECK(read_options({{"interactive", text("yes")}}, Knows::child).error().sentence ==
              "option interactive: expected a boolean (b)");
        CHECK(read_options({{"chld", text("net")}}, Knows::child).error().sentence ==
              "there is no option \"chld\": expected interactive, child");
    }

    TEST_CASE("a key comes in a memory file that nobody can change any more") {
        const auto given = [](const char* option, std::string_view key, int seals) {
            const UniqueFd file(memfd_create("psk", MFD_CLOEXEC | MFD_ALLOW_SEALING));
            REQUIRE(::write(file.get(), key.data(), key.size()) == static_cast<ssize_t>(key.size()));
            REQUIRE(fcntl(file.get(), F_ADD_SEALS, seals) == 0);
            return read_options({{option, sdbus::Variant{sdbus::UnixFd(file.get())}}}, Knows::added);
        };
        const auto psk_of = [&](std::string_view key, int seals) { return given("psk", key, seals); };
        constexpr int kSeals = F_SEAL_WRITE | F_SEAL_SHRINK;
        const auto options = psk_of("swordfish\n", kSeals);
        REQUIRE(options);
        CHECK(as_text(options->given.psk->expose()) == "swordfish\n");
        CHECK(as_text(given("eap_password", "sesame", kSeals)->given.eap_password->expose()) == "sesame");
        CHECK(psk_of(std::string(256, 'x'), kSeals));
        const auto file = given("private_key", std::string(65'536, 'x'), kSeals);
        REQUIRE(file);
        CHECK(*file->given.private_key);
        for (const auto& wrong : {given("private_key", std::string(65'537, 'x'), kSeals),
                                  given("private_key", "", kSeals), given("private_key", "x", F_SEAL_SHRINK)}) {
            CHECK(wrong.error().reason == "bad-request");
        }
        for (const std::size_t size : {0U, 257U, 5000U}) {
            CHECK(psk_of(std::string(size, 'x'), kSeals).error().reason == "bad-request");
        }
        CHECK(
            psk_of("swordfish", F_SEAL_WRITE).error().sentence ==
            "option psk: expected a memory file that is sealed against writing and shrinking, with a key of 1 to 256 "
            "bytes");
        const UniqueFd other(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
        const Dictionary no_memory{{"psk", sdbus::Variant{sdbus::UnixFd(other.get())}}};
        CHECK(read_options(no_memory, Knows::added).error().reason == "bad-request");
        CHECK(read_options({{"psk", text("swordfish")}}, Knows::updated).error().sentence ==
              "option psk: expected a memory file (h)");
    }

    TEST_CASE("what is added may have an owner, unless it persists") {
        CHECK(read_options({{"owned", sdbus::Variant{true}}}, Knows::added)->owned);
        CHECK(read_options({{"owned", sdbus::Variant{true}}}, Knows::updated).error().sentence ==
              "there is no option \"owned\": expected interactive, persist, psk, eap_password, private_key");
        const Dictionary both{{"owned", sdbus::Variant{true}}, {"persist", sdbus::Variant{true}}};
        CHECK(read_options(both, Knows::added).error().reason == "bad-request");
        CHECK(read_options({{"x", sdbus::Variant{true}}}, Knows::added).error().sentence ==
              "there is no option \"x\": expected interactive, persist, psk, eap_password, private_key, owned");
    }

    TEST_CASE("filters") {
        const auto filter = read_filter({{"group", text("branch")}, {"remote_id", text("gw2.example")}});
        REQUIRE(filter);
        CHECK_FALSE(filter->connection);
        CHECK(filter->group == "branch");
        CHECK(filter->remote_id == "gw2.example");
        CHECK(read_filter({{"connection", sdbus::Variant{std::uint32_t{7}}}}).error().reason == "bad-request");
        CHECK(read_filter({{"state", text("x")}}).error().reason == "bad-request");
    }

    TEST_CASE("a filter of TLS sessions") {
        const auto filter = read_tls_filter({{"service", text("shop")}});
        REQUIRE(filter);
        CHECK(filter->service == "shop");
        CHECK_FALSE(filter->group);
        CHECK(read_tls_filter({{"connection", text("x")}}).error().sentence.ends_with("expected service, group"));
    }

    TEST_CASE("a cursor is what was returned, and nothing else") {
        CHECK(read_cursor("") == 0);
        CHECK(write_cursor(std::optional<ike::IkeSpi>()).empty());
        const ike::IkeSpi spi{0x0123456789abcdef};
        CHECK(read_cursor(write_cursor(std::optional(spi))) == spi.value);
        for (const char* wrong :
             {"7", "0x23456789abcdef", "0123456789abcdeg", "0123456789abcdef0", "-123456789abcdef"}) {
            CAPTURE(wrong);
            CHECK(read_cursor(wrong).error().reason == "bad-request");
        }
    }
}
