#pragma once

#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/control/configuration.hpp"
#include "daemon/control/connection_changes.hpp"
#include "daemon/control/ike_files.hpp"
#include "daemon/control/worker_pool.hpp"

namespace keysluice::control {

/// What was added before this process, and what is to be done with all that is added whenever that changes.
struct KeptTexts {
    AddedTexts added = {};
    std::function<void(const AddedTexts&)> save = [](const AddedTexts&) {};
    KnownPeers peers = {};  ///< of the configuration that is in use
};

/// Reads the configuration again while everything goes on: on a thread of its own, since names are looked up, which
/// may take its time. What is wrong with it goes into the log, place by place, and then nothing of it is used.
class Reloader {
   public:
    /// What of a configuration could not be used, and stays as it was.
    using Used = std::move_only_function<void(Diagnostics left_out)>;
    /// Called on the loop, with a configuration that is good as far as its files and IKE's are concerned. It calls
    /// `used` once; until then, nothing else is read.
    using Use = std::function<void(Configuration, Occasion, Used used)>;

    /// After a reload, with all that is wrong.
    using Ended = std::function<void(const Diagnostics& wrong)>;

    /// `credentials` as for read_configuration().
    Reloader(
        Loop& loop, std::string file, std::string credentials, Use use, Ended ended = [](const Diagnostics&) {},
        KeptTexts kept = {});

    /// Blocks: the configuration with what was added, as a reload would use it.
    [[nodiscard]] static std::expected<Configuration, Refusal> read_now(const std::string& file,
                                                                        const std::string& credentials,
                                                                        const AddedTexts& added);

    /// The configuration is in use, or why not: as a whole, or what is said of its TLS services.
    using Outcome = std::move_only_function<void(const std::expected<void, Refusal>& outcome)>;

    /// Where it is being read already, it is read once more afterwards. `then`, where there is one, is called with
    /// what came of a reading that began after this.
    void reload(Outcome then = {});

    /// Reads it with this change and, where that is good, keeps the change: those of this run for as long as this
    /// lives. Fails as propose() and carry_out() do, or with what is wrong with the configuration then.
    void change(ConnectionChange change, Outcome then);

    /// The names of what this owner has added.
    [[nodiscard]] std::vector<std::string> owned_by(const std::string& owner) const;
    [[nodiscard]] std::set<std::string> owners() const;
    /// The names of what a process before this one had, and whose owners have not added it here.
    [[nodiscard]] std::vector<std::string> awaited() const;
    /// Whether something is being read, or is to be.
    [[nodiscard]] bool busy() const { return !requests_.empty(); }

   private:
    struct Request {
        std::optional<ConnectionChange> change;  ///< nothing: a reload
        std::vector<Outcome> then;
    };
    struct Read {
        std::expected<Configuration, Refusal> configuration;
        AddedTexts added;
        Diagnostics warnings;
    };
    [[nodiscard]] static Read read(const std::string& file, const std::string& credentials, AddedTexts added,
                                   KnownPeers peers, const std::optional<ConnectionChange>& change);
    void on_read(Read read);
    void conclude(std::expected<void, Refusal> outcome);
    void tell(const Diagnostics& wrong) const;
    void begin();

    std::string file_;
    std::string credentials_;
    Use use_;
    Ended ended_;
    std::function<void(const AddedTexts&)> save_;
    AddedTexts added_;
    KnownPeers peers_;
    std::deque<Request> requests_;  ///< the first one is under way
    WorkerPool thread_;
};

}  // namespace keysluice::control
