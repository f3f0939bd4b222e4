#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "daemon/control/status.hpp"
#include "daemon/control/worker_pool.hpp"
#include "daemon/shared/channel.hpp"

namespace keysluice::control {

/// Answers whoever connects to status.sock with one JSON document, and closes. It asks engines and relays first;
/// the document names those that do not answer in time, and a reader that does not read is dropped. A thread writes
/// the document, which may have many megabytes.
class StatusServer final : Watcher, Deadline {
   public:
    static constexpr Duration kPatience = std::chrono::seconds(2);
    static constexpr Duration kReaderPatience = std::chrono::seconds(5);
    static constexpr std::size_t kMostReaders = 16;

    /// Sends the question to all processes; returns those that it went to.
    using Ask = std::function<std::vector<Hello>(std::uint32_t token)>;
    /// Called on the thread: what it works with is its own.
    using Document = std::move_only_function<std::string()>;
    using Collect = std::function<Document(std::vector<ProcessCounters>)>;

    [[nodiscard]] static Result<UniqueFd> bind(const std::string& path);
    StatusServer(Loop& loop, UniqueFd socket, Ask ask, Collect collect);
    ~StatusServer() override;

    void on_counters(const Hello& from, Counters counters);

    /// Asks engines and relays, and calls `then` once with their answers, within 2 * kPatience.
    using Counted = std::move_only_function<void(const std::vector<ProcessCounters>&)>;
    void count(Counted then);

   private:
    struct Reader final : Watcher, Deadline {
        Reader(StatusServer& server, UniqueFd socket) : owner(server), fd(std::move(socket)) {}
        void on_events(std::uint32_t events) override;
        void on_deadline() override { owner.drop(*this); }
        void answer(std::shared_ptr<const std::string> document);

        StatusServer& owner;
        UniqueFd fd;
        std::shared_ptr<const std::string> text;  ///< null: not yet
        std::size_t sent = 0;
        std::list<Reader>::iterator self;
    };

    void on_events(std::uint32_t events) override;
    void on_deadline() override { on_answers(); }
    void ask();
    void on_answers();
    void answer_all(const std::shared_ptr<const std::string>& text);
    void drop(Reader& reader);

    Loop& loop_;
    UniqueFd socket_;
    Ask ask_;
    Collect collect_;
    WorkerPool writer_;
    std::list<Reader> readers_;
    std::vector<ProcessCounters> collected_;
    std::uint32_t token_ = 0;
    std::size_t missing_ = 0;
    bool under_way_ = false;  ///< a question, or the document that comes of it
    std::vector<Counted> counting_;
};

}  // namespace keysluice::control
