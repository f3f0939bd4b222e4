#pragma once

#include <memory>
#include <string>

#include "daemon/control/document_server.hpp"
#include "daemon/control/front_desk.hpp"
#include "daemon/control/metrics.hpp"

namespace keysluice::control {

/// Answers whoever connects to metrics.sock with the metrics as OpenMetrics text, and closes. SAs are looked at a
/// page in a round of the loop, and what was counted serves all who come within `freshness`: whoever asks all the
/// time costs nobody anything.
class MetricsServer {
   public:
    static constexpr Duration kFreshness = std::chrono::seconds(1);

    MetricsServer(Loop& loop, FrontDesk& desk, UniqueFd socket, std::string version, Duration freshness = kFreshness);

   private:
    void asked();
    void ask_services();
    void look_at_sas(ike::IkeSpi after);
    void done();

    Loop& loop_;
    FrontDesk& desk_;
    std::string version_;
    Duration freshness_;
    DocumentServer door_;
    Metrics metrics_;
    std::size_t missing_ = 0;  ///< services whose counters have not come
    bool under_way_ = false;
    std::shared_ptr<const std::string> text_;  ///< null: none yet
    Instant written_{};
};

/// metrics.sock in the runtime directory, for everybody who may enter that. Error: `status-bind-failed`.
[[nodiscard]] Result<UniqueFd> bind_metrics(const std::string& directory);

}  // namespace keysluice::control
