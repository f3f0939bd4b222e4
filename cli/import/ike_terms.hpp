#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cli/import/draft.hpp"
#include "cli/import/import.hpp"

/// What swanctl.conf and ipsec.conf have in common.
namespace keysluice::importer {

/// Proposals in strongSwan's keywords, as keysluice takes them.
struct Proposals {
    std::vector<std::string> good = {};
    std::set<std::string> weak = {};        ///< what allow_weak must have for them
    std::vector<std::string> refused = {};  ///< what is wrong with each of the others
};
enum class ProposalOf { ike, esp };
[[nodiscard]] Proposals read_proposals(const std::vector<std::string>& texts, ProposalOf of);

/// "30m", "1h", "90" (seconds), in seconds.
[[nodiscard]] std::optional<std::uint64_t> seconds_of(std::string_view text);
/// As a key of keysluice that takes 5 s to 7 days.
[[nodiscard]] std::optional<std::string> rekey_time_of(std::uint64_t seconds);
/// The same of reauth_time, 5 s to 365 days.
[[nodiscard]] std::optional<std::string> reauth_time_of(std::uint64_t seconds);

/// An identity in keysluice's spelling: without "@" and prefixes for types; "*" for %any.
[[nodiscard]] std::string identity_of(std::string_view text);

/// "10.1.0.0/16[tcp/443]" as "10.1.0.0/16/tcp/443"; nothing where keysluice can't say it.
[[nodiscard]] std::optional<std::string> selector_of(std::string_view text);
/// The same in pieces: a protocol by number or name, a port or nothing.
[[nodiscard]] std::optional<std::string> selector_of(std::string_view addresses, std::string_view protocol,
                                                     std::string_view port);

/// Both ends of a connection.
struct IkeEnds {
    std::string local = "any";
    std::string remote = "any";
    std::string local_id = {};
    std::string remote_id = {};
    bool local_certificate = false;
    bool remote_certificate = false;
    bool local_eap = false;   ///< by MSCHAPv2, and not by a certificate
    bool remote_eap = false;  ///< the same
    std::string eap_identity = {};
    std::string certificate = {};
    std::string private_key = {};
    std::string ca = {};

    [[nodiscard]] bool has_psk() const { return !local_certificate || !remote_certificate; }
};
void set_ends(Table& table, const IkeEnds& ends);

/// A pre-shared key where the source has it.
struct PreSharedKey {
    std::vector<std::string> ids;  ///< as identity_of() has them; none: everybody's
    std::string_view value;        ///< as it stands there, without quotes
    bool escapes = false;          ///< a backslash in it takes the next character
    Place place;
    bool used = false;
};

/// Finds the keys of connections, and makes files of them.
class KeyRing {
   public:
    KeyRing(Draft& draft, const Wishes& wishes) : draft_(draft), wishes_(wishes) {}

    void add(PreSharedKey key) { keys_.push_back(std::move(key)); }
    void add_password(PreSharedKey password) { passwords_.push_back(std::move(password)); }
    /// Names the key in the table. Without a folder for keys, or without a key, a comment says what to do.
    void set_psk(Table& table, const IkeEnds& ends, const std::string& name, const Remark& connection);
    /// The same for passwords: our own, or those of the peers, which are to be files of a folder.
    void set_passwords(Table& table, const IkeEnds& ends, const std::string& name, const Remark& connection);
    /// Comments on those that no connection has.
    [[nodiscard]] Table unused() const;

   private:
    PreSharedKey* find(const IkeEnds& ends);
    void set_key(Table& table, std::string_view key, PreSharedKey* found, const std::string& file,
                 std::string_view what, const Remark& connection);

    Draft& draft_;
    const Wishes& wishes_;
    std::vector<PreSharedKey> keys_;
    std::vector<PreSharedKey> passwords_;
};

/// A connection with its children, before anybody has looked whether it holds.
struct ConnectionDraft {
    std::string name;
    Table connection{"[[ike.connection]]"};
    std::vector<Table> children = {};
    std::vector<Remark> lines = {};  ///< all of its source, for the case that it is left out
    std::string left_out = {};       ///< why
    std::string beside = {};         ///< tables that it refers to

    void leave_out(const std::string& why) { left_out = left_out.empty() ? why : left_out; }
};

/// Adds it, or comments where it is left out.
void add_connection(Draft& draft, ConnectionDraft connection);

/// What a connection starts with: the strongest of its children's.
enum class Start { manual, on_traffic, on_load };
void set_start(Table& table, Start start);

}  // namespace keysluice::importer
