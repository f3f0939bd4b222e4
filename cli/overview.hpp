#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cli/answers.hpp"
#include "cli/json.hpp"
#include "cli/target.hpp"

namespace keysluice::cli {

/// Numbers of everything, and what is not as it was wanted.
struct Overview {
    std::size_t connections = 0;
    std::size_t ike_sas = 0;
    std::size_t established = 0;
    std::size_t child_sas = 0;
    std::map<std::string, std::size_t> offload;  ///< CHILD SAs that are installed, by the offload in force
    std::uint64_t tls_kernel = 0;                ///< connections that stand
    std::uint64_t tls_userspace = 0;
    std::map<std::string, std::uint64_t> tls_failed;  ///< by reason
    std::vector<std::string> wrong;                   ///< sentences, printable
};

[[nodiscard]] Overview overview_of(const Manager& manager, const Target& all);
/// Without `wrong`.
[[nodiscard]] Json to_json(const Overview& overview);

}  // namespace keysluice::cli
