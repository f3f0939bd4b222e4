#include "tests/support/fake_databases.hpp"

namespace keysluice::test {

Result<void> FakeDatabases::apply(const xfrm::Transaction& transaction) {
    ++tables_.transactions;
    if (tables_.refuse) {
        if (auto refused = tables_.refuse(transaction); !refused) {
            return refused;
        }
    }
    for (const xfrm::Relocation& each : transaction.relocations()) {
        xfrm::SaState state = tables_.sas.at(each.id);
        tables_.sas.erase(each.id);
        state.id = each.after();
        state.source = each.source;
        state.encapsulation = each.encapsulation;
        state.offload.reset();
        tables_.sas.insert_or_assign(state.id, state);
    }
    for (const xfrm::Rebinding& each : transaction.rebindings()) {
        xfrm::SaState& state = tables_.sas.at(each.id);
        xfrm::Sa asked;
        asked.direction = state.direction.value_or(xfrm::Direction::in);
        asked.offload = each.offload;
        state.offload = each.offload && tables_.takes(asked) ? each.offload : std::nullopt;
    }
    for (const auto& addition : transaction.additions()) {
        std::visit([this](const auto& each) { add(each); }, addition);
    }
    for (const auto& removal : transaction.removals()) {
        std::visit([this](const auto& id) { remove(id); }, removal);
    }
    return {};
}

Result<std::vector<xfrm::SaState>> FakeDatabases::sas() {
    std::vector<xfrm::SaState> all;
    for (const auto& [id, state] : tables_.sas) {
        all.push_back(state);
    }
    return all;
}

Result<std::vector<xfrm::PolicyState>> FakeDatabases::policies() {
    std::vector<xfrm::PolicyState> all;
    for (const auto& [id, policy] : tables_.policies) {
        all.push_back({.policy = policy});
    }
    return all;
}

Result<xfrm::SaState> FakeDatabases::sa(const xfrm::SaId& id) {
    const auto found = tables_.sas.find(id);
    return found == tables_.sas.end() || !tables_.tells ? fail("xfrm-missing", "there is none")
                                                        : Result<xfrm::SaState>(found->second);
}

void FakeDatabases::add(const xfrm::Sa& sa) {
    xfrm::SaState state;
    state.id = sa.id();
    state.source = sa.source;
    state.reqid = sa.reqid;
    state.mode = sa.mode;
    if (const auto* const aead = std::get_if<xfrm::Aead>(&sa.algorithms)) {
        state.algorithm = aead->name;
    } else if (const auto* const classic = std::get_if<xfrm::Classic>(&sa.algorithms)) {
        state.algorithm = classic->cipher.name;
        state.authentication = classic->auth.name;
    } else {
        state.authentication = std::get<xfrm::Authentication>(sa.algorithms).name;
    }
    state.direction = sa.direction;
    state.hard = sa.hard;
    state.soft = sa.soft;
    state.encapsulation = sa.encapsulation;
    state.acquire_sequence = sa.acquire_sequence;
    if (tables_.takes(sa)) {
        state.offload = sa.offload;
        if (state.offload && !tables_.takes_packets) {
            state.offload->packet = false;
        }
    }
    tables_.sas.insert_or_assign(state.id, state);
}

}  // namespace keysluice::test
