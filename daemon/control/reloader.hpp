#pragma once

#include <expected>
#include <functional>
#include <string>
#include <string_view>

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

    /// Where it is being read already, it is read once more afterwards.
    void reload();

   private:
    struct Read {
        std::expected<Configuration, Diagnostics> configuration;
        Diagnostics warnings;
    };
    [[nodiscard]] static Read read(const std::string& file, const std::string& credentials);
    void on_read(Read read);

    std::string file_;
    std::string credentials_;
    Use use_;
    Ended ended_;
    bool once_more_ = false;
    WorkerPool thread_;
};

}  // namespace keysluice::control
