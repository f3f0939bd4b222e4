#include "daemon/control/configuration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>
#include <tuple>
#include <utility>

#include "base/suggestion.hpp"
#include "daemon/control/configuration_files.hpp"
#include "daemon/control/ike_reader.hpp"
#include "daemon/control/interface_reader.hpp"
#include "daemon/control/policy_reader.hpp"
#include "daemon/control/pool_reader.hpp"
#include "daemon/control/section.hpp"
#include "daemon/control/service_reader.hpp"
#include "daemon/control/toml_document.hpp"
#include "daemon/shared/messages.hpp"
#include "daemon/shared/quoted.hpp"

namespace keysluice::control {
namespace {

/// Leaves room in a sockaddr_un for the names of our own sockets below the directory.
constexpr std::size_t kLongestRuntimeDirectory = 80;

/// Puts the files together, and checks what concerns more than one table.
class Assembly {
   public:
    explicit Assembly(std::string_view credentials) : credentials_(credentials) {}

    void add(std::string_view text, const std::string& file) {
        auto document = parse_toml(text, file);
        if (!document) {
            add(std::move(document).error());
            return;
        }
        const std::size_t before = diagnostics_.size();
        read_document(*document, Position{file, 1, 1});
        std::ranges::sort(std::span(diagnostics_).subspan(before), {}, [](const Diagnostic& diagnostic) {
            return std::tie(diagnostic.where, diagnostic.sentence);
        });
    }

    void add(Diagnostic diagnostic) { diagnostics_.push_back(std::move(diagnostic)); }

    /// Pre-shared keys that came with the texts.
    void give_keys(const Overlay& overlay);

    ConfigurationResult finish() && {
        settle_pools(configuration_.ike, diagnostics_);
        check_interfaces(configuration_.ike, diagnostics_);
        if (!diagnostics_.empty()) {
            return std::unexpected(std::move(diagnostics_));
        }
        return std::move(configuration_);
    }

   private:
    void read_document(const TomlTable& document, const Position& start);
    void read_daemon(const TomlTable& table, const Position& where);
    void read_runtime_directory(Section& section);
    void read_bus(Section& section);
    void read_tls(const TomlTable& table, const Position& where);
    void add_service(ServiceEntry entry);
    void read_ike(const TomlTable& table, const Position& where);
    void refuse_duplicates(const TomlTable& table, Section& section, std::string_view title);

