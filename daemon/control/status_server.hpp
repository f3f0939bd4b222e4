#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "daemon/control/status.hpp"
#include "daemon/shared/channel.hpp"

namespace keysluice::control {

/// Answers whoever connects to status.sock with one JSON document, and closes. It asks engines and relays first;
/// the document names those that do not answer in time, and a reader that does not read is dropped.
class StatusServer final : Watcher, Deadline {
   public:
    static constexpr Duration kPatience = std::chrono::seconds(2);
    static constexpr Duration kReaderPatience = std::chrono::seconds(5);
    static constexpr std::size_t kMostReaders = 16;

    /// Sends the question to all processes; returns those that it went to.
    using Ask = std::function<std::vector<Hello>(std::uint32_t token)>;
    using Render = std::function<std::string(const std::vector<ProcessCounters>&)>;

    [[nodiscard]] static Result<UniqueFd> bind(const std::string& path);
    StatusServer(Loop& loop, UniqueFd socket, Ask ask, Render render);
    ~StatusServer() override;

    void on_counters(const Hello& from, Counters counters);

   private:
    struct Reader final : Watcher, Deadline {
        Reader(StatusServer& server, UniqueFd socket) : owner(server), fd(std::move(socket)) {}
        void on_events(std::uint32_t events) override;
        void on_deadline() override { owner.drop(*this); }
        void answer(std::string text);

        StatusServer& owner;
        UniqueFd fd;
        std::string rest;
        bool answered = false;
        std::list<Reader>::iterator self;
    };

    void on_events(std::uint32_t events) override;
    void on_deadline() override { answer_all(); }
    void answer_all();
    void drop(Reader& reader);

    Loop& loop_;
    UniqueFd socket_;
    Ask ask_;
    Render render_;
    std::list<Reader> readers_;
    std::vector<ProcessCounters> collected_;
    std::uint32_t token_ = 0;
    std::size_t missing_ = 0;
    bool collecting_ = false;
};

}  // namespace keysluice::control
