#include "daemon/control/policy_table.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "policy/priorities.hpp"
#include "tests/support/fake_databases.hpp"
#include "tests/support/policy_texts.hpp"

using namespace keysluice;
using namespace keysluice::control;
using namespace keysluice::test;
using namespace std::chrono_literals;

namespace {

/// A kernel that counts nothing, and says what it was given.
class NoCounts final : public DiscardCounts {
   public:
    explicit NoCounts(std::size_t& loaded) : loaded_(loaded) {}
    policy::Discards discards() override { return policy::Discards::blocked; }
    Result<void> load(std::span<const policy::Policy> rules) override {
        loaded_ = rules.size();
        return {};
    }
    Result<void> remove() override {
        loaded_ = 0;
        return {};
    }
    Result<std::vector<std::uint64_t>> counts() override { return std::vector<std::uint64_t>(loaded_, 7); }

   private:
    std::size_t& loaded_;
};

/// A host with its files, which vanish with it, and a kernel that remembers.
class Host {
   public:
    Host() {
        std::string name = "/tmp/policies.XXXXXX";
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        folder = name;
        std::filesystem::create_directories(folder / "policies.d");
        std::filesystem::create_directories(folder / "keys.d");
        ::chmod((folder / "keys.d").c_str(), 0700);
        write("keysluice.toml", "");
        key("BNAAHKEY", "hmac-sha1", 20);
        key("PRODUCTIONKEY", "aes-128", 16);
        key("DRSYSTEMKEY", "aes-256", 32);
        restart();
    }
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;
    ~Host() { std::filesystem::remove_all(folder); }

    void write(const std::string& file, const std::string& text) const { std::ofstream(folder / file) << text; }
    void policies(const std::string& text) const { write("policies.d/p.toml", text); }
    void key(const std::string& name, const std::string& kind, std::size_t octets, char digit = '1') const {
        const auto file = folder / "keys.d" / (name + ".key");
        std::ofstream(file) << "keysluice-key 1 " << kind << "\n" << std::string(2 * octets, digit) << "\n";
        ::chmod(file.c_str(), 0600);
    }
    /// This set is committed, and holds.
    void enforce(const std::string& text) {
        policies(text);
        REQUIRE(table->commit(databases, {}));
        REQUIRE(table->enforce(databases, true));
    }
    /// Another process takes over.
    void restart() {
        table.emplace(
            PolicyTable::Places{folder / "keysluice.toml", {}, folder / "state"}, [this] { return clock; },
            [this] { return addresses; },
            [](const IpAddress& remote) {
                return IpAddress::parse(remote.family() == Family::ipv4 ? "10.0.0.1" : "fd00::1");
            },
            std::make_unique<NoCounts>(counted));
        REQUIRE(table->start(databases));
    }
    [[nodiscard]] bool holds() { return table->verify(databases)->contains("\"holds\": true"); }

    std::filesystem::path folder;
    std::uint64_t clock = 1'000;
    std::size_t counted = 0;
    std::set<IpAddress> addresses{*IpAddress::parse("10.0.0.1"), *IpAddress::parse("fd00::1"),
                                  *IpAddress::parse("::1")};
    FakeDatabases::Tables kernel;
    FakeDatabases databases{kernel};
    std::optional<PolicyTable> table;
};

std::string reason(const PolicyTable::Answer& answer) {
    REQUIRE_FALSE(answer);
    const auto* const wrong = std::get_if<Diagnostics>(&answer.error());
    return std::string(wrong == nullptr ? std::get<Error>(answer.error()).reason : wrong->front().reason);
}

const std::string kAll = "[[policy]]\nname = \"all\"\ndirection = \"both\"\ndisposition = \"bypass\"\n";
const std::string kNoDns =
    "[[policy]]\nname = \"nodns\"\ndirection = \"out\"\nprotocol = \"udp\"\nremote_ports = 53\ndisposition = "
    "\"discard\"\n";
const std::string kTooFine =
    "[[policy]]\nname = \"fine\"\ndirection = \"in\"\nprotocol = \"tcp\"\nlocal = \"10.0.0.1-10.0.255.254\"\n"
    "local_ports = \"1-65534\"\nremote_ports = \"1-65534\"\ndisposition = \"discard\"\n";

}  // namespace

