#pragma once

#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/control/configuration.hpp"
#include "daemon/control/worker_pool.hpp"

namespace keysluice::control {

/// Reads the configuration again while everything goes on: on a thread of its own, since names are looked up, which
/// may take its time. What is wrong with it goes into the log, place by place, and then nothing of it is used.
class Reloader {
   public:
    /// Called on the loop, with a configuration that is good as far as its files and IKE's are concerned.
    using Use = std::function<void(Configuration)>;

    /// Afterwards, with the first thing that is wrong; empty: nothing is.
    using Ended = std::function<void(std::string_view problem)>;

    /// `credentials` as for read_configuration().
    Reloader(Loop& loop, std::string file, std::string credentials, Use use, Ended ended = [](std::string_view) {});

    /// Null: the configuration is in use. Else what is wrong with it.
    using Outcome = std::move_only_function<void(const Diagnostics* wrong)>;

    /// Where it is being read already, it is read once more afterwards. `then`, where there is one, is called with
    /// what came of a reading that began after this.
    void reload(Outcome then = {});

   private:
    struct Read {
        std::expected<Configuration, Diagnostics> configuration;
        Diagnostics warnings;
    };
    [[nodiscard]] static Read read(const std::string& file, const std::string& credentials);
    void on_read(Read read);
    void begin();

    std::string file_;
    std::string credentials_;
    Use use_;
    Ended ended_;
    std::vector<Outcome> asked_;    ///< for what is being read
    std::vector<Outcome> waiting_;  ///< for the next reading
    bool once_more_ = false;
    WorkerPool thread_;
};

}  // namespace keysluice::control
