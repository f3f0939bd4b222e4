#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/control/state_file.hpp"
#include "daemon/control/state_key.hpp"
#include "daemon/shared/descriptor_store.hpp"
#include "ike/endpoint.hpp"
#include "ike/snapshot.hpp"

namespace keysluice::control {

/// The IKE SAs of a process as its successor finds them: in a StateFile whose descriptor the service manager keeps
/// and whose key the kernel's keyring keeps.
class IkeState {
   public:
    /// What an earlier process left, or an empty one. Null where nobody keeps descriptors or keys: the log says why.
    [[nodiscard]] static std::unique_ptr<IkeState> open(DescriptorStore& store, const std::string& place,
                                                        Random& random);

    struct Inherited {
        std::vector<std::unique_ptr<ike::Sa>> sas;
        std::uint32_t epoch = 1;  ///< of the process that takes them over: see IvCounter
        ike::GatewayUses gateways;
    };
    /// What can be taken over; the log says what can't, and why.
    [[nodiscard]] Inherited read(const ike::FindConnection& connection);

    // A process that dies between these two died of this SA.
    void begin_adoption(ike::IkeSpi own) { file_.begin_adoption(own.value); }
    void end_adoption() { file_.end_adoption(); }
    /// After the last step of its adoption.
    void forgive(ike::IkeSpi own) { file_.forgive(own.value); }

    /// After each event of the endpoint, before anybody sees what it led to.
    void save(const ike::Endpoint& endpoint, std::uint32_t epoch);

    /// There will be no successor.
    void destroy();

   private:
    IkeState(DescriptorStore& store, StateKey key, StateFile file)
        : store_(store), key_(std::move(key)), file_(std::move(file)) {}
    [[nodiscard]] static Result<StateFile> create(DescriptorStore& store, const StateKey& key, Random& random);

    DescriptorStore& store_;
    StateKey key_;
    StateFile file_;
    std::vector<StateFile::Change> changes_;
    bool full_ = false;  ///< and the log has said so
};

}  // namespace keysluice::control
