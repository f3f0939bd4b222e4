#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cli/import/draft.hpp"

namespace keysluice::importer {

/// What another program says of a range of addresses for peers.
struct PoolTerms {
    std::string addresses = {};
    std::vector<std::string> dns = {};
    std::vector<std::string> domains = {};
    std::vector<std::string> subnets = {};
};

/// The [[ike.pool]] tables in the making, by the names that the source has for them.
class AddressPools {
   public:
    explicit AddressPools(Draft& draft) : draft_(draft) {}

    /// `wanted`: its name here, as far as that is free. Returns what keysluice's own reader has against it; empty: it
    /// is there. `comments` go where the pool does.
    std::string add(std::string_view wanted, const std::string& name, const PoolTerms& terms,
                    const std::vector<Remark>& comments = {});
    /// Its name in the result; empty: there is none.
    [[nodiscard]] std::string find(const std::string& name) const;
    /// All of them, for whoever has to check what refers to them.
    [[nodiscard]] const std::string& text() const { return text_; }

   private:
    Draft& draft_;
    std::map<std::string, std::string> names_;
    std::string text_;
};

}  // namespace keysluice::importer
