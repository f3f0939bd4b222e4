#include "daemon/control/eap_files.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <optional>
#include <utility>

#include "daemon/control/secret_file.hpp"
#include "eap/mschapv2_codes.hpp"

namespace keysluice::control {
namespace {

constexpr SecretFileKind kPasswordFile{.key = "eap_password",
                                       .content = "a password",
                                       .unreadable = "password-unreadable",
                                       .size = "password-size",
                                       .open_to_all = "password-open-to-all"};

/// The passwords of one connection.
class PasswordLoader {
   public:
    PasswordLoader(IkeConnection& connection, crypto::LegacyAlgorithms& legacy, Diagnostics& faults,
                   Diagnostics& warnings)
        : connection_(connection), legacy_(legacy), faults_(faults), warnings_(warnings) {}

    void load() {
        eap::Rules& rules = connection_.rules->eap_rules;
        const std::string& path = connection_.eap_password.path;
        switch (connection_.eap_password.kind) {
            case SecretReference::Kind::none:
                return;
            case SecretReference::Kind::file:
                if (auto password = read(path)) {
                    rules.password = *std::move(password);
                }
                return;
            case SecretReference::Kind::directory:
                load_users(path, rules.users);
                return;
            case SecretReference::Kind::option:
                rules.password = duplicate(*connection_.given_eap_password);
                check("eap_password", rules.password);
                return;
        }
    }

   private:
    void report(const Error& error) {
        faults_.push_back({connection_.eap_password.where, error.reason, error.sentence});
    }

    /// Whether the method can do something with it.
    bool check(std::string_view where, const eap::Password& password) {
        auto hash = eap::nt_hash(legacy_, password.expose());
        if (!hash) {
            report({hash.error().reason, fmt::format("{}: {}", where, hash.error().sentence)});
        }
        return hash.has_value();
    }

    std::optional<eap::Password> read(const std::string& path) {
        auto password = read_secret_file(path, kPasswordFile, connection_.eap_password.where, warnings_);
        if (!password) {
            report(password.error());
            return {};
        }
        return check(fmt::format("eap_password: {}", path), *password) ? std::optional(*std::move(password))
                                                                       : std::nullopt;
    }

    void load_users(const std::string& directory, eap::Users& users) {
        const auto files = secret_files_in(directory, kPasswordFile);
        if (!files) {
            report(files.error());
            return;
        }
        for (const std::string& file : *files) {
            if (auto password = read(file)) {
                users.insert_or_assign(std::filesystem::path(file).filename().native(), *std::move(password));
            }
        }
    }

    IkeConnection& connection_;
    crypto::LegacyAlgorithms& legacy_;
    Diagnostics& faults_;
    Diagnostics& warnings_;
};

}  // namespace

Diagnostics load_passwords(IkeConfiguration& ike, Diagnostics& warnings) {
    Diagnostics faults;
    crypto::LegacyAlgorithms legacy;
    for (IkeConnection& connection : ike.connections) {
        PasswordLoader(connection, legacy, faults, warnings).load();
    }
    return faults;
}

}  // namespace keysluice::control
