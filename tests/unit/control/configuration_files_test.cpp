#include "daemon/control/configuration_files.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "daemon/control/configuration.hpp"

using namespace keysluice::control;

namespace {

/// A folder with a keysluice.toml and a conf.d, gone at the end.
class Folder {
   public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "keysluice-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
        std::filesystem::create_directory(path_ / "conf.d");
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { std::filesystem::remove_all(path_); }

    void write(const std::string& name, const std::string& text) const { std::ofstream(path_ / name) << text; }
    std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

    /// What read_configuration() says, with the folder's name left out.
    std::string said() const {
        const ConfigurationResult result = read_configuration(path_ / "keysluice.toml", {});
        if (result) {
            return "ok";
        }
        std::string lines;
        for (const Diagnostic& diagnostic : result.error()) {
            lines += (lines.empty() ? "" : "\n") + to_string(diagnostic);
        }
        const std::string prefix = path_.string() + "/";
        for (std::size_t at = lines.find(prefix); at != std::string::npos; at = lines.find(prefix)) {
            lines.erase(at, prefix.size());
        }
        return lines;
    }

   private:
    std::filesystem::path path_;
};

std::string service(const std::string& name, int port) {
    return "[[tls.service]]\nname = \"" + name + "\"\nlisten = [\"[::]:" + std::to_string(port) +
           "\"]\nconnect = [\"h:1\"]\ncertificate = \"/c\"\nprivate_key = \"file:/k\"\n";
}

}  // namespace

TEST_CASE("fragments are read behind the file, in their order") {
    const Folder folder;
    folder.write("keysluice.toml", service("main", 1));
    folder.write("conf.d/20-b.toml", service("b", 2) + "[daemon]\nengines = 3\n");
    folder.write("conf.d/10-a.toml", service("a", 3) + "[daemon]\nlog_level = \"debug\"\n");
    folder.write("conf.d/.hidden.toml", "x = 1");
    folder.write("conf.d/a.toml~", "x = 1");
    const ConfigurationResult result = read_configuration(folder / "keysluice.toml", {});
    REQUIRE(result);
    REQUIRE(result->services.size() == 3);
    CHECK(result->services[0].name == "main");
    CHECK(result->services[1].name == "a");
    CHECK(result->services[2].name == "b");
    CHECK(result->sources[2].section == Position{(folder / "conf.d/20-b.toml").string(), 1, 1});
    CHECK(result->daemon.engines == 3);
    CHECK(result->daemon.log_level == keysluice::LogLevel::debug);
}

TEST_CASE("what stands in two files is refused with both places") {
    const Folder folder;
    folder.write("keysluice.toml", "[daemon]\nengines = 2\n" + service("a", 1));
    folder.write("conf.d/x.toml", "[daemon]\nengines = 2\n" + service("a", 1));
    CHECK(folder.said() ==
          "conf.d/x.toml:2:1: \"engines\" in [daemon] is set already at keysluice.toml:2:1\n"
          "conf.d/x.toml:3:1: a service with the name \"a\" stands already at keysluice.toml:3:1\n"
          "conf.d/x.toml:5:11: listen: \"[::]:1\" stands already at keysluice.toml:5:11");
    CHECK(read_configuration(folder / "keysluice.toml", {}).error().front().reason == "duplicate-key");
}

TEST_CASE("a fault in one file leaves nothing, and hides no fault in another") {
    const Folder folder;
    folder.write("keysluice.toml", service("a", 1));
    CHECK(folder.said() == "ok");
    folder.write("conf.d/1.toml", "[[tls.service]\n");
    folder.write("conf.d/2.toml", "x = 1");
    const std::string lines = folder.said();
    CHECK(lines.starts_with("conf.d/1.toml:1:15: this is not TOML: "));
    CHECK(
        lines.ends_with("\nconf.d/2.toml:1:1: unknown key \"x\" in the file; known here: daemon, host_group, ike, "
                        "policies, policy, policy_test, tls"));
}

TEST_CASE("files that can't be read") {
    const Folder folder;
    CHECK(folder.said() == "keysluice.toml: cannot read this: No such file or directory");
    std::filesystem::create_directory(folder / "keysluice.toml");
    CHECK(folder.said() == "keysluice.toml: this is a directory: expected a file in TOML");
    CHECK(load_text(folder / "keysluice.toml").error().reason == "file-is-directory");
    CHECK(load_text("/dev/zero").error().reason == "file-too-large");
    CHECK(load_text(folder / "none").error().reason == "file-unreadable");
}

TEST_CASE("the largest file, and one byte more") {
    const Folder folder;
    std::string text = "#" + std::string(kLargestFile - 1, 'x');
    folder.write("keysluice.toml", text);
    CHECK(folder.said() == "ok");
    folder.write("keysluice.toml", text + "x");
    CHECK(folder.said() == "keysluice.toml: this is larger than 4 MiB: is it really a configuration?");
}

TEST_CASE("conf.d may be missing, but not be something else") {
    const Folder folder;
    folder.write("keysluice.toml", "");
    std::filesystem::remove(folder / "conf.d");
    CHECK(folder.said() == "ok");
    folder.write("conf.d", "");
    CHECK(folder.said() == "conf.d: cannot read this: Not a directory");
    std::filesystem::remove(folder / "conf.d");
    std::filesystem::create_directories(folder / "conf.d/x.toml");
    CHECK(folder.said() == "conf.d/x.toml: this is a directory: expected a file in TOML");
}
