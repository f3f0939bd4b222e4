#include "tls/group_policy.hpp"

#include <fmt/format.h>
#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <new>

#include "base/suggestion.hpp"

namespace keysluice::tls {

namespace {

struct Group {
    std::string_view name;
    std::string_view openssl_name;
    bool tls12;
};

/// Of TLS, what has the forward secrecy of ECDHE and no more cost than that; with the names that other programs use.
constexpr std::array kGroups{
    Group{"X25519MLKEM768", "X25519MLKEM768", false},
    Group{"SecP256r1MLKEM768", "SecP256r1MLKEM768", false},
    Group{"SecP384r1MLKEM1024", "SecP384r1MLKEM1024", false},
    Group{"X25519", "X25519", true},
    Group{"X448", "X448", true},
    Group{"P-256", "P-256", true},
    Group{"P-384", "P-384", true},
    Group{"P-521", "P-521", true},
    Group{"prime256v1", "P-256", true},
    Group{"secp256r1", "P-256", true},
    Group{"secp384r1", "P-384", true},
    Group{"secp521r1", "P-521", true},
};

bool take_groups(SSL_CTX* context, std::string list) {
    return SSL_CTX_ctrl(context, SSL_CTRL_SET_GROUPS_LIST, 0, list.data()) == 1;
}

struct Wish {
    std::string_view name;
    bool optional;
};

Wish wish_of(std::string_view text) {
    const bool optional = text.starts_with('?');
    return {text.substr(optional ? 1 : 0), optional};
}

/// What this OpenSSL has.
class Library {
   public:
    Library() : context_(SSL_CTX_new(TLS_method())) {
        if (!context_) {
            throw std::bad_alloc();
        }
    }

    [[nodiscard]] bool has(const Group& group) const {
        const bool taken = take_groups(context_.get(), std::string(group.openssl_name));
        ERR_clear_error();
        return taken;
    }

    [[nodiscard]] std::string description() const {
        std::string names;
        for (const Group& group : kGroups) {
            if (group.name == group.openssl_name && has(group)) {
                names += fmt::format("{}{}", names.empty() ? "" : ", ", group.name);
            }
        }
        return fmt::format("this machine's OpenSSL {} has {}", OpenSSL_version(OPENSSL_VERSION_STRING), names);
    }

   private:
    SslContextPtr context_;
};

/// The group, or nothing where it is optional and OpenSSL lacks it.
Result<const Group*> find(const Library& library, std::string_view text) {
    const auto [name, optional] = wish_of(text);
    const auto* const found = std::ranges::find(kGroups, name, &Group::name);
    if (found == kGroups.end()) {
        std::array<std::string_view, kGroups.size()> names;
        std::ranges::transform(kGroups, names.begin(), &Group::name);
        return fail("group-unknown",
                    fmt::format("\"{}\" is not the name of an elliptic curve for TLS or of its hybrid "
                                "with ML-KEM{}; {}",
                                name, did_you_mean(name, names), library.description()));
    }
    const Group& group = *found;
    if (library.has(group)) {
        return &group;
    }
    if (!optional) {
        return fail("group-unknown",
                    fmt::format("{0}, and lacks {1}{2}: write \"?{1}\" to have it left out where it is not there",
                                library.description(), name, group.tls12 ? "" : ", which came with OpenSSL 3.5"));
    }
    return nullptr;
}

}  // namespace

Result<void> check_group(std::string_view name) {
    if (auto found = find(Library(), name); !found) {
        return pass_on(std::move(found));
    }
    return {};
}

Result<std::vector<std::string>> usable_groups(const std::vector<std::string>& names, Version newest) {
    const Library library;
    std::vector<std::string> usable;
    for (const std::string& name : names) {
        const auto found = find(library, name);
        if (!found) {
            return std::unexpected(found.error());
        }
        const Group* const group = *found;
        if (group != nullptr && (group->tls12 || newest == Version::tls13) &&
            std::ranges::find(usable, group->openssl_name) == usable.end()) {
            usable.emplace_back(group->openssl_name);
        }
    }
    if (usable.empty()) {
        return fail("no-usable-group", fmt::format("none of the groups {} can be used with {}; {}",
                                                   fmt::join(names, ", "), name_of(newest), library.description()));
    }
    return usable;
}

Result<void> apply_groups(SSL_CTX* context, const Protocol& protocol) {
    if (protocol.groups.empty()) {
        return {};
    }
    const auto usable = usable_groups(protocol.groups, protocol.max_version);
    if (!usable) {
        return std::unexpected(usable.error());
    }
    if (!take_groups(context, fmt::format("{}", fmt::join(*usable, ":")))) {
        return fail("no-usable-group", fmt::format("OpenSSL does not take the groups {}: {}",
                                                   fmt::join(*usable, ", "), crypto::take_openssl_error()));
    }
    return {};
}

}  // namespace keysluice::tls
