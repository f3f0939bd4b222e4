#include "cli/policy/verbs.hpp"

#include <doctest/doctest.h>

#include "cli/command_line.hpp"
#include "cli/policy/text.hpp"

using namespace keysluice;
using namespace keysluice::cli;

namespace {

Result<PolicyCall> called(std::vector<std::string> words) {
    words.insert(words.begin(), "policy");
    const auto line = read_command_line(words);
    return line ? policy::call_of(*line) : std::unexpected(line.error());
}

std::string refused(const std::vector<std::string>& words) {
    const auto call = called(words);
    REQUIRE_FALSE(call);
    return call.error().sentence;
}

}  // namespace

TEST_SUITE_BEGIN("cli: policy");

TEST_CASE("which set a verb is about") {
    CHECK(called({"show"})->set == "committed");
    CHECK(called({"show", "--candidate"})->set == "candidate");
    CHECK(called({"test", "--direction=in"})->set == "candidate");
    CHECK(called({"test", "--direction=in", "--committed"})->set == "committed");
    CHECK(refused({"test", "--candidate", "--committed"}) == "--candidate and --committed exclude each other");
}

TEST_CASE("a question") {
    const auto call = called({"test", "--direction", "in", "--local-address=::1", "--remote-port", "1-19"});
    REQUIRE(call);
    CHECK(call->values ==
          std::map<std::string, std::string>{{"direction", "in"}, {"local_address", "::1"}, {"remote_port", "1-19"}});
}

TEST_CASE("edits") {
    const auto add = called({"add", "web", "direction=in", "local_ports=80,443", "--before=all"});
    REQUIRE(add);
    CHECK(add->verb == "add");
    CHECK(add->name == "web");
    CHECK(add->values ==
          std::map<std::string, std::string>{{"before", "all"}, {"direction", "in"}, {"local_ports", "80,443"}});
    CHECK(called({"clone", "web", "mail"})->values.at("new_name") == "mail");
    CHECK(refused({"add", "web", "direction"}).contains("expected KEY=VALUE"));
    CHECK(refused({"add", "web"}) == "keysluice policy add wants NAME and KEY=VALUE…");
    CHECK(refused({"clone", "web"}) == "keysluice policy clone wants NAME and a new name");
    CHECK(refused({"delete", "web", "mail"}).contains("does not know what to do with \"mail\""));
}

TEST_CASE("options of other verbs, and verbs that are none") {
    CHECK(refused({"commit", "--before=x"}) == "keysluice policy commit takes no --before");
    CHECK(refused({"comit"}).contains("did you mean \"commit\"?"));
    CHECK(called({"commit", "--confirm-within=5min"})->confirm_within == 300);
    CHECK(refused({"commit", "--confirm-within=60"}).contains("at least one second"));
    CHECK(refused({"commit", "--confirm-within=10ms"}).contains("at least one second"));
}

TEST_CASE("a document that is none") {
    CHECK(policy::text_of({.method = PolicyCall::Method::show}, "{").error().reason == "call-failed");
    CHECK(policy::text_of({.method = PolicyCall::Method::show}, "{}").error().reason == "call-failed");
    CHECK(policy::text_of({.method = PolicyCall::Method::exported}, "# TOML\n").value() == "# TOML\n");
    CHECK_FALSE(policy::holds("{"));
    CHECK(policy::holds("{\"holds\": true}"));
}

TEST_SUITE_END();
