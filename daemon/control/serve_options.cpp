#include "daemon/control/serve_options.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <utility>

#include "daemon/control/text_file.hpp"

namespace keysluice::control {

namespace {

/// The longest that leaves room for the names of sockets: their paths have 108 octets.
constexpr std::size_t kLongestDirectoryName = 64;

bool is_port(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char each) { return each >= '0' && each <= '9'; });
}

/// A basic string of TOML 1.0.
std::string in_toml(std::string_view text) {
    std::string quoted = "\"";
    for (const char each : text) {
        const auto octet = static_cast<unsigned char>(each);
        if (each == '"' || each == '\\') {
            quoted += fmt::format("\\{}", each);
        } else if (octet < 0x20 || octet == 0x7f) {
            quoted += fmt::format("\\u{:04x}", octet);
        } else {
            quoted += each;
        }
    }
    return quoted + "\"";
}

std::vector<std::string> listen_addresses(const ServeOptions& options) {
    const std::string& end = options.ends.at(0);
    if (!is_port(end)) {
        return {end};
    }
    return options.mode == "client" ? std::vector{"127.0.0.1:" + end, "[::1]:" + end}
                                    : std::vector{"0.0.0.0:" + end, "[::]:" + end};
}

std::string list(const std::vector<std::string>& texts) {
    std::vector<std::string> quoted;
    quoted.reserve(texts.size());
    std::ranges::transform(texts, std::back_inserter(quoted), in_toml);
    return fmt::format("[{}]", fmt::join(quoted, ", "));
}

std::string absolute(const std::string& path) {
    return path.empty() ? path : std::filesystem::absolute(path).string();
}

std::string key_reference(const std::string& key) {
    const bool refers = key.empty() || key.starts_with("file:") || key.starts_with("credential:");
    return refers ? key : "file:" + absolute(key);
}

Result<std::string> directory_of(const ServeOptions& options) {
    const char* own = std::getenv("XDG_RUNTIME_DIR");
    if (geteuid() != 0 && (own == nullptr || *own != '/')) {
        return fail("no-runtime-directory",
                    "--serve needs a directory for its sockets: set XDG_RUNTIME_DIR, or say --runtime-directory DIR");
    }
    std::string name = "keysluice-serve-" + options.ends.at(0);
    std::ranges::replace_if(name, [](char each) { return each == '/' || each == ':'; }, '-');
    name.resize(std::min(name.size(), kLongestDirectoryName));
    return fmt::format("{}/{}", geteuid() == 0 ? "/run" : own, name);
}

}  // namespace

std::string configuration_text(const ServeOptions& options) {
    const std::string& target = options.ends.at(1);
    std::string text = fmt::format(
        "# Written by keysluiced --serve.\n[daemon]\nruntime_directory = {}\nbus = \"none\"\n\n[[tls.service]]\n"
        "name = \"serve\"\nmode = {}\nlisten = {}\nconnect = [{}]\n",
        in_toml(options.runtime_directory), in_toml(options.mode), list(listen_addresses(options)),
        in_toml(is_port(target) ? "127.0.0.1:" + target : target));
    const std::initializer_list<std::pair<std::string_view, std::string>> others{
        {"certificate", absolute(options.certificate)},
        {"private_key", key_reference(options.private_key)},
        {"ca", absolute(options.ca)},
        {"client_certificate", options.client_certificate},
        {"server_name", options.server_name}};
    for (const auto& [key, value] : others) {
        if (!value.empty()) {
            text += fmt::format("{} = {}\n", key, in_toml(value));
        }
    }
    return text;
}

Result<std::string> write_configuration(ServeOptions options) {
    if (options.runtime_directory.empty()) {
        auto directory = directory_of(options);
        if (!directory) {
            return directory;
        }
        options.runtime_directory = *std::move(directory);
    }
    options.runtime_directory = absolute(options.runtime_directory);
    if (::mkdir(options.runtime_directory.c_str(), 0700) != 0 && errno != EEXIST) {
        return std::unexpected(unwritable(options.runtime_directory, "making it"));
    }
    std::string file = options.runtime_directory + "/keysluice.toml";
    if (auto written = write_text_file(file, configuration_text(options)); !written) {
        return pass_on(std::move(written));
    }
    return file;
}

}  // namespace keysluice::control
