#include "daemon/control/policy_edits.hpp"

#include <doctest/doctest.h>

#include "daemon/control/policy_files.hpp"

using namespace keysluice;
using namespace keysluice::control;

namespace {

using Verb = PolicyEdit::Verb;

const std::string kFile =
    "# a file\n"
    "[daemon]\nengines = 1\n\n"
    "# about a\n[[policy]]\nname = \"a\"\nlocal = [\n  \"10.0.0.0/8\", # ours\n]\ndisposition = \"bypass\"\n\n"
    "[[policy]]\nname = \"b\"  # the second\ndirection = \"in\"\n";

/// The file afterwards, or the reason code.
std::string edited(const PolicyEdit& edit, const std::string& text = kFile) {
    const auto changed = edit_policies({{.file = "f", .text = text}}, edit, "f");
    return !changed ? std::string(changed.error().reason) : changed->empty() ? text : changed->front().text;
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
    const std::size_t at = text.find(what);
    REQUIRE(at != std::string::npos);
    return text.replace(at, what.size(), by);
}

}  // namespace

TEST_SUITE_BEGIN("edits of policies");

TEST_CASE("modify changes one key and leaves the rest as it is written") {
    CHECK(edited({.verb = Verb::modify, .name = "a", .values = {{"disposition", "discard"}}}) ==
          replaced(kFile, "\"bypass\"", "\"discard\""));
    CHECK(edited({.verb = Verb::modify, .name = "a", .values = {{"local", "::1,fe80::/10"}}}) ==
          replaced(kFile, "local = [\n  \"10.0.0.0/8\", # ours\n]\n", "local = [\"::1\", \"fe80::/10\"]\n"));
    CHECK(edited({.verb = Verb::modify, .name = "a", .values = {{"local", ""}}}) ==
          replaced(kFile, "local = [\n  \"10.0.0.0/8\", # ours\n]\n", ""));
    CHECK(edited({.verb = Verb::modify, .name = "a", .values = {{"protocol", "tcp"}}}) ==
          replaced(kFile, "disposition = \"bypass\"\n", "disposition = \"bypass\"\nprotocol = \"tcp\"\n"));
}

TEST_CASE("delete takes its comment with it") {
    CHECK(edited({.verb = Verb::remove, .name = "a"}) ==
          "# a file\n[daemon]\nengines = 1\n\n[[policy]]\nname = \"b\"  # the second\ndirection = \"in\"\n");
}

TEST_CASE("move and clone put it before another one, or to the end") {
    const std::string b = "[[policy]]\nname = \"b\"  # the second\ndirection = \"in\"\n";
    const std::string a = "# about a\n[[policy]]\nname = \"a\"";
    CHECK(edited({.verb = Verb::move, .name = "b", .before = "a"}) ==
          replaced(replaced(kFile, b, ""), a, b + "\n" + a));
    CHECK(edited({.verb = Verb::clone, .name = "b", .fresh_name = "c"}) ==
          kFile + "\n[[policy]]\nname = \"c\"\ndirection = \"in\"\n");
}

TEST_CASE("add goes to the end, or into a file that there was not") {
    const PolicyEdit add{.verb = Verb::add, .name = "c", .values = {{"remote_ports", "20,21"}, {"direction", "out"}}};
    const std::string fresh = "[[policy]]\nname = \"c\"\ndirection = \"out\"\nremote_ports = [\"20\", \"21\"]\n";
    CHECK(edited(add) == kFile + "\n" + fresh);
    const auto made = edit_policies({{.file = "f", .text = kFile}}, add, "g");
    REQUIRE(made);
    REQUIRE(made->size() == 1);
    CHECK(made->front().file == "g");
    CHECK(made->front().text == fresh);
}

TEST_CASE("names that are not there, or there already") {
    CHECK(edited({.verb = Verb::modify, .name = "x"}) == "policy-not-found");
    CHECK(edited({.verb = Verb::move, .name = "a", .before = "x"}) == "policy-not-found");
    CHECK(edited({.verb = Verb::add, .name = "a"}) == "duplicate-name");
    CHECK(edited({.verb = Verb::clone, .name = "a", .fresh_name = "b"}) == "duplicate-name");
    CHECK(edited({.verb = Verb::move, .name = "a", .before = "a"}) == "bad-request");
}

TEST_CASE("another host's policies are turned round") {
    const auto set = parse_policies(
        "[[host_group]]\nname = \"B\"\naddresses = [\"192.0.2.2\"]\n"
        "[[policy]]\nname = \"x\"\ndirection = \"both\"\nlocal = \"192.0.2.1\"\nremote = \"B\"\nprotocol = \"tcp\"\n"
        "remote_ports = [21]\ndisposition = \"protect\"\nipsec = \"ah\"\nspi_in = 300\nspi_out = 400\n"
        "integrity = \"hmac-sha1-96\"\nintegrity_key_in = \"i\"\nintegrity_key_out = \"o\"\n",
        "f");
    REQUIRE(set);
    std::string text;
    for (const TomlTable& each : turned(*set)) {
        write_table(text, "policy", each);
    }
    const auto theirs = parse_policies(text, "g");
    REQUIRE(theirs);
    const ListedPolicy& in = theirs->policies[0];
    CHECK(in.rule.local.front().first.text() == "192.0.2.2");
    CHECK(in.rule.remote.front().first.text() == "192.0.2.1");
    CHECK(in.rule.local_ports == std::vector<policy::PortRange>{{21, 21}});
    CHECK(std::get<ManualSa>(in.by).spi == xfrm::Spi{400});
    CHECK(std::get<ManualSa>(in.by).integrity->key == "o");
}

TEST_SUITE_END();
