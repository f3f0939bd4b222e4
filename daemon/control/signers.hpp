#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "crypto/signature.hpp"
#include "daemon/control/eap_handshakes.hpp"
#include "daemon/shared/channel.hpp"
#include "daemon/shared/timer.hpp"

namespace keysluice::control {

/// The engines, as far as they have private keys for IKE. Whoever has loaded a key may be asked; what an engine
/// leaves undone when it goes, another one does, or its successor.
class Signers {
   public:
    /// A private key that engines are to load.
    struct Key {
        KeyId id{};
        std::string path;
        std::string owner;                           ///< "k.toml:4:1: connection hq", for the log
        std::shared_ptr<const UniqueFd> given = {};  ///< a memory file with the key; then `path` is no path, and …
        KeyId of_certificate{};                      ///< … `id` is the crypto::given_key_name() of this
    };
    using Done = std::function<void(Result<std::vector<std::uint8_t>>)>;

    /// How long a signature may take, the start of an engine included.
    static constexpr Duration kPatience = std::chrono::seconds(10);
    /// When so many wait, no more are taken.
    static constexpr std::size_t kMostWaiting = 1024;

    explicit Signers(Loop& loop, Duration patience = kPatience)
        : loop_(loop),
          patience_(patience),
          handshakes_(loop, patience, [this](const KeyId& key) { return engine_with(key); }),
          deadline_(loop, [this] { give_up_late(); }) {}

    /// The keys that are needed from now on. Engines that are here are told, and forget others; those that come, when
    /// they come.
    void use(std::vector<Key> keys);

    /// `done` is called once, never from here, and not after the end of this object. Fails with "no-engine" (nobody
    /// did it in time), "signing-busy" or "signing-failed".
    void sign(const KeyId& key, crypto::SignatureScheme scheme, std::vector<std::uint8_t> octets, Done done);

    /// What they do with the same keys for EAP-TLS.
    [[nodiscard]] EapHandshakes& handshakes() { return handshakes_; }

    void joined(Channel& engine);
    void left(const Channel& engine);
    void on_message(const Channel& engine, const SigningKeyLoaded& loaded);
    void on_message(const Channel& engine, SignatureMade made);
    void on_message(const Channel& engine, TlsTurnAnswered answer) {
        handshakes_.on_message(engine, std::move(answer));
    }

   private:
    struct Engine {
        Channel* channel;
        std::set<KeyId> keys;  ///< that it has loaded
        std::size_t busy = 0;
    };
    struct Job {
        SignatureWanted wanted;
        Done done;
        Instant until;
        const Channel* engine = nullptr;  ///< null: waits for one
    };

    void tell(Engine& engine);
    void assign_waiting();
    [[nodiscard]] Engine* find(const Channel& channel);
    [[nodiscard]] Engine* least_busy(const KeyId& key);
    [[nodiscard]] Channel* engine_with(const KeyId& key);
    void give_up_late();
    void arm();

    Loop& loop_;
    Duration patience_;
    std::vector<Key> keys_;
    std::list<Engine> engines_;
    std::list<Job> jobs_;                   ///< in the order of their ends
    std::map<KeyId, std::string> refused_;  ///< why an engine could not load the key
    std::uint32_t next_token_ = 0;
    EapHandshakes handshakes_;
    Timer deadline_;
};

}  // namespace keysluice::control
