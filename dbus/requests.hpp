#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/control/front_desk.hpp"
#include "dbus/compat.hpp"

namespace keysluice::bus {

// What callers send, checked. All of these fail with "bad-request".

struct Options {
    bool interactive = false;
    std::string child;                                   ///< empty: not given
    std::optional<bool> persist;                         ///< nothing: not given
    std::optional<std::chrono::seconds> confirm_within;  ///< nothing: not given
    control::GivenSecrets given;
    bool owned = false;
};
/// Beside "interactive", which option the method knows.
/// `updated`: persist and secrets; `added`: these and owned.
enum class Knows : std::uint8_t { no_other, child, updated, added, confirm_within };
[[nodiscard]] Result<Options> read_options(const Dictionary& given, Knows knows);

[[nodiscard]] Result<control::SaFilter> read_filter(const Dictionary& given);

[[nodiscard]] Result<control::TlsFilter> read_tls_filter(const Dictionary& given);

/// "candidate" or "committed".
[[nodiscard]] Result<control::PolicyTable::Which> read_which(const std::string& set);
/// What is to be edited, by the names of PolicyEdit::Verb: of `values`, "before" and "new_name" are about the edit
/// itself, and all others are keys of the policy.
[[nodiscard]] Result<control::PolicyEdit> read_edit(const std::string& verb, const std::string& name,
                                                    std::map<std::string, std::string> values);

/// The SPI or the id to go on after; zero for the first page.
[[nodiscard]] Result<std::uint64_t> read_cursor(const std::string& cursor);
template <typename Id>
[[nodiscard]] std::string write_cursor(const std::optional<Id>& next) {
    return next ? fmt::format("{:016x}", next->value) : "";
}

}  // namespace keysluice::bus
