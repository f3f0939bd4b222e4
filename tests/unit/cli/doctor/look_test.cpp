#include "cli/doctor/look.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include "tests/support/certificates.hpp"

using namespace keysluice;
using namespace keysluice::doctor;
namespace fs = std::filesystem;

TEST_SUITE("doctor looks") {
    TEST_CASE("at certificates: the first of a chain to end counts") {
        testing::CertificateFolder folder;
        const auto now = std::chrono::system_clock::now();
        const auto authority =
            folder.make({.subject = "authority", .authority = true, .until = std::chrono::hours(10)});
        const auto leaf = folder.make({.issuer = &authority, .until = std::chrono::hours(20)});
        const auto old = folder.make({.until = std::chrono::seconds(-1)});
        const auto chain = folder.write_chain({&leaf, &authority});
        const auto found = look_at_certificates({{"service a", chain, {}},
                                                 {"service b", old.certificate_file, {}},
                                                 {"service c", folder.path() / "missing", {}}},
                                                now);
        REQUIRE(found.size() == 3);
        CHECK_FALSE(found[0].error);
        CHECK(found[0].end > now + std::chrono::hours(9));
        CHECK(found[0].end < now + std::chrono::hours(11));
        REQUIRE(found[1].error);
        CHECK(found[1].error->reason == "certificate-expired");
        REQUIRE(found[2].error);
        CHECK(found[2].error->reason == "certificate-unreadable");
    }

    TEST_CASE("at secrets, not into them") {
        const testing::CertificateFolder folder;
        const auto look = [&](fs::perms mode, const char* user) {
            testing::CertificateFolder place;
            const auto file = place.write("secret", "x");
            fs::permissions(file, mode);
            return look_at_secrets({{"service a", file, user}}).front();
        };
        using fs::perms;
        const SecretFacts closed = look(perms::owner_read, "nobody");
        CHECK(closed.problem.empty());
        CHECK_FALSE(closed.by_all);
        CHECK_FALSE(closed.changeable);
        CHECK_FALSE(closed.by_user);
        CHECK(look(perms::owner_read, "root").by_user);
        CHECK(look(perms::owner_read, "no such user").by_user);
        CHECK(look(perms::owner_read | perms::others_read, "nobody").by_all);
        CHECK(look(perms::owner_read | perms::others_read, "nobody").by_user);
        CHECK(look(perms::owner_read | perms::group_write, "root").changeable);
        const auto missing = look_at_secrets({{"service a", folder.path() / "missing", "root"}});
        CHECK(missing.front().problem == "No such file or directory");
    }

    TEST_CASE("at devices and sysctls") {
        const auto devices = look_at_devices();
        const auto loopback = std::ranges::find(devices, true, &DeviceFacts::loopback);
        REQUIRE(loopback != devices.end());
        CHECK(loopback->name == "lo");
        CHECK(loopback->mtu > 1280);
        CHECK(loopback->esp == Feature::missing);
        CHECK(look_at_sysctls(devices).contains("net/ipv4/ip_forward"));
        CHECK(look_at_sysctls(devices).contains("net/ipv4/conf/lo/rp_filter"));
    }

    TEST_CASE("at the kernel") {
        const KernelFacts facts = look_at_kernel();
        CHECK_FALSE(facts.release.empty());
        CHECK(facts.ktls != facts.ktls_absent.has_value());
        CHECK(facts.esp_missing.has_value() == facts.administrator);
    }

    TEST_CASE("at a configuration that is wrong, and still at the host") {
        testing::CertificateFolder folder;
        const auto file = folder.write("wrong.toml", "[daemon]\nnonsense = 1\n");
        const Findings findings = examine(file);
        REQUIRE(findings.size() > 3);
        CHECK(findings.front().verdict == Verdict::wrong);
        CHECK(std::ranges::any_of(findings, [](const Finding& each) { return each.reason == "unknown-key"; }));
        CHECK(std::ranges::any_of(findings, [](const Finding& each) { return each.name == "kernel-tls"; }));
    }
}
