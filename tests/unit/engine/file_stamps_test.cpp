#include "daemon/engine/file_stamps.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tests/support/processes.hpp"

using namespace keysluice;

namespace {

struct Fixture {
    test::RuntimeFolder folder;
    TlsService service{.name = "shop", .certificate = folder / "c", .private_key = folder / "k"};

    Fixture() {
        write("c", "a certificate");
        write("k", "a key");
    }
    void write(const std::string& name, const std::string& text) const { std::ofstream(folder / name) << text; }
    /// As if nobody had touched the files for long.
    [[nodiscard]] FileStamps settled() const {
        return {service, std::chrono::system_clock::now() + 2 * FileStamps::kSettled};
    }
};

}  // namespace

TEST_SUITE_BEGIN("file stamps");

TEST_CASE_FIXTURE(Fixture, "they are true as long as the files are the same") {
    const FileStamps stamps = settled();
    CHECK(stamps.still_true());
    SUBCASE("one is replaced") {
        write("new", "a certificate");
        std::filesystem::rename(folder / "new", folder / "c");
    }
    SUBCASE("one is written, with a time of before") {
        struct stat status{};
        REQUIRE(::stat((folder / "k").c_str(), &status) == 0);
        write("k", "A key");
        const std::array times{status.st_atim, status.st_mtim};
        REQUIRE(::utimensat(AT_FDCWD, (folder / "k").c_str(), times.data(), 0) == 0);
        write("k", "Another key");
    }
    SUBCASE("one is gone") {
        std::filesystem::remove(folder / "k");
    }
    CHECK_FALSE(stamps.still_true());
}

TEST_CASE_FIXTURE(Fixture, "further certificates and OCSP responses have stamps, too") {
    for (const std::string name : {"ocsp", "c2", "k2", "ocsp2"}) {
        CAPTURE(name);
        for (const std::string each : {"ocsp", "c2", "k2", "ocsp2"}) {
            write(each, "something");
        }
        service.ocsp = folder / "ocsp";
        service.certificates = {
            {.certificate = folder / "c2", .private_key = folder / "k2", .ocsp = folder / "ocsp2"}};
        const FileStamps stamps = settled();
        CHECK(stamps.still_true());
        write(name, "something else");
        CHECK_FALSE(stamps.still_true());
    }
}

TEST_CASE_FIXTURE(Fixture, "a link that leads elsewhere is another file") {
    std::filesystem::create_symlink("c", folder / "link");
    service.certificate = folder / "link";
    const FileStamps stamps = settled();
    CHECK(stamps.still_true());
    write("c2", "a certificate");
    std::filesystem::remove(folder / "link");
    std::filesystem::create_symlink("c2", folder / "link");
    CHECK_FALSE(stamps.still_true());
}

TEST_CASE_FIXTURE(Fixture, "of files that were just written, and of none, they say nothing") {
    CHECK_FALSE(FileStamps(service, std::chrono::system_clock::now()).still_true());
    CHECK_FALSE(FileStamps().still_true());
    service.ca = folder / "missing";
    CHECK_FALSE(settled().still_true());
}

TEST_SUITE_END();
