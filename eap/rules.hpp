#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/secret.hpp"
#include "eap/packet.hpp"

namespace keysluice::eap {

/// UTF-8.
using Password = Secret<256>;

/// The key that a method makes (RFC 3748 section 7.10), which proves that both ends took part in it.
using Msk = Secret<64>;

/// Passwords by the names that users say in EAP, octet by octet.
using Users = std::map<std::string, Password, std::less<>>;

/// What one end brings along: `identity` and `password` where it proves itself, `users` where it asks for proof.
struct Rules {
    std::vector<Type> methods;  ///< the best first
    std::string identity;
    Password password;
    Users users;
};

/// Longest identity, whose length nothing else limits.
inline constexpr std::size_t kLongestIdentity = 253;

}  // namespace keysluice::eap