TEST_SUITE_BEGIN("policies that hold");

TEST_CASE("nothing is in the kernel before a set is committed and enforced") {
    Host host;
    CHECK(reason(host.table->enforce(host.databases, true)) == "policies-one-sided");
    host.policies(kIcmpPasses + kNoDns + kAll);
    REQUIRE(host.table->commit(host.databases, {}));
    CHECK(host.kernel.policies.empty());
    REQUIRE(host.table->enforce(host.databases, true));
    CHECK(host.kernel.policies.size() == 10);  // 2 families: 4 for ICMPv6, 2 for DNS, 4 for the rest
    CHECK(host.holds());
    REQUIRE(host.table->enforce(host.databases, false));
    CHECK(host.kernel.policies.empty());
}

TEST_CASE("a set of one direction alone can be committed, and not be enforced") {
    Host host;
    host.policies("[policies]\nlockout = \"accepted\"\n" + kNoDns);
    REQUIRE(host.table->commit(host.databases, {}));
    CHECK(reason(host.table->enforce(host.databases, true)) == "policies-one-sided");
}

TEST_CASE("what was committed holds again after a restart, and what is edited does not") {
    Host host;
    host.enforce(kIcmpPasses + kAll);
    host.policies(kIcmpPasses + kNoDns + kAll);
    host.kernel.policies.clear();
    host.restart();
    CHECK(host.kernel.policies.size() == 8);
    CHECK(host.holds());
}

TEST_CASE("one changed policy touches its own entries alone") {
    Host host;
    host.enforce(kIcmpPasses + kNoDns + kAll);
    const auto before = host.kernel.policies;
    std::string changed = kNoDns;
    changed.replace(changed.find("53"), 2, "54");
    host.policies(kIcmpPasses + changed + kAll);
    const auto diff = host.table->diff(host.databases);
    REQUIRE(diff);
    const auto commit = host.table->commit(host.databases, {});
    REQUIRE(commit);
    CHECK(*diff == *commit);
    std::size_t same = 0;
    for (const auto& [id, policy] : host.kernel.policies) {
        const auto found = before.find(id);
        same += found != before.end() && found->second == policy ? 1U : 0U;
    }
    CHECK(same == before.size() - 2);
}

