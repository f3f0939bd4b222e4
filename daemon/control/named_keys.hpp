#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "daemon/control/named_key.hpp"

namespace keysluice::control {

/// Where the package's keys are.
inline constexpr const char* kKeyFolder = "/etc/keysluice/keys.d";

/// The named keys of this host: files NAME.key of a folder that only its owner and root may write to, and systemd
/// credentials of the same names beside it. A name that both have is nobody's: which of them counts would be a guess.
class NamedKeys {
   public:
    enum class Place : std::uint8_t { file, credential };
    struct Listed {
        std::string name;
        Place place = Place::file;
        Error wrong = {};  ///< with an empty reason nothing is, and the key is as follows
        KeyKind kind = KeyKind::hmac_sha1;
        std::string fingerprint = {};
    };

    /// `credentials`: $CREDENTIALS_DIRECTORY, or empty.
    NamedKeys(std::filesystem::path folder, std::string credentials)
        : folder_(std::move(folder)), credentials_(std::move(credentials)) {}

    /// Errors: `key-not-found`, `key-ambiguous`; `key-open-to-others` where others than the owner may read or write
    /// the file, others than root or the folder's owner have put it there, or others may write to the folder;
    /// `key-unreadable`, and those of parse_named_key().
    [[nodiscard]] Result<NamedKey> read(const std::string& name) const;
    /// All of them, by name, with what is wrong with each. It takes some 50 ms for each key: fingerprint(). Of
    /// credentials, which may be other secrets, those that are no key at all are left out. Error: `key-unreadable`.
    [[nodiscard]] Result<std::vector<Listed>> list() const;

    /// Writes NAME.key, for its owner alone, who is the folder's where root writes: the whole of it or nothing,
    /// whenever this process ends. With `replace` there may be one of this name: it stays as NAME.old, in place of
    /// any of that name, and so no other name may end like that. The folder is made where there is none. Errors:
    /// `key-exists`, `bad-name`, `key-open-to-others` of the folder, `file-unwritable`.
    [[nodiscard]] Result<void> keep(const NamedKey& key, bool replace) const;
    /// Errors: `key-not-found`, `file-unwritable`.
    [[nodiscard]] Result<void> remove(const std::string& name) const;

    /// What keep() calls the key before.
    [[nodiscard]] static std::string old_name(const std::string& name) { return name + ".old"; }

   private:
    [[nodiscard]] std::filesystem::path file_of(const std::string& name) const;
    [[nodiscard]] std::filesystem::path credential_of(const std::string& name) const;
    [[nodiscard]] bool is_credential(const std::string& name) const;
    [[nodiscard]] Result<SecretBuffer> content_of(const std::string& name) const;
    [[nodiscard]] Result<void> find(const std::filesystem::path& folder, Place place,
                                    std::vector<Listed>& found) const;
    void look_at(Listed& listed) const;

    std::filesystem::path folder_;
    std::string credentials_;
};

}  // namespace keysluice::control
