#include "tests/support/fake_kernel.hpp"

namespace keysluice::ike::testing {
namespace {

std::string keys_of(const ChildDirectionKeys& keys) {
    return std::string(as_text(keys.encryption.expose())) + "|" + std::string(as_text(keys.integrity.expose()));
}

FakeKernel::Half* find(std::map<EspSpi, FakeKernel::Half>& halves, EspSpi spi) {
    const auto found = halves.find(spi);
    return found == halves.end() ? nullptr : &found->second;
}

}  // namespace

void FakeKernel::expect(bool holds, const char* what) {
    if (!holds && fault_.empty()) {
        fault_ = what;
    }
}

void FakeKernel::add_outbound(const ChildSaSpec& spec, const ChildDirectionKeys& keys,
                              std::optional<EspSpi> replaces) {
    expect(!outbound_.contains(spec.outbound), "an outbound SA was added twice");
    expect(!keys.encryption.empty(), "an outbound SA without a key");
    expect(!replaces || outbound_.contains(*replaces), "the outbound SA to be replaced is not there");
    outbound_[spec.outbound] = {spec, keys_of(keys)};
    newest_ = spec.outbound;
    if (replaces) {
        outbound_.erase(*replaces);
    }
}

Result<void> FakeKernel::install(const InstallChild& action) {
    if (refuses) {
        return fail("kernel-refused", "Requested AEAD algorithm not found");
    }
    expect(!inbound_.contains(action.spec.inbound), "an inbound SA was added twice");
    expect(!action.inbound.encryption.empty(), "an inbound SA without a key");
    inbound_[action.spec.inbound] = {action.spec, keys_of(action.inbound)};
    if (action.outbound) {
        add_outbound(action.spec, *action.outbound, action.replaces_outbound);
    }
    return {};
}

Result<void> FakeKernel::install(const InstallOutbound& action) {
    if (refuses) {
        return fail("kernel-refused", "Requested AEAD algorithm not found");
    }
    add_outbound(action.spec, action.outbound, action.replaces_outbound);
    return {};
}

void FakeKernel::delete_expired(EspSpi inbound) {
    inbound_.erase(inbound);
}

void FakeKernel::move(const MoveChild& action) {
    for (Half* half : {find(inbound_, action.to.inbound), find(outbound_, action.to.outbound)}) {
        expect(half == nullptr || (half->spec.udp_ports == action.from.udp_ports &&
                                   half->spec.local == action.from.local && half->spec.remote == action.from.remote),
               "a CHILD SA moved from elsewhere");
        if (half != nullptr) {
            half->spec = action.to;
        }
    }
}

void FakeKernel::remove(const RemoveChild& action) {
    inbound_.erase(action.spec.inbound);
    outbound_.erase(action.spec.outbound);
}

void FakeKernel::remove(const RemoveOutbound& action) {
    outbound_.erase(action.spec.outbound);
}

const FakeKernel::Half* FakeKernel::newest_outbound() const {
    const auto found = outbound_.find(newest_);
    return found != outbound_.end() ? &found->second : outbound_.empty() ? nullptr : &outbound_.begin()->second;
}

}  // namespace keysluice::ike::testing
