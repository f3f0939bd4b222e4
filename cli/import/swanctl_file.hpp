#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "cli/import/source.hpp"

namespace keysluice::importer {

/// `key = value` of strongSwan's settings.
struct Setting {
    std::string key;
    std::string_view raw;  ///< between its quotes, if it has some
    bool quoted = false;
    Place place;

    /// The value, for what is not secret.
    [[nodiscard]] std::string value() const;
    /// For comments; `secret` leaves the value out.
    [[nodiscard]] std::string shown(bool secret = false) const;
};

/// `name { … }`
struct Node {
    std::string name;
    Place place;
    std::vector<Setting> settings;
    std::deque<Node> sections;

    [[nodiscard]] const Setting* setting(std::string_view key) const;
    [[nodiscard]] const Node* section(std::string_view key) const;
};

/// The whole file, with what it includes and what sections take over from others (`name : other { … }`).
[[nodiscard]] Result<Node> read_swanctl(const SourcePtr& source, Inclusion& inclusion);

}  // namespace keysluice::importer
