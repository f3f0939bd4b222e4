#include "daemon/control/delivery_reader.hpp"

#include <doctest/doctest.h>

#include <string>

#include "daemon/control/configuration.hpp"

using namespace keysluice;
using namespace keysluice::control;

namespace {

constexpr std::string_view kHandoff =
    "connect = [\"unix:/a\"]\ndeliver = \"handoff\"\napplication_users = [\"root\"]\n";

ConfigurationResult read(const std::string& keys, const std::string& listen = "\"0.0.0.0:443\"") {
    return parse_configuration(
        "[[tls.service]]\nname = \"a\"\ncertificate = \"/c\"\nprivate_key = \"file:/k\"\nlisten = [" + listen +
            "]\n" + keys,
        "f", {});
}

std::string reason(const std::string& keys, const std::string& listen = "\"0.0.0.0:443\"") {
    const auto result = read(keys, listen);
    if (result) {
        return "ok";
    }
    CHECK(result.error().size() == 1);
    return std::string(result.error().front().reason);
}

std::string handoff(const std::string& more) {
    return reason(std::string(kHandoff) + more);
}

}  // namespace

TEST_CASE("sockets are handed off to applications of users that this host knows") {
    const auto result = read(
        "connect = [\"unix:/a\", \"unix:/b\"]\ndeliver = \"handoff\"\n"
        "application_users = [\"root\", \"4711\"]\n");
    REQUIRE(result);
    CHECK(result->services[0].deliver == Deliver::handoff);
    CHECK(result->services[0].application_users == std::vector<std::string>{"0", "4711"});
    for (const char* user : {"\"nobody knows\"", "\"\"", "\"4294967295\"", "\"-1\""}) {
        CAPTURE(user);
        CHECK(reason("connect = [\"unix:/a\"]\ndeliver = \"handoff\"\napplication_users = [" + std::string(user) +
                     "]\n") != "ok");
    }
    const auto unknown =
        read("connect = [\"unix:/a\"]\ndeliver = \"handoff\"\napplication_users = [\"no one\", \"0\"]\n");
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().front().reason == "no-such-user");
    CHECK(reason("connect = [\"unix:/a\"]\ndeliver = \"handoff\"\n") == "key-missing");
}

TEST_CASE("what would have no effect beside a handoff is refused") {
    CHECK(handoff("") == "ok");
    CHECK(handoff("offload = \"require\"\n") == "ok");
    CHECK(handoff("offload = \"off\"\n") == "delivery-conflict");
    CHECK(handoff("rekey_after = \"1GiB\"\n") == "delivery-conflict");
    CHECK(handoff("send_proxy = \"v1\"\n") == "delivery-conflict");
    CHECK(handoff("accept_proxy = \"v1\"\n") == "ok");
    CHECK(reason("connect = [\"127.0.0.1:1\"]\ndeliver = \"handoff\"\napplication_users = [\"0\"]\n") ==
          "delivery-conflict");
    CHECK(reason("connect = [\"127.0.0.1:1\"]\napplication_users = [\"0\"]\n") == "delivery-conflict");
    CHECK(reason("connect = [\"submit:/a\"]\n") == "bad-endpoint");
}

TEST_CASE("a service may take sockets alone, or beside other connections") {
    constexpr const char* kUsers = "application_users = [\"0\"]\n";
    const std::string submit = "\"submit:/s\"";
    const std::string both = "\"submit:/s\", \"[::]:443\"";
    CHECK(reason(kUsers, submit) == "ok");
    CHECK(reason("", submit) == "key-missing");
    CHECK(reason(kUsers, both) == "key-missing");
    const std::string relayed = std::string(kUsers) + "connect = [\"127.0.0.1:1\"]\n";
    CHECK(reason(relayed, both) == "ok");
    CHECK(reason(relayed + "send_proxy = \"v2\"\n", both) == "ok");
    CHECK(reason(relayed + "send_proxy = \"v2\"\n", submit) == "delivery-conflict");
    CHECK(reason(relayed + "rekey_after = \"1h\"\n", both) == "delivery-conflict");
    CHECK(reason(relayed + "offload = \"off\"\n", both) == "delivery-conflict");
    const auto result = read(relayed, both);
    REQUIRE(result);
    CHECK_FALSE(only_submitted(result->services[0]));
    CHECK(only_submitted(read(kUsers, submit)->services[0]));
}

TEST_CASE("in client mode there is nothing to hand off") {
    const auto client = [](const std::string& more) {
        return parse_configuration(
            "[[tls.service]]\nname = \"a\"\nmode = \"client\"\nca = \"/a\"\nserver_name = \"h\"\n" + more, "f", {});
    };
    const auto off = client("listen = [\"0.0.0.0:80\"]\nconnect = [\"h:443\"]\ndeliver = \"handoff\"\n");
    REQUIRE_FALSE(off);
    CHECK(off.error().front().reason == "wrong-mode");
    const auto submit = client("listen = [\"submit:/s\"]\nconnect = [\"h:443\"]\n");
    REQUIRE_FALSE(submit);
    CHECK(submit.error().back().reason == "wrong-mode");
}