TEST_CASE("a commit that nobody confirms is taken back, also by a process that comes later") {
    Host host;
    host.enforce(kIcmpPasses + kAll);
    CHECK(reason(host.table->confirm()) == "nothing-to-confirm");
    host.policies(kIcmpPasses + kNoDns + kAll);
    REQUIRE(host.table->commit(host.databases, 60s));
    CHECK(host.table->returns_at() == std::optional<std::uint64_t>(1'060));
    host.restart();
    CHECK(host.table->returns_at() == std::optional<std::uint64_t>(1'060));
    CHECK(host.kernel.policies.size() == 10);
    CHECK_FALSE(host.table->give_back(host.databases)->has_value());  // it is too early
    CHECK(host.kernel.policies.size() == 10);
    host.clock = 1'060;
    CHECK(host.table->give_back(host.databases)->has_value());
    CHECK(host.kernel.policies.size() == 8);
    CHECK_FALSE(host.table->returns_at());
    CHECK_FALSE(host.table->give_back(host.databases)->has_value());
    REQUIRE(host.table->commit(host.databases, 60s));
    REQUIRE(host.table->confirm());
    host.restart();
    CHECK_FALSE(host.table->returns_at());
    CHECK(host.kernel.policies.size() == 10);
}

TEST_CASE("what can't be taken back is tried again later") {
    Host host;
    host.enforce(kIcmpPasses + kAll);
    host.policies(kIcmpPasses + kNoDns + kAll);
    REQUIRE(host.table->commit(host.databases, 60s));
    host.clock = 1'060;
    host.kernel.refuse = [](const xfrm::Transaction&) -> Result<void> { return fail("netlink-refused", "no"); };
    CHECK_FALSE(host.table->give_back(host.databases));
    CHECK(host.table->returns_at() == std::optional<std::uint64_t>(1'090));
    host.kernel.refuse = {};
    host.clock = 1'090;
    CHECK(host.table->give_back(host.databases)->has_value());
    CHECK(host.kernel.policies.size() == 8);
}

TEST_CASE("policies that were switched off stay off, whatever is taken back") {
    Host host;
    host.enforce(kIcmpPasses + kAll);
    host.policies(kIcmpPasses + kNoDns + kAll);
    REQUIRE(host.table->commit(host.databases, 60s));
    REQUIRE(host.table->enforce(host.databases, false));
    host.clock = 1'060;
    CHECK(host.table->give_back(host.databases)->has_value());
    CHECK(host.kernel.policies.empty());
    REQUIRE(host.table->enforce(host.databases, true));
    CHECK(host.kernel.policies.size() == 8);
}

TEST_CASE("a kill in the middle of a commit does not confirm the one before") {
    Host host;
    host.enforce(kIcmpPasses + kAll);
    host.policies(kIcmpPasses + kNoDns + kAll);
    REQUIRE(host.table->commit(host.databases, 60s));
    bool waits = false;
    host.kernel.refuse = [&](const xfrm::Transaction&) -> Result<void> {
        waits = std::filesystem::exists(host.folder / "state" / "policies-before.toml");
        return {};
    };
    host.policies(kIcmpPasses + kAll);
    REQUIRE(host.table->commit(host.databases, {}));
    CHECK(waits);
    host.restart();
    CHECK_FALSE(host.table->returns_at());
}

TEST_CASE("a kernel that refuses leaves everything as it was") {
    Host host;
    host.enforce(kIcmpPasses + kAll);
    host.policies(kIcmpPasses + kNoDns + kAll);
    host.kernel.refuse = [](const xfrm::Transaction& transaction) -> Result<void> {
        return transaction.additions().empty() ? Result<void>() : fail("netlink-refused", "no");
    };
    CHECK(reason(host.table->commit(host.databases, {})) == "netlink-refused");
    host.kernel.refuse = {};
    CHECK(host.holds());
    host.restart();
    CHECK(host.kernel.policies.size() == 8);
}

TEST_CASE("what is wrong is not committed") {
    Host host;
    host.policies(kAll + "[policies]\ndefault = \"DENYALL\"\n" + kNoDns + "x = 1\n");
    CHECK(reason(host.table->commit(host.databases, {})) == "unknown-key");
    host.policies(kNoDns);
    CHECK(reason(host.table->commit(host.databases, {})) == "locked-out");
    std::filesystem::remove(host.folder / "keys.d" / "BNAAHKEY.key");
    host.policies(kSeedPolicies);
    CHECK(reason(host.table->diff(host.databases)) == "key-not-found");
    CHECK(reason(host.table->commit(host.databases, {})) == "key-not-found");
    host.key("BNAAHKEY", "aes-256", 32);
    CHECK(reason(host.table->commit(host.databases, {})) == "key-kind");
    host.policies(kIcmpPasses + kTooFine + kAll);
    CHECK(reason(host.table->commit(host.databases, {})) == "policy-too-fine");
    CHECK_FALSE(std::filesystem::exists(host.folder / "state"));
}

TEST_CASE("a key that has gone since the commit is told when it is to be enforced") {
    Host host;
    host.policies(kSeedPolicies);
    REQUIRE(host.table->commit(host.databases, {}));
    std::filesystem::remove(host.folder / "keys.d" / "BNAAHKEY.key");
    CHECK(reason(host.table->enforce(host.databases, true)) == "key-not-found");
    CHECK(host.kernel.policies.empty());
}

TEST_CASE("a key that is lost takes its own policy's SAs alone") {
    Host host;
    host.enforce(kSeedPolicies);
    const std::size_t policies = host.kernel.policies.size();
    std::filesystem::remove(host.folder / "keys.d" / "BNAAHKEY.key");

    const auto lost = host.table->follow(host.databases);
    REQUIRE(lost);
    CHECK(lost->size() == 2);  // of each direction
    CHECK(lost->front().reason == "key-not-found");
    CHECK(host.kernel.sas.size() == 4);  // what the kernel has nobody could give back

    host.kernel.policies.clear();  // the machine starts
    host.kernel.sas.clear();
    host.restart();
    CHECK(host.kernel.policies.size() == policies);
    CHECK(host.kernel.sas.size() == 2);
    CHECK(reason(host.table->verify(host.databases)) == "key-not-found");

    host.key("BNAAHKEY", "hmac-sha1", 20);
    REQUIRE(host.table->follow(host.databases));
    CHECK(host.kernel.sas.size() == 4);
    CHECK(host.holds());
}

TEST_CASE("another key under the same SPI is another SA, also for a process that comes later") {
    Host host;
    host.enforce(kSeedPolicies);
    const auto before = host.kernel.sas;
    host.key("OTHERKEY", "aes-128", 16, '2');
    std::string text = kSeedPolicies;
    text.replace(text.find("PRODUCTIONKEY"), 13, "OTHERKEY");
    host.policies(text);
    REQUIRE(host.table->commit(host.databases, {}));
    CHECK(host.holds());
    const auto changed = [&] {
        return std::ranges::count_if(
            host.kernel.sas, [&](const auto& each) { return before.at(each.first).reqid != each.second.reqid; });
    };
    CHECK(host.kernel.sas.size() == 4);
    CHECK(changed() == 1);

    host.kernel.sas = before;  // it was written down, and its process killed
    CHECK_FALSE(host.holds());
    host.restart();
    CHECK(changed() == 1);
    CHECK(host.holds());
}

TEST_CASE("manual SAs: one to send, one for each address, as they come and go") {
    Host host;
    host.enforce(kSeedPolicies);
    const auto has = [&](const char* destination, std::uint32_t spi, xfrm::Protocol protocol) {
        return host.kernel.sas.contains({*IpAddress::parse(destination), xfrm::Spi{spi}, protocol});
    };
    constexpr auto kThere = "fec0::2222:a00:bff:fe3a:127";
    CHECK(host.kernel.sas.size() == 4);
    CHECK(has(kThere, 2001, xfrm::Protocol::ah));
    CHECK(has("fd00::1", 2002, xfrm::Protocol::ah));
    CHECK(has(kThere, 24577, xfrm::Protocol::esp));
    CHECK(has("fd00::1", 24578, xfrm::Protocol::esp));
    host.addresses.insert(*IpAddress::parse("fd00::2"));
    host.addresses.erase(*IpAddress::parse("fd00::1"));
    REQUIRE(host.table->follow(host.databases));
    CHECK(host.kernel.sas.size() == 4);
    CHECK(has("fd00::2", 2002, xfrm::Protocol::ah));
    CHECK_FALSE(has("fd00::1", 2002, xfrm::Protocol::ah));
}

TEST_CASE("a key that is replaced gets into its SAs when somebody says so") {
    Host host;
    host.enforce(kSeedPolicies);
    host.key("DRSYSTEMKEY", "aes-256", 32, '2');
    const std::size_t before = host.kernel.transactions;
    CHECK(reason(host.table->renew(host.databases, "NOBODYS")) == "key-not-used");
    REQUIRE(host.table->renew(host.databases, "DRSYSTEMKEY"));
    CHECK(host.kernel.transactions == before + 2);  // out and in again
    CHECK(host.kernel.sas.size() == 4);
    CHECK(host.holds());
}

TEST_CASE("while two hosts change their keys, both are accepted, and an SA that stays is left alone") {
    Host host;
    const auto protect = [](const std::string& keys) {
        return kIcmpPasses + "[[policy]]\nname = \"p\"\ndirection = \"both\"\nremote = \"10.0.0.2\"\n" +
               "disposition = \"protect\"\nipsec = \"ah\"\nintegrity = \"hmac-sha1-96\"\n" + keys + kAll;
    };
    host.key("new", "hmac-sha1", 20, '3');
    const std::string before = "integrity_key = \"BNAAHKEY\"\nspi_in = 400\nspi_out = 300\n";
    host.enforce(protect(before));
    CHECK(host.kernel.sas.size() == 2);
    host.policies(protect(before + "also_spi = 401\nalso_integrity_key = \"new\"\n"));
    REQUIRE(host.table->commit(host.databases, {}));
    CHECK(host.kernel.sas.size() == 3);
    const std::size_t transactions = host.kernel.transactions;
    host.policies(protect("integrity_key = \"new\"\nspi_in = 401\nspi_out = 301\n"));
    REQUIRE(host.table->commit(host.databases, {}));
    CHECK(host.kernel.transactions == transactions + 1);  // nothing was made again
    CHECK(host.kernel.sas.size() == 4);                   // packets are on their way
    CHECK(host.holds());
    REQUIRE(host.table->follow(host.databases));
    CHECK(host.kernel.sas.size() == 2);
    CHECK(host.holds());
    CHECK(host.kernel.sas.contains({*IpAddress::parse("10.0.0.1"), xfrm::Spi{401}, xfrm::Protocol::ah}));
}

TEST_CASE("discards are counted while the set is enforced") {
    Host host;
    host.policies(kIcmpPasses + kNoDns + kAll);
    REQUIRE(host.table->commit(host.databases, {}));
    CHECK_FALSE(*host.table->count_discards());
    REQUIRE(host.table->enforce(host.databases, true));
    CHECK(*host.table->count_discards());
    CHECK(host.counted == 9);  // and the four for what none fits
    CHECK(host.table->show(host.databases, PolicyTable::Which::committed)->contains("\"discarded\": 7"));
    REQUIRE(host.table->enforce(host.databases, false));
    CHECK_FALSE(*host.table->count_discards());
    CHECK(host.counted == 0);
}

TEST_CASE("export on one host, import on the other") {
    Host here;
    Host there;
    here.policies(kSeedPolicies);
    REQUIRE(here.table->commit(here.databases, {}));
    const auto text = here.table->exported();
    REQUIRE(text);
    there.policies("");
    REQUIRE(there.table->import(*text, "production"));
    CHECK(reason(there.table->import(*text, "production")) == "file-exists");
    CHECK(reason(there.table->import(*text, "../x")) == "bad-name");
    there.addresses = {*IpAddress::parse("fec0::2222:a00:bff:fe3a:127")};
    REQUIRE(there.table->commit(there.databases, {}));
    REQUIRE(there.table->enforce(there.databases, true));
    CHECK(there.kernel.sas.size() == 4);
    CHECK(there.kernel.sas.contains({*IpAddress::parse("fd00::1"), xfrm::Spi{2002}, xfrm::Protocol::ah}));
    CHECK(there.kernel.sas.contains(
        {*IpAddress::parse("fec0::2222:a00:bff:fe3a:127"), xfrm::Spi{2001}, xfrm::Protocol::ah}));
}

TEST_CASE("edits are written where they read as policies, and the keys are listed by name") {
    Host host;
    host.policies(kIcmpPasses + kAll);
    REQUIRE(host.table->edit({.verb = PolicyEdit::Verb::remove, .name = "all"}));
    CHECK(host.table->show(host.databases, PolicyTable::Which::candidate)->contains("\"icmp\""));
    CHECK_FALSE(host.table->show(host.databases, PolicyTable::Which::candidate)->contains("\"all\""));
    CHECK(reason(host.table->edit(
              {.verb = PolicyEdit::Verb::modify, .name = "icmp", .values = {{"disposition", "maybe"}}})) ==
          "not-a-choice");
    CHECK(host.table->show(host.databases, PolicyTable::Which::candidate)->contains("bypass"));
    const auto keys = host.table->list_keys();
    REQUIRE(keys);
    CHECK(keys->contains("\"BNAAHKEY\""));
    CHECK_FALSE(keys->contains("1111"));
}

TEST_CASE("a child of IKE's has its policy's place while the list is enforced") {
    const std::string hq =
        "[[policy]]\nname = \"hq\"\ndirection = \"out\"\nremote = \"10.2.0.0/16\"\ndisposition = "
        "\"protect\"\nconnection = \"hq\"\nchild = \"net\"\n";
    Host host;
    const std::string connection =
        "[[ike.connection]]\nname = \"hq\"\nremote = \"198.51.100.7\"\nlocal_id = \"a\"\nremote_id = \"b\"\nauth = "
        "\"psk\"\npsk = \"file:" +
        (host.folder / "psk").string() +
        "\"\n[[ike.connection.child]]\nname = \"net\"\nremote_ts = [\"10.2.0.0/16\"]\n";
    host.write("psk", "open barley");
    ::chmod((host.folder / "psk").c_str(), 0600);
    host.write("keysluice.toml", connection);
    const xfrm::Selector selector{.source = *Prefix::parse("10.0.0.1"), .destination = *Prefix::parse("10.2.0.0/16")};
    const std::vector<ChildPolicy> children{
        {.child = {"hq", "net"},
         .policy = {.direction = xfrm::Direction::out,
                    .selector = selector,
                    .priority = xfrm::priority_of(selector, xfrm::Purpose::installed),
                    .templates = {{.reqid = {0x4b000001}}}}}};
    const xfrm::Policy& alone = children[0].policy;
    host.kernel.policies.emplace(alone.id(), alone);
    const auto where = [&]() -> std::optional<std::uint32_t> {
        std::optional<std::uint32_t> found;
        for (const auto& [id, policy] : host.kernel.policies) {
            if (!policy.templates.empty() && policy.templates[0].reqid == alone.templates[0].reqid) {
                CHECK_FALSE(found);
                found = policy.priority;
            }
        }
        return found;
    };

    host.policies(kIcmpPasses + hq + kAll);
    REQUIRE(host.table->commit(host.databases, {}, children));
    CHECK(where() == alone.priority);
    REQUIRE(host.table->enforce(host.databases, true, children));
    const auto first = where();
    REQUIRE(first);
    CHECK(*first > policy::kFirstPriority);
    CHECK(host.holds());

    host.policies(kIcmpPasses + kNoDns + kAll + hq);  // it moves to the end
    REQUIRE(host.table->commit(host.databases, {}, children));
    CHECK(where() > first);
    CHECK(host.holds());

    // Another process finds it, and leaves it where it is.
    const auto second = where();
    host.restart();
    CHECK(where() == second);
    CHECK(host.table->listed().place(children[0]).front().priority == second);
    CHECK(listed_children(host.folder / "state").place(children[0]).front().priority == second);

    host.policies(kIcmpPasses + kAll);  // without the child, its policies stand in front
    REQUIRE(host.table->commit(host.databases, {}, children));
    CHECK(where() == alone.priority);
    REQUIRE(host.table->enforce(host.databases, false, children));
    CHECK(host.kernel.policies.size() == 1);
}

TEST_CASE("what counted discards goes also where who released the policies was killed before") {
    Host host;
    host.enforce(kIcmpPasses + kAll);
    CHECK(host.table->count_discards() == true);
    CHECK(host.counted > 0);
    REQUIRE(host.table->enforce(host.databases, false));
    host.restart();
    CHECK(host.table->count_discards() == false);
    CHECK(host.counted == 0);
}

TEST_CASE("another program's policies stay, whatever their number") {
    Host host;
    const xfrm::Policy other{
        .selector = {.source = *Prefix::parse("10.0.0.1"), .destination = *Prefix::parse("10.9.0.0/16")},
        .priority = policy::kFirstPriority + 1};
    host.kernel.policies.emplace(other.id(), other);
    host.enforce(kIcmpPasses + kAll);
    CHECK(host.holds());
    REQUIRE(host.table->enforce(host.databases, false));
    CHECK(host.kernel.policies.size() == 1);
    CHECK(host.kernel.policies.contains(other.id()));
}

TEST_SUITE_END();
