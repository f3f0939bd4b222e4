#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "base/result.hpp"
#include "daemon/control/configuration.hpp"
#include "daemon/control/diagnostic.hpp"

namespace keysluice::control {

/// What a program wants with a connection that is its own, instead of an author of configuration files.
struct ConnectionChange {
    enum class Verb : std::uint8_t { add, update, remove };
    Verb verb = Verb::add;
    std::string name;                  ///< of `update` and `remove`
    std::string text;                  ///< of `add` and `update`: TOML with one [[ike.connection]]
    std::optional<bool> persist = {};  ///< in a file of its own; not given: as it was, and of `add`, no
    GivenSecrets given = {};           ///< the text's "option:psk" and its kind; null: as it was
    std::string owner =
        {};  ///< of `add`: who has it, as Manager calls its callers; empty: nobody. Not with `persist`

    static constexpr std::size_t kLongestText = 64U << 10U;
    static constexpr std::size_t kMostOfOneRun = 4096;
};

/// Why something did not come about: the configuration, place by place, or something else.
using Refusal = std::variant<Diagnostics, Error>;

/// Connections that were added for this run only, by name.
struct AddedText {
    std::string text;
    GivenSecrets given = {};
    std::string owner = {};
    bool awaited = false;  ///< a process before this one had it: its owner has yet to add it here, with its secrets

    bool operator==(const AddedText&) const = default;
};
using AddedTexts = std::map<std::string, AddedText>;

/// How diagnostics call the text that a connection was added with.
[[nodiscard]] std::string added_title(std::string_view name);

/// What a change makes of all that was added. First the configuration is read with it; carry_out() follows where that
/// is good.
struct Proposal {
    std::string name;
    AddedTexts texts;                 ///< afterwards
    std::filesystem::path file;       ///< that keeps it where it persists
    std::optional<std::string> kept;  ///< what the file says afterwards; nothing: it goes

    [[nodiscard]] Overlay overlay() const;
};

/// Fails with diagnostics where the text is not one connection ("not-one-connection" beside those of
/// parse_configuration()) or one of that name was added already, but for one that is awaited from this owner, and
/// with "not-added" and "too-many-added". Reads no more of the configuration at `configuration` than whether such a
/// file is there.
[[nodiscard]] std::expected<Proposal, Refusal> propose(const AddedTexts& now,
                                                       const std::filesystem::path& configuration,
                                                       const ConnectionChange& change);

/// Writes or removes the file: it is there as a whole or not at all, whenever the machine stops. Blocks. Fails with
/// "file-unwritable", and then nothing has changed.
[[nodiscard]] Result<void> carry_out(const Proposal& proposal);

}  // namespace keysluice::control
