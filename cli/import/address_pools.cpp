#include "cli/import/address_pools.hpp"

#include <utility>

namespace keysluice::importer {

std::string AddressPools::add(std::string_view wanted, const std::string& name, const PoolTerms& terms,
                              const std::vector<Remark>& comments) {
    const std::string ours = draft_.name(wanted, "pool");
    Table table("[[ike.pool]]");
    table.set("name", ours);
    table.set("addresses", terms.addresses);
    const auto set = [&table](std::string_view key, const std::vector<std::string>& texts) {
        if (!texts.empty()) {
            table.set(key, texts);
        }
    };
    set("dns", terms.dns);
    set("domains", terms.domains);
    set("subnets", terms.subnets);
    for (const Remark& each : comments) {
        table.remark(each);
    }
    // With the others: two of them may have an address in common.
    if (std::string fault = fault_in(text_ + table.text()); !fault.empty()) {
        return fault;
    }
    text_ += table.text();
    names_.emplace(name, ours);
    draft_.add(std::move(table));
    return {};
}

std::string AddressPools::find(const std::string& name) const {
    const auto found = names_.find(name);
    return found == names_.end() ? std::string() : found->second;
}

}  // namespace keysluice::importer
