#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/control/front_desk.hpp"
#include "dbus/compat.hpp"

namespace keysluice::bus {

// What callers send, checked. All of these fail with "bad-request".

struct Options {
    bool interactive = false;
    std::string child;  ///< empty: not given
};
/// `with_child`: the method knows this option.
[[nodiscard]] Result<Options> read_options(const Dictionary& given, bool with_child);

[[nodiscard]] Result<control::SaFilter> read_filter(const Dictionary& given);

/// The SPI to go on after; zero for the first page.
[[nodiscard]] Result<ike::IkeSpi> read_cursor(const std::string& cursor);
[[nodiscard]] std::string write_cursor(const std::optional<ike::IkeSpi>& next);

}  // namespace keysluice::bus
