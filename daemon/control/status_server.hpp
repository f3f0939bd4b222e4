#pragma once

#include <functional>
#include <string>
#include <vector>

#include "daemon/control/document_server.hpp"
#include "daemon/control/status.hpp"
#include "daemon/control/worker_pool.hpp"
#include "daemon/shared/channel.hpp"

namespace keysluice::control {

/// Answers whoever connects to status.sock with one JSON document. It asks engines and relays first, and the document
/// names those that do not answer in time. A thread writes the document, which may have many megabytes.
class StatusServer final : Deadline {
   public:
    static constexpr Duration kPatience = std::chrono::seconds(2);

    /// Sends the question to all processes; returns those that it went to.
    using Ask = std::function<std::vector<Hello>(std::uint32_t token)>;
    /// Called on the thread: what it works with is its own.
    using Document = std::move_only_function<std::string()>;
    using Collect = std::function<Document(std::vector<ProcessCounters>)>;

    StatusServer(Loop& loop, UniqueFd socket, Ask ask, Collect collect);
    ~StatusServer() override;

    void on_counters(const Hello& from, Counters counters);

    /// Asks engines and relays, and calls `then` once with their answers, within 2 * kPatience.
    using Counted = std::move_only_function<void(const std::vector<ProcessCounters>&)>;
    void count(Counted then);

   private:
    void on_deadline() override { on_answers(); }
    void ask();
    void on_answers();
    void on_written(std::string document);

    Loop& loop_;
    DocumentServer door_;
    Ask ask_;
    Collect collect_;
    WorkerPool writer_;
    std::vector<ProcessCounters> collected_;
    std::uint32_t token_ = 0;
    std::size_t missing_ = 0;
    bool under_way_ = false;  ///< a question, or the document that comes of it
    std::vector<Counted> counting_;
};

}  // namespace keysluice::control
