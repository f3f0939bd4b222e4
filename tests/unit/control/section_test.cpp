#include "daemon/control/section.hpp"

#include <doctest/doctest.h>

using namespace keysluice::control;
using namespace std::chrono_literals;

TEST_CASE("durations") {
    CHECK(parse_duration("500ms") == 500ms);
    CHECK(parse_duration("10s") == 10s);
    CHECK(parse_duration("5min") == 5min);
    CHECK(parse_duration("168h") == 168h);
    CHECK(parse_duration("0s") == 0ms);
    CHECK(parse_duration("4294967295h") == 4294967295h);
    for (const char* text :
         {"", "s", "10", "10 s", "1.5s", "-1s", "+1s", "1m", "1S", "1sec", "4294967296ms", "1h30min", " 1s", "1s "}) {
        CAPTURE(text);
        CHECK_FALSE(parse_duration(text));
    }
}

TEST_CASE("paths") {
    CHECK_FALSE(path_fault("/"));
    CHECK_FALSE(path_fault("/" + std::string(4094, 'x')));
    CHECK(path_fault("") == "expected an absolute path, as in \"/etc/keysluice/shop.pem\"");
    CHECK(path_fault("./x"));
    CHECK(path_fault("/" + std::string(4095, 'x')) == "expected a path of at most 4095 bytes, got 4096");
    CHECK(path_fault(std::string_view("/\0", 2)) == "a path can't contain a zero byte");
}

TEST_CASE("a member that can't be read keeps its value") {
    const auto document = parse_toml("engines = 9\nca = 1\nlisten = 2\ntime = \"x\"\nkind = \"c\"", "f").value();
    Diagnostics diagnostics;
    Section section(document, {"f", 1, 1}, "[x]", diagnostics);
    std::uint32_t engines = 7;
    std::string ca = "/kept";
    std::vector<keysluice::Endpoint> listen;
    std::vector<Position> places;
    std::chrono::milliseconds time = 3s;
    int kind = 1;
    const std::array<std::string_view, 2> names{"a", "b"};
    section.integer("engines", 0, 8, engines);
    section.path("ca", ca);
    section.endpoints("listen", listen, places);
    section.duration("time", {1ms, 1h}, time);
    section.choice("kind", names, kind);
    section.refuse_the_rest();
    CHECK(diagnostics.size() == 5);
    CHECK(engines == 7);
    CHECK(ca == "/kept");
    CHECK(listen.empty());
    CHECK(places.empty());
    CHECK(time == 3s);
    CHECK(kind == 1);
    CHECK(section.position("ca") == Position{"f", 2, 6});
    CHECK(section.position("none") == Position{"f", 1, 1});
}
