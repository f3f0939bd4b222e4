#include "daemon/control/named_keys.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <tuple>
#include <utility>

#include "daemon/control/key_folder.hpp"
#include "daemon/control/private_file.hpp"

namespace keysluice::control {
namespace {

constexpr std::string_view kEnding = ".key";

/// With the name of the key in front of what is wrong with it.
std::unexpected<Error> of_key(const std::string& name, const Error& error) {
    return fail(error.reason, fmt::format("key {}: {}", name, error.sentence));
}

std::unexpected<Error> not_found(const std::string& name, const std::filesystem::path& folder) {
    return fail("key-not-found", fmt::format("there is no key {} in {}", name, folder.native()));
}

bool is_there(const std::filesystem::path& path) {
    struct stat status{};
    return ::lstat(path.c_str(), &status) == 0;
}

}  // namespace

std::filesystem::path NamedKeys::file_of(const std::string& name) const {
    return folder_ / fmt::format("{}{}", name, kEnding);
}

std::filesystem::path NamedKeys::credential_of(const std::string& name) const {
    return std::filesystem::path(credentials_) / fmt::format("{}{}", name, kEnding);
}

bool NamedKeys::is_credential(const std::string& name) const {
    return !credentials_.empty() && is_there(credential_of(name));
}

Result<SecretBuffer> NamedKeys::content_of(const std::string& name) const {
    const std::filesystem::path file = file_of(name);
    if (is_credential(name)) {
        if (is_there(file)) {
            return fail("key-ambiguous",
                        fmt::format("it is a credential of this service and the file {}, too: remove "
                                    "one of them",
                                    file.native()));
        }
        // An access control list, which systemd may use to let the service read it, shows as rights of the group.
        return read_private_file(credential_of(name), 0007);
    }
    const auto folder = KeyFolder::open(folder_);
    if (!folder) {
        return std::unexpected(folder.error());
    }
    return folder->read(file.filename());
}

Result<NamedKey> NamedKeys::read(const std::string& name) const {
    if (auto good = check_key_name(name); !good) {
        return pass_on(std::move(good));
    }
    const auto content = content_of(name);
    if (!content) {
        return content.error().reason == "key-not-found" ? not_found(name, folder_) : of_key(name, content.error());
    }
    auto key = parse_named_key(name, *content);
    if (!key) {
        return of_key(name, key.error());
    }
    return key;
}

Result<void> NamedKeys::find(const std::filesystem::path& folder, Place place, std::vector<Listed>& found) const {
    std::error_code error;
    for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
        const std::string file = entry->path().filename();
        if (file.ends_with(kEnding) && !file.starts_with('.')) {
            found.push_back({.name = file.substr(0, file.size() - kEnding.size()), .place = place});
        }
    }
    if (error && error != std::errc::no_such_file_or_directory) {
        return fail("key-unreadable", fmt::format("{}: {}", folder.native(), error.message()));
    }
    return {};
}

void NamedKeys::look_at(Listed& listed) const {
    const auto key = read(listed.name);
    if (!key) {
        listed.wrong = key.error();
        return;
    }
    listed.kind = key->kind;
    listed.fingerprint = fingerprint(*key);
}

Result<std::vector<NamedKeys::Listed>> NamedKeys::list() const {
    std::vector<Listed> all;
    auto found = find(folder_, Place::file, all);
    if (found && !credentials_.empty()) {
        found = find(credentials_, Place::credential, all);
    }
    if (!found) {
        return pass_on(std::move(found));
    }
    std::ranges::sort(all, {}, [](const Listed& each) { return std::tie(each.name, each.place); });
    for (Listed& each : all) {
        look_at(each);
    }
    std::erase_if(all, [](const Listed& each) {
        return each.place == Place::credential && each.wrong.reason == "key-malformed";
    });
    return all;
}

Result<void> NamedKeys::keep(const NamedKey& key, bool replace) const {
    // A key's name and ".old" is a name, too.
    constexpr std::size_t kLongestToKeep = 60;
    if (auto good = check_key_name(key.name); !good) {
        return good;
    }
    if (key.name.size() > kLongestToKeep || key.name.ends_with(old_name(""))) {
        return fail("bad-name",
                    fmt::format("{} can't be the name of a new key: expected at most {} characters, and not "
                                "\".old\" at the end, as a key is called that has been replaced",
                                key.name, kLongestToKeep));
    }
    if (auto made = KeyFolder::make(folder_); !made) {
        return made;
    }
    auto folder = KeyFolder::open_to_write(folder_);
    if (!folder) {
        return pass_on(std::move(folder));
    }
    const std::filesystem::path file = file_of(key.name);
    if (is_credential(key.name) || (!replace && is_there(file))) {
        return fail("key-exists",
                    fmt::format("there is a key {} already: replace or delete it, or choose another name", key.name));
    }
    if (is_there(file)) {
        if (auto kept = folder->keep_as(file.filename(), file_of(old_name(key.name)).filename()); !kept) {
            return kept;
        }
    }
    return folder->write(file.filename(), write_named_key(key));
}

Result<void> NamedKeys::remove(const std::string& name) const {
    if (auto good = check_key_name(name); !good) {
        return good;
    }
    auto folder = KeyFolder::open_to_write(folder_);
    const std::filesystem::path file = file_of(name);
    if (folder ? !is_there(file) : folder.error().reason == "key-not-found") {
        return not_found(name, folder_);
    }
    return folder ? folder->remove(file.filename()) : pass_on(std::move(folder));
}

}  // namespace keysluice::control
