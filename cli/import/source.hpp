#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret_buffer.hpp"

namespace keysluice::importer {

inline constexpr std::size_t kLargestSource = std::size_t{1} << 20U;  ///< of one file
inline constexpr std::size_t kMostSources = 1'000;                    ///< of one import
inline constexpr std::size_t kMostInAll = std::size_t{8} << 20U;      ///< bytes of all files
inline constexpr unsigned kDeepestInclusion = 16;

/// A file of another program. Secrets may stand in it: whoever needs one takes it out of `text`, and nowhere else is
/// a copy of it.
struct Source {
    std::string path;  ///< absolute
    SecretBuffer text;

    [[nodiscard]] std::string name() const { return path.substr(path.rfind('/') + 1); }
    [[nodiscard]] std::string folder() const { return path.substr(0, path.rfind('/') + 1); }
    [[nodiscard]] std::string_view view() const {
        return {reinterpret_cast<const char*>(text.data()), text.size()};  // NOLINT: bytes as characters
    }
};
using SourcePtr = std::shared_ptr<const Source>;

/// What an import asks of the machine that it runs on.
class Surroundings {
   public:
    Surroundings() = default;
    Surroundings(const Surroundings&) = delete;
    Surroundings& operator=(const Surroundings&) = delete;
    Surroundings(Surroundings&&) = delete;
    Surroundings& operator=(Surroundings&&) = delete;
    virtual ~Surroundings() = default;

    /// The files that an absolute pattern means, or those in a folder, in the order of their names.
    virtual Result<std::vector<SourcePtr>> files(const std::string& pattern) = 0;
    /// Whether there is a file or a folder.
    virtual bool exists(const std::string& path) = 0;
    /// The port of a name in /etc/services.
    virtual std::optional<std::uint16_t> port(const std::string& service) = 0;
    /// The number of a name in /etc/protocols.
    virtual bool has_protocol(const std::string& name) = 0;
    /// Whether this host has the address now.
    virtual bool has_address(const std::string& address) = 0;
};

/// Counts what is read, so that no inclusion goes on for ever. Keeps all files.
class Inclusion {
   public:
    explicit Inclusion(Surroundings& surroundings) : surroundings_(surroundings) {}

    /// Those that `pattern` means in a file at `depth`. Error: `import-too-large`,
    /// `file-unreadable` where one is named that is not there, or what reading them says.
    [[nodiscard]] Result<std::vector<SourcePtr>> open(std::string pattern, const Source& from, unsigned depth);

   private:
    Surroundings& surroundings_;
    std::size_t bytes_ = 0;
    std::vector<SourcePtr> kept_;
};

/// Where something stands.
struct Place {
    std::string file = {};
    unsigned line = 0;
};

/// "stunnel.conf:12"
[[nodiscard]] std::string print(const Place& place);

// Text without copies, since it may be secret.

[[nodiscard]] std::string_view trim(std::string_view text);
/// Takes what stands in front of the first `mark` out of `rest`, or all of it.
[[nodiscard]] std::string_view next_piece(std::string_view& rest, char mark);
/// The pieces between marks, without white space around them; empty ones are left out.
[[nodiscard]] std::vector<std::string_view> pieces(std::string_view text, char mark);
/// What white space separates.
[[nodiscard]] std::vector<std::string_view> words(std::string_view text);
[[nodiscard]] std::string lower(std::string_view text);
/// A decimal number, or one in hexadecimal behind 0x.
[[nodiscard]] std::optional<std::uint64_t> number(std::string_view text);
/// As number(), but no sign and nothing but decimal digits.
[[nodiscard]] bool all_digits(std::string_view text);

}  // namespace keysluice::importer