    std::string_view credentials_;
    Configuration configuration_;
    Diagnostics diagnostics_;
    std::map<std::pair<std::string, std::string>, Position> keys_;  ///< by table
    std::map<std::string, Position, std::less<>> connections_;
    std::map<std::string, Position, std::less<>> names_;
    std::map<Endpoint, Position> listeners_;
};

void Assembly::read_document(const TomlTable& document, const Position& start) {
    Section section(document, start, "the file", diagnostics_);
    const auto table = [&](std::string_view key) -> const TomlTable* {
        const TomlValue* const value = section.value(key);
        const auto* const found = value == nullptr ? nullptr : std::get_if<TomlTable>(&value->content);
        if (value != nullptr && found == nullptr) {
            section.report(value->where, "wrong-type",
                           fmt::format("{}: expected a table, got {}", key, kind_of(*value)));
        }
        return found;
    };
    if (const TomlTable* const daemon = table("daemon")) {
        read_daemon(*daemon, section.position("daemon"));
    }
    if (const TomlTable* const tls = table("tls")) {
        read_tls(*tls, section.position("tls"));
    }
    if (const TomlTable* const ike = table("ike")) {
        read_ike(*ike, section.position("ike"));
    }
    for (const std::string_view each : kPolicyTables) {
        static_cast<void>(section.value(each));  // a working set may be wrong while it is edited: see read_policies()
    }
    section.refuse_the_rest();
}

void Assembly::read_daemon(const TomlTable& table, const Position& where) {
    Section section(table, where, "[daemon]", diagnostics_);
    DaemonSettings& daemon = configuration_.daemon;
    section.integer("engines", 0, kMostEngines, daemon.engines);
    read_runtime_directory(section);
    read_bus(section);
    section.path("state_directory", daemon.state_directory);
    section.choice("log_level", kLogLevelNames, daemon.log_level);
    section.refuse_the_rest();
    refuse_duplicates(table, section, "[daemon]");
}

/// Each key of a table that is there once may be set once in all files; lists of tables add up.
void Assembly::refuse_duplicates(const TomlTable& table, Section& section, std::string_view title) {
    for (const TomlEntry& entry : table.entries) {
        if (std::holds_alternative<TomlArray>(entry.value.content)) {
            continue;
        }
        const auto key = std::pair(std::string(title), entry.key);
        if (const auto [earlier, added] = keys_.try_emplace(key, entry.where); !added) {
            section.report(entry.where, "duplicate-key",
                           fmt::format("{} in {} is set already at {}", in_quotes(entry.key), title,
                                       to_string(earlier->second)));
        }
    }
}

void Assembly::read_runtime_directory(Section& section) {
    section.path("runtime_directory", configuration_.daemon.runtime_directory);
    if (const std::size_t size = configuration_.daemon.runtime_directory.size(); size > kLongestRuntimeDirectory) {
        section.report(section.position("runtime_directory"), "bad-path",
                       fmt::format("runtime_directory has {} bytes: at most {} leave room for the names of sockets "
                                   "in it",
                                   size, kLongestRuntimeDirectory));
    }
}

void Assembly::read_bus(Section& section) {
    static constexpr std::array<std::string_view, 2> kNames{"system", "none"};
    const std::string* const bus = section.text("bus", "a string");
    if (bus == nullptr) {
        return;
    }
    // D-Bus specification, "Server Addresses": a transport, a colon, and key=value pairs.
    const std::size_t colon = bus->find(':');
    const bool address = colon != std::string::npos && colon > 0 && bus->find('=', colon) != std::string::npos;
    if (address || std::ranges::find(kNames, *bus) != kNames.end()) {
        configuration_.daemon.bus = *bus;
    } else {
        section.report(
            section.position("bus"), "not-a-choice",
            fmt::format("bus = {}: expected \"system\", \"none\" or a D-Bus address such as \"unix:path=…\"{}",
                        in_quotes(*bus), did_you_mean(*bus, kNames)));
    }
}

void Assembly::read_tls(const TomlTable& table, const Position& where) {
    Section section(table, where, "[tls]", diagnostics_);
    for (const PlacedTable& service : section.tables("service", "tls.service")) {
        add_service(read_service(*service.table, service.where, credentials_, diagnostics_));
    }
    section.refuse_the_rest();
}

void Assembly::add_service(ServiceEntry entry) {
    const std::string& name = entry.service.name;
    if (!name.empty()) {
        if (const auto [earlier, added] = names_.try_emplace(name, entry.source.section); !added) {
            add({entry.source.section, "duplicate-name",
                 fmt::format("a service with the name \"{}\" stands already at {}", name,
                             to_string(earlier->second))});
        }
    }
    for (std::size_t i = 0; i < entry.service.listen.size(); ++i) {
        const Endpoint& endpoint = entry.service.listen[i];
        if (const auto [earlier, added] = listeners_.try_emplace(endpoint, entry.source.listen[i]); !added) {
            add({entry.source.listen[i], "duplicate-listen",
                 fmt::format("listen: \"{}\" stands already at {}", to_string(endpoint),
                             to_string(earlier->second))});
        }
    }
    configuration_.services.push_back(std::move(entry.service));
    configuration_.sources.push_back(std::move(entry.source));
}

void Assembly::read_ike(const TomlTable& table, const Position& where) {
    Section section(table, where, "[ike]", diagnostics_);
    read_ike_settings(section, configuration_.ike.settings);
    for (const PlacedTable& connection : section.tables("connection", "ike.connection")) {
        IkeConnection entry = read_ike_connection(*connection.table, connection.where, credentials_, diagnostics_);
        const std::string& name = entry.rules->name;
        const auto [earlier, added] = connections_.try_emplace(name, entry.section);
        if (!name.empty() && !added) {
            add({entry.section, "duplicate-name",
                 fmt::format("a connection with the name \"{}\" stands already at {}", name,
                             to_string(earlier->second))});
        }
        configuration_.ike.connections.push_back(std::move(entry));
    }
    for (const PlacedTable& pool : section.tables("pool", "ike.pool")) {
        configuration_.ike.pools.push_back(read_ike_pool(pool, diagnostics_));
    }
    section.refuse_the_rest();
    refuse_duplicates(table, section, "[ike]");
}

void Assembly::give_keys(const Overlay& overlay) {
    const auto needs = [](const SecretReference& key) { return key.kind == SecretReference::Kind::option; };
    const auto missing = [this](const SecretReference& key, std::string_view name, std::string_view reason) {
        add({key.where, reason,
             fmt::format("{0}: \"option:{0}\" is what comes as the option {0} of "
                         "org.keysluice1.Manager.AddConnection, and none came with this",
                         name)});
    };
    for (IkeConnection& connection : configuration_.ike.connections) {
        const auto found = overlay.texts.find(connection.section.file);
        const GivenSecrets given = found == overlay.texts.end() ? GivenSecrets{} : found->second.given;
        connection.given_psk = needs(connection.psk) ? given.psk : nullptr;
        connection.given_eap_password = needs(connection.eap_password) ? given.eap_password : nullptr;
        connection.given_private_key = needs(connection.private_key) ? given.private_key : nullptr;
        if (needs(connection.psk) && !connection.given_psk) {
            missing(connection.psk, "psk", "psk-not-given");
        }
        if (needs(connection.eap_password) && !connection.given_eap_password) {
            missing(connection.eap_password, "eap_password", "password-not-given");
        }
        if (needs(connection.private_key) && !connection.given_private_key) {
            missing(connection.private_key, "private_key", "private-key-not-given");
        }
    }
}

}  // namespace

ConfigurationResult read_configuration(const std::filesystem::path& file, std::string_view credentials,
                                       const Overlay& overlay) {
    Assembly assembly(credentials);
    std::vector<std::filesystem::path> files{file};
    if (auto fragments = find_fragments(file)) {
        files.insert(files.end(), fragments->begin(), fragments->end());
    } else {
        assembly.add(std::move(fragments).error());
    }
    std::erase(files, overlay.without);
    for (const std::filesystem::path& path : files) {
        if (auto text = load_text(path)) {
            assembly.add(*text, path.string());
        } else {
            assembly.add(std::move(text).error());
        }
    }
    for (const auto& [title, added] : overlay.texts) {
        assembly.add(added.text, title);
    }
    assembly.give_keys(overlay);
    return std::move(assembly).finish();
}

ConfigurationResult parse_configuration(std::string_view text, std::string_view name, std::string_view credentials) {
    Assembly assembly(credentials);
    assembly.add(text, std::string(name));
    assembly.give_keys({});
    return std::move(assembly).finish();
}

}  // namespace keysluice::control
