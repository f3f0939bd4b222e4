#include "daemon/control/esp_support.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/control/translation.hpp"

namespace keysluice::control {
namespace {

using ike::wire::Transform;
using ike::wire::TransformType;

bool is_aead(const Transform& transform) {
    return transform.type == TransformType::encryption && ike::is_aead(static_cast<ike::EncryptionId>(transform.id));
}

bool is_classic(const Transform& transform) {
    return transform.type == TransformType::encryption && !is_aead(transform);
}

bool is_integrity(const Transform& transform) {
    return transform.type == TransformType::integrity;
}

/// Empty for what the kernel has no part in.
std::string_view kernel_name(const Transform& transform) {
    ike::EspSuite suite{.encryption = {ike::EncryptionId::null, 0}, .integrity = {}, .group = {}, .esn = false};
    if (is_integrity(transform)) {
        suite.integrity = static_cast<ike::IntegrityId>(transform.id);
        return std::get<xfrm::Classic>(kernel_algorithms(suite, {})).auth.name;
    }
    if (transform.type != TransformType::encryption) {
        return {};
    }
    suite.encryption = {static_cast<ike::EncryptionId>(transform.id), transform.key_bits};
    const xfrm::Algorithms algorithms = kernel_algorithms(suite, {});
    const auto* const aead = std::get_if<xfrm::Aead>(&algorithms);
    return aead != nullptr ? aead->name : std::get<xfrm::Classic>(algorithms).cipher.name;
}

class Fitting {
   public:
    explicit Fitting(const xfrm::Capabilities& kernel) : kernel_(kernel) {}

    void fit(IkeConnection& connection) {
        ike::Connection& rules = *connection.rules;
        std::erase_if(rules.children, [&](ike::ChildRule& child) {
            const xfrm::Missing* lack = nullptr;
            std::erase_if(child.proposals, [&](ike::ProposalRule& rule) { return !fit(rule, lack); });
            if (!child.proposals.empty()) {
                return false;
            }
            fit_.refused.push_back(
                {.connection = rules.name,
                 .child = child.name,
                 .why = {"kernel-lacks", fmt::format("none of its ESP proposals is left: {}", lack->sentence)}});
            return true;
        });
    }

    EspFit take() { return std::move(fit_); }

   private:
    /// Whether something is left of it. `lack` becomes what it has to do without.
    bool fit(ike::ProposalRule& rule, const xfrm::Missing*& lack) {
        std::erase_if(rule.transforms, [&](const Transform& transform) {
            const xfrm::Missing* const missing = kernel_.find_missing(kernel_name(transform));
            if (missing != nullptr) {
                lack = missing;
                fit_.left_out.insert(missing->algorithm);
            }
            return missing != nullptr;
        });
        // A cipher and its authentication are of no use without each other.
        if (std::ranges::none_of(rule.transforms, is_integrity)) {
            std::erase_if(rule.transforms, is_classic);
        }
        if (std::ranges::none_of(rule.transforms, is_classic)) {
            std::erase_if(rule.transforms, is_integrity);
        }
        return std::ranges::any_of(rule.transforms,
                                   [](const Transform& each) { return is_aead(each) || is_classic(each); });
    }

    const xfrm::Capabilities& kernel_;
    EspFit fit_;
};

}  // namespace

EspFit fit(std::vector<IkeConnection>& connections, const xfrm::Capabilities& kernel) {
    Fitting fitting(kernel);
    std::erase_if(connections, [&](IkeConnection& connection) {
        fitting.fit(connection);
        return connection.rules->children.empty();
    });
    return fitting.take();
}

}  // namespace keysluice::control
