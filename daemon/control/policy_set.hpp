#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "daemon/control/diagnostic.hpp"
#include "daemon/control/toml_document.hpp"
#include "policy/tester.hpp"

namespace keysluice::control {

/// The spellings of the configuration stand in the order of the enumerators.
enum class Integrity : std::uint8_t { hmac_sha1_96, hmac_sha256_128, hmac_sha512_256 };
inline constexpr std::array<std::string_view, 3> kIntegrityNames{"hmac-sha1-96", "hmac-sha-256-128",
                                                                 "hmac-sha-512-256"};
enum class Confidentiality : std::uint8_t { aes_cbc, aes_gcm };
inline constexpr std::array<std::string_view, 2> kConfidentialityNames{"aes-cbc", "aes-gcm"};
inline constexpr std::array<std::string_view, 3> kPolicyDirectionNames{"in", "out", "both"};
inline constexpr std::array<std::string_view, 3> kDispositionNames{"bypass", "discard", "protect"};
inline constexpr std::array<std::string_view, 4> kOtherwiseNames{"IPv6Only", "BYPASS", "DENY", "DENYALL"};

/// An algorithm and the name of its key.
template <typename Algorithm>
struct Keyed {
    Algorithm algorithm;
    std::string key;
    Position where;  ///< of the key's name

    bool operator==(const Keyed& other) const { return algorithm == other.algorithm && key == other.key; }
};

/// The SPI of an SA, and its algorithms with their keys.
struct ManualKeys {
    xfrm::Spi spi;
    std::optional<Keyed<Integrity>> integrity;
    std::optional<Keyed<Confidentiality>> confidentiality;

    bool operator==(const ManualKeys&) const = default;
};

/// SAs whose keys people have agreed on: one that goes out, or one to each address of this host that comes in.
struct ManualSa : ManualKeys {
    /// What comes in may come with these, too: while two hosts change their keys.
    std::optional<ManualKeys> also;

    bool operator==(const ManualSa&) const = default;
};

/// A CHILD SA that IKE negotiates.
struct NegotiatedSa {
    std::string connection;
    std::string child;

    bool operator==(const NegotiatedSa&) const = default;
};

/// One policy in its place. A [[policy]] of both directions is two of them.
struct ListedPolicy {
    policy::Policy rule;
    /// Of `protect`.
    std::variant<std::monostate, ManualSa, NegotiatedSa> by;
    std::size_t table = 0;  ///< which [[policy]] of the set's it is
    Position where;
};

/// What the tester is asked, of one family or of both.
struct PolicyQuestion {
    std::vector<policy::Question> families;
};

/// A [[policy_test]]. Each piece of the answer has a disposition and, where it is said, a first match.
struct SavedTest {
    struct Expected {
        policy::Disposition disposition = policy::Disposition::bypass;
        std::string first;  ///< empty: any
    };
    std::string name;
    PolicyQuestion question;
    std::vector<Expected> expected;
    Position where;
};

/// What [[policy]], [[host_group]], [[policy_test]] and [policies] say, in their order. The tables are kept as they
/// are written, to be written again.
struct PolicySet {
    policy::Otherwise otherwise = policy::Otherwise::ipv6_only;
    bool lockout_accepted = false;
    std::vector<ListedPolicy> policies;
    std::vector<SavedTest> tests;

    TomlTable settings;
    std::vector<TomlTable> policy_tables;
    std::vector<TomlTable> group_tables;
    std::vector<TomlTable> test_tables;

    /// With those for packets that none of them fits: what the tester and the kernel go by.
    [[nodiscard]] std::vector<policy::Policy> rules() const;
};

}  // namespace keysluice::control
