#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.hpp"
#include "cli/import/draft.hpp"
#include "cli/import/source.hpp"

namespace keysluice::importer {

/// "-E aes-cbc 0x…"
struct SetkeyAlgorithm {
    std::string name;
    std::string_view key;  ///< without its quotes
    bool quoted = false;   ///< text; otherwise hexadecimal digits behind 0x
    bool present = false;
};

/// `add src dst protocol spi …`
struct SetkeySa {
    IpAddress source;
    IpAddress destination;
    std::string protocol;
    std::uint64_t spi = 0;
    std::string mode = "any";
    std::uint64_t reqid = 0;
    SetkeyAlgorithm encryption;
    SetkeyAlgorithm authentication;
    std::vector<std::string> extensions;  ///< others that say something
    Place place;
    std::string shown;                   ///< without what follows the SPI
    std::vector<std::string> keys = {};  ///< names that were given to its keys
    bool used = false;
};

/// "10.0.0.0/8[80]"
struct SetkeyRange {
    Prefix prefix;
    std::string port = {};  ///< empty: any; of policies that were merged, several with commas
};

/// "esp/tunnel/192.0.2.1-198.51.100.7/unique:5"
struct SetkeyRule {
    std::string protocol;
    std::string mode;
    std::optional<IpAddress> source;
    std::optional<IpAddress> destination;
    std::string level;
    std::uint64_t reqid = 0;

    bool operator==(const SetkeyRule&) const = default;
};

/// `spdadd src dst upperspec -P direction …`
struct SetkeyPolicy {
    SetkeyRange source;
    SetkeyRange destination;
    std::string protocol;  ///< "any", a name or a number
    std::string icmp;      ///< "135,0"
    std::string direction;
    std::int64_t priority = 0;  ///< the higher, the earlier
    std::string action;
    std::vector<SetkeyRule> rules;
    Place place;
    std::string shown;
};

struct SetkeyFile {
    std::vector<SetkeySa> sas;
    std::vector<SetkeyPolicy> policies;
    std::vector<Remark> remarks;  ///< on the other statements
};

/// Error: `import-malformed`, in words that no key is among; `import-too-large`.
[[nodiscard]] Result<SetkeyFile> read_setkey(const Source& source);

}  // namespace keysluice::importer
