#include "daemon/control/secret_reference.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/shared/secret_path.hpp"

namespace keysluice::control {
namespace {

constexpr std::string_view kFilePrefix = "file:";
constexpr std::string_view kDirectoryPrefix = "directory:";
constexpr std::string_view kOptionPrefix = "option:";
constexpr std::size_t kLongestCredentialName = 255;

/// systemd.exec(5): a credential's name is a file name of ASCII characters.
bool is_credential_name(std::string_view name) {
    return !name.empty() && name != "." && name != ".." && name.size() <= kLongestCredentialName &&
           std::ranges::all_of(name, [](char c) { return c > ' ' && c <= '~' && c != '/'; });
}

/// What is wrong with it, or `into` is filled.
struct Fault {
    std::string_view reason;
    std::string sentence;
};

std::optional<Fault> read_path(std::string_view path, std::string_view prefix, std::string_view example,
                               SecretReference& into) {
    if (path_fault(path)) {
        return Fault{"bad-key-reference",
                     fmt::format("expected an absolute path behind \"{0}\", as in \"{0}{1}\"", prefix, example)};
    }
    into.path = path;
    into.kind = prefix == kDirectoryPrefix ? SecretReference::Kind::directory : SecretReference::Kind::file;
    return {};
}

std::optional<Fault> read_credential(std::string_view name, const SecretKey& key, std::string_view credentials,
                                     SecretReference& into) {
    if (!is_credential_name(name)) {
        return Fault{"bad-key-reference", "expected the name of a systemd credential behind \"credential:\""};
    }
    if (key.engines) {
        into.path = fmt::format("{}{}", kCredentialPrefix, name);
        into.kind = SecretReference::Kind::file;
        return {};
    }
    if (credentials.empty()) {
        return Fault{"no-credentials",
                     "this process was given no credentials: start it as a systemd service with LoadCredential=, or "
                     "write \"file:/PATH\""};
    }
    into.path = fmt::format("{}/{}", credentials, name);
    into.kind = SecretReference::Kind::file;
    return {};
}

std::string alternatives_of(const SecretKey& key) {
    return key.directory ? "\"file:/PATH\", \"credential:NAME\" or \"directory:/PATH\""
                         : "\"file:/PATH\" or \"credential:NAME\"";
}

std::optional<Fault> read_reference(std::string_view text, const SecretKey& key, std::string_view credentials,
                                    SecretReference& into) {
    if (text.starts_with(kFilePrefix)) {
        return read_path(text.substr(kFilePrefix.size()), kFilePrefix, key.example, into);
    }
    if (text.starts_with(kCredentialPrefix)) {
        return read_credential(text.substr(kCredentialPrefix.size()), key, credentials, into);
    }
    if (key.directory && text.starts_with(kDirectoryPrefix)) {
        return read_path(text.substr(kDirectoryPrefix.size()), kDirectoryPrefix, "/etc/keysluice/keys.d", into);
    }
    if (key.option && text.starts_with(kOptionPrefix) && text.substr(kOptionPrefix.size()) == key.key) {
        into.kind = SecretReference::Kind::option;
        return {};
    }
    return Fault{"bad-key-reference",
                 fmt::format("expected {} (what stands there is not repeated here, it could be the key itself)",
                             alternatives_of(key))};
}

}  // namespace

void read_secret_reference(Section& section, const SecretKey& key, std::string_view credentials,
                           SecretReference& into) {
    const std::string* const text = section.text(key.key, fmt::format("a string with {}", alternatives_of(key)));
    if (text == nullptr) {
        return;
    }
    into.where = section.position(key.key);
    if (const auto fault = read_reference(*text, key, credentials, into)) {
        section.report(into.where, fault->reason, fmt::format("{}: {}", key.key, fault->sentence));
    }
}

}  // namespace keysluice::control
