#include "ike/connection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "crypto/distinguished_name.hpp"
#include "ike/wire/message.hpp"

namespace keysluice::ike {
namespace {

/// Names of hosts are compared without regard to case (RFC 4343).
bool same_text(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, [](char x, char y) {
        return std::tolower(static_cast<unsigned char>(x)) == std::tolower(static_cast<unsigned char>(y));
    });
}

bool is_name(wire::IdType type) {
    return type == wire::IdType::fqdn || type == wire::IdType::email;
}

wire::Identity identity_of(wire::IdType type, Bytes data) {
    return {.type = type, .data = {data.begin(), data.end()}};
}

}  // namespace

Duration RetryPauses::after(Duration pause) const {
    if (pause == Duration::zero()) {
        return first;
    }
    switch (growth) {
        case Growth::exponential:
            return std::min(2 * pause, most);
        case Growth::linear:
            return std::min(pause + first, most);
    }
    std::unreachable();
}

std::size_t hash_of(const wire::Identity& identity) {
    if (identity.type == wire::IdType::dn) {
        return crypto::hash_of_name(identity.data);
    }
    std::string text(as_text(identity.data));
    if (is_name(identity.type)) {
        std::ranges::transform(text, text.begin(), [](unsigned char each) { return std::tolower(each); });
    }
    return std::hash<std::string>{}(text);
}

bool same(const wire::Identity& a, const wire::Identity& b) {
    if (a.type != b.type) {
        return false;
    }
    if (a.type == wire::IdType::dn) {
        return crypto::same_name(a.data, b.data);
    }
    return is_name(a.type) ? same_text(as_text(a.data), as_text(b.data)) : a.data == b.data;
}

Result<wire::Identity> parse_identity(std::string_view text) {
    constexpr std::string_view kKeyId = "keyid:";
    if (text.empty() || text.size() > 255) {
        return fail("identity-syntax", "an identity has 1 to 255 characters");
    }
    if (text.starts_with(kKeyId)) {
        return identity_of(wire::IdType::key_id, as_bytes(text.substr(kKeyId.size())));
    }
    if (const auto address = IpAddress::parse(text)) {
        return identity_of(address->family() == Family::ipv4 ? wire::IdType::ipv4 : wire::IdType::ipv6,
                           address->octets());
    }
    if (text.contains('=')) {
        auto name = crypto::parse_name(text);
        return name ? Result<wire::Identity>(identity_of(wire::IdType::dn, *name)) : pass_on(std::move(name));
    }
    if (!std::ranges::all_of(text, [](char each) { return each > ' ' && each < 0x7F; })) {
        return fail("identity-syntax",
                    fmt::format("'{}' is no identity: expected a host name, name@host, an address, "
                                "a distinguished name (CN=…) or keyid:TEXT",
                                text));
    }
    return identity_of(text.contains('@') ? wire::IdType::email : wire::IdType::fqdn, as_bytes(text));
}

Result<IdentityPattern> IdentityPattern::parse(std::string_view text) {
    IdentityPattern pattern;
    if (text == "*") {
        return pattern;
    }
    pattern.wildcard_ = text.starts_with('*');
    auto identity = parse_identity(pattern.wildcard_ ? text.substr(1) : text);
    if (!identity) {
        return pass_on(std::move(identity));
    }
    if (pattern.wildcard_ && !is_name(identity->type)) {
        return fail("identity-syntax",
                    fmt::format("'{}' is no pattern: '*' stands before a domain, as in \"*.example\" "
                                "or \"*@example\"",
                                text));
    }
    pattern.identity_ = *std::move(identity);
    return pattern;
}

bool IdentityPattern::matches(const wire::Identity& identity) const {
    if (!identity_) {
        return true;
    }
    if (!wildcard_) {
        return same(*identity_, identity);
    }
    const std::string_view ending = as_text(identity_->data);
    const std::string_view whole = as_text(identity.data);
    return identity.type == identity_->type && whole.size() > ending.size() &&
           same_text(whole.substr(whole.size() - ending.size()), ending);
}

std::string IdentityPattern::text() const {
    return !identity_ ? "anyone" : wildcard_ ? fmt::format("*{}", as_text(identity_->data)) : wire::print(*identity_);
}

void SharedKeys::set(wire::Identity peer, SharedKey key) {
    const std::size_t hash = hash_of(peer);
    const auto [first, last] = by_peer_.equal_range(hash);
    if (std::none_of(first, last, [&](const auto& each) { return same(each.second.first, peer); })) {
        by_peer_.emplace(hash, std::pair(std::move(peer), std::move(key)));
    }
}

const SharedKey* SharedKeys::find(const wire::Identity& peer) const {
    const auto [first, last] = by_peer_.equal_range(hash_of(peer));
    const auto found = std::find_if(first, last, [&](const auto& each) { return same(each.second.first, peer); });
    if (found != last) {
        return &found->second.second;
    }
    return for_all_.empty() ? nullptr : &for_all_;
}

const ChildRule* Connection::child(std::string_view wanted) const {
    const auto found = std::ranges::find_if(children, [&](const ChildRule& each) { return each.name == wanted; });
    return found == children.end() ? nullptr : &*found;
}

}  // namespace keysluice::ike
