#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "cli/import/import.hpp"

namespace keysluice::importer {

inline SourcePtr source_of(std::string path, std::string_view text) {
    auto source = std::make_shared<Source>();
    source->path = std::move(path);
    source->text.assign(text.begin(), text.end());
    return source;
}

/// A machine with some files. A pattern that ends with "*" means those that begin like that.
struct FakeSurroundings : Surroundings {
    std::map<std::string, std::string> there = {};
    std::string own = "192.0.2.1";

    Result<std::vector<SourcePtr>> files(const std::string& pattern) override {
        std::vector<SourcePtr> found;
        for (const auto& [path, text] : there) {
            const bool many = pattern.ends_with('*') && path.starts_with(pattern.substr(0, pattern.size() - 1));
            if (path == pattern || many || path.starts_with(pattern + "/")) {
                found.push_back(source_of(path, text));
            }
        }
        return found;
    }
    bool exists(const std::string& path) override { return there.contains(path); }
    std::optional<std::uint16_t> port(const std::string& service) override {
        return service == "https" ? std::optional<std::uint16_t>(443) : std::nullopt;
    }
    bool has_protocol(const std::string& name) override {
        return name == "tcp" || name == "udp" || name == "icmp" || name == "ipv6-icmp";
    }
    bool has_address(const std::string& address) override { return address == own; }
};

inline bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace keysluice::importer
