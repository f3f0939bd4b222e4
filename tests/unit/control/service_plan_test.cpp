#include "daemon/control/service_plan.hpp"

#include <doctest/doctest.h>

using namespace keysluice;
using namespace keysluice::control;

namespace {

using Names = std::vector<std::string>;

ServiceEntry service(const std::string& name, std::initializer_list<std::uint16_t> ports,
                     const std::string& certificate = "/c") {
    ServiceEntry entry{.service = {.name = name, .certificate = certificate}, .source = {}};
    for (const std::uint16_t port : ports) {
        entry.service.listen.emplace_back(Ipv4Endpoint{{127, 0, 0, 1}, port});
    }
    return entry;
}

/// "name:port,port" for each, with a star where the certificate is another one than at first.
std::string shown(const std::vector<ServiceEntry>& entries) {
    std::string text;
    for (const ServiceEntry& entry : entries) {
        text += (text.empty() ? "" : " ") + entry.service.name + (entry.service.certificate == "/c" ? "" : "*");
        for (const Endpoint& endpoint : entry.service.listen) {
            text += ":" + std::to_string(std::get<Ipv4Endpoint>(endpoint).port);
        }
    }
    return text;
}

std::string shown(const std::vector<Endpoint>& endpoints) {
    ServiceEntry entry{.service = {.listen = endpoints, .certificate = "/c"}, .source = {}};
    return shown(std::vector{entry});
}

}  // namespace

TEST_SUITE_BEGIN("service plan");

TEST_CASE("added, changed, removed and in another order") {
    const std::vector now{service("a", {1}), service("b", {2}), service("c", {3})};
    const std::vector fresh{service("d", {4}), service("c", {3, 5}), service("a", {1})};
    const ServicePlan plan = plan_services(now, fresh, {});
    CHECK(shown(plan.serve) == "d:4 c:3:5 a:1");
    CHECK(plan.added == Names{"d"});
    CHECK(plan.changed == Names{"c"});
    CHECK(plan.removed == Names{"b"});
    CHECK(plan.held_back.empty());
    CHECK(shown(plan.opened) == ":4:5");
    CHECK(shown(plan.closed) == ":2");
}

TEST_CASE("the same again is nothing to do, but for what did not work") {
    const std::vector now{service("a", {1}), service("b", {2})};
    for (const std::set<std::string>& failed : {std::set<std::string>{}, {"a"}}) {
        const ServicePlan plan = plan_services(now, now, failed);
        CHECK(shown(plan.serve) == "a:1 b:2");
        CHECK(plan.added.empty());
        CHECK(plan.changed.empty());
        CHECK(plan.removed.empty());
        CHECK(plan.held_back.empty());
        CHECK(plan.opened.empty());
        CHECK(plan.closed.empty());
    }
}

TEST_CASE("what fails stays as it runs, if it does, and the others go on without it") {
    const std::vector now{service("a", {1}), service("b", {2})};
    const std::vector fresh{service("a", {1}, "/d"), service("b", {2}, "/d"), service("c", {3}), service("d", {4})};
    const ServicePlan plan = plan_services(now, fresh, {"a", "c"});
    CHECK(shown(plan.serve) == "a:1 b*:2 d:4");
    CHECK(plan.changed == Names{"b"});
    CHECK(plan.added == Names{"d"});
    CHECK(plan.held_back.empty());
}

TEST_CASE("an address moves from one service to another, or neither changes") {
    const std::vector now{service("a", {1}), service("b", {2})};
    const std::vector fresh{service("a", {3}), service("b", {1})};
    CHECK(shown(plan_services(now, fresh, {}).serve) == "a:3 b:1");
    // The heir fails: whoever gives the address away keeps it.
    ServicePlan plan = plan_services(now, fresh, {"b"});
    CHECK(shown(plan.serve) == "a:1 b:2");
    CHECK(plan.held_back == std::set<std::string>{"a"});
    // Whoever is to give it away fails: the heir does not get it.
    plan = plan_services(now, fresh, {"a"});
    CHECK(shown(plan.serve) == "a:1 b:2");
    CHECK(plan.held_back == std::set<std::string>{"b"});
    CHECK(plan.opened.empty());
    CHECK(plan.closed.empty());
}

TEST_CASE("a service that goes stays where its heir fails, and so on along the chain") {
    const std::vector now{service("a", {1}), service("b", {2}), service("c", {3})};
    const std::vector fresh{service("b", {1}), service("c", {2}), service("heir", {3}), service("d", {4})};
    const ServicePlan plan = plan_services(now, fresh, {"heir"});
    CHECK(shown(plan.serve) == "b:2 c:3 d:4 a:1");
    CHECK(plan.held_back == std::set<std::string>{"a", "b", "c"});
    CHECK(plan.removed.empty());
    CHECK(plan.added == Names{"d"});
}

TEST_CASE("names change and addresses stay: nothing is opened or closed") {
    const ServicePlan plan = plan_services({service("a", {1, 2})}, {service("b", {2}), service("c", {1})}, {});
    CHECK(plan.removed == Names{"a"});
    CHECK(plan.added == Names{"b", "c"});
    CHECK(plan.opened.empty());
    CHECK(plan.closed.empty());
}

TEST_CASE("services and their places come out of a configuration and go into it") {
    Configuration configuration;
    configuration.services = {{.name = "a"}, {.name = "b"}};
    configuration.sources = {{.section = {"f", 1, 1}, .certificate = {}, .private_key = {}, .ca = {}, .listen = {}},
                             {.section = {"f", 2, 1}, .certificate = {}, .private_key = {}, .ca = {}, .listen = {}}};
    auto entries = services_of(configuration);
    REQUIRE(entries.size() == 2);
    entries.erase(entries.begin());
    set_services(configuration, entries);
    REQUIRE(configuration.services.size() == 1);
    CHECK(configuration.services[0].name == "b");
    CHECK(configuration.sources[0].section.line == 2);
}

TEST_SUITE_END();
