#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "daemon/shared/loop.hpp"

namespace keysluice::control {

/// Answers whoever connects to a unix socket with one document, and closes. Whoever comes while it is made gets it,
/// too. A reader that does not read is dropped, and there are at most kMostReaders.
class DocumentServer final : Watcher {
   public:
    static constexpr Duration kReaderPatience = std::chrono::seconds(5);
    static constexpr std::size_t kMostReaders = 16;

    /// Takes the place of a socket that was left behind. Error: `status-bind-failed`.
    [[nodiscard]] static Result<UniqueFd> bind(const std::string& path);

    /// Each reader that comes is `asked` for.
    DocumentServer(Loop& loop, UniqueFd socket, std::function<void()> asked);
    ~DocumentServer() override;

    /// Whether somebody waits for a document.
    [[nodiscard]] bool wanted() const;
    /// For all who wait.
    void answer(const std::shared_ptr<const std::string>& document);

   private:
    struct Reader final : Watcher, Deadline {
        Reader(DocumentServer& server, UniqueFd socket) : owner(server), fd(std::move(socket)) {}
        void on_events(std::uint32_t events) override;
        void on_deadline() override { owner.drop(*this); }

        DocumentServer& owner;
        UniqueFd fd;
        std::shared_ptr<const std::string> text;  ///< null: not yet
        std::size_t sent = 0;
        std::list<Reader>::iterator self;
    };

    void on_events(std::uint32_t events) override;
    void drop(Reader& reader);

    Loop& loop_;
    UniqueFd socket_;
    std::function<void()> asked_;
    std::list<Reader> readers_;
};

}  // namespace keysluice::control
