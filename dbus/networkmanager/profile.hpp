#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/unique_fd.hpp"

namespace keysluice::networkmanager {

/// As long as a key or a password may be, and one byte more: a longer one is noticed, and not cut off.
using GivenSecret = Secret<257>;

/// Of vpn.secrets; empty: it is not there.
struct GivenSecrets {
    GivenSecret psk;
    GivenSecret password;
    UniqueFd private_key;  ///< of a private connection: a sealed memory file with what stands in the user's
};

/// What NetworkManager says of a connection, of which this service needs little.
struct Request {
    std::string uuid;
    std::string id;                           ///< its name, for people
    std::vector<std::string> users;           ///< connection.permissions: it is theirs; none: the machine's
    std::chrono::seconds timeout{0};          ///< vpn.timeout; 0: NetworkManager's own
    std::map<std::string, std::string> data;  ///< vpn.data
    GivenSecrets secrets;
    std::vector<std::string> other_secrets;  ///< names of what else vpn.secrets has
};

/// One connection for org.keysluice1.Manager.AddConnection.
struct Profile {
    std::string name;
    std::string toml;
    bool takes_psk = false;       ///< "option:psk"
    bool takes_password = false;  ///< "option:eap_password"
};

/// Whether NetworkManager has to find secrets first.
[[nodiscard]] bool lacks_secrets(const Request& request);

/// Of a private connection, after read_private_files(). Fails with "bad-vpn-data" and "vpn-secret-missing". That
/// values make sense is for keysluiced to say.
[[nodiscard]] Result<Profile> read_profile(const Request& request);

/// The same connection as a configuration file, without its secrets: it names files where they are to be. Fails with
/// "bad-vpn-data".
[[nodiscard]] Result<std::string> export_profile(const Request& request);

/// How many gateways there are to try.
[[nodiscard]] std::size_t gateways_of(const Request& request);

/// How long NetworkManager's patience lets this service try: so much less that it can still say why it failed.
[[nodiscard]] std::chrono::seconds patience_for(const Request& request);

}  // namespace keysluice::networkmanager
