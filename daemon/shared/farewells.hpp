#pragma once

#include <list>

#include "base/unique_fd.hpp"
#include "daemon/shared/loop.hpp"

namespace keysluice {

/// Sockets on which everything is said, but whose peer may still be sending.
///
/// close() with unread input makes the kernel send a reset, and a reset can overtake our alert. So the write side is
/// shut down, input is thrown away until the peer ends too, and at the latest after kLongest the socket is closed.
/// Bounded: beyond kMost sockets and beyond kMostBytes each, the reset is what the peer gets.
class Farewells {
   public:
    static constexpr std::size_t kMost = 1024;
    static constexpr std::size_t kMostBytes = 256UL * 1024;
    static constexpr Duration kLongest = std::chrono::seconds(2);

    explicit Farewells(Loop& loop) : loop_(loop) {}
    Farewells(const Farewells&) = delete;
    Farewells& operator=(const Farewells&) = delete;
    ~Farewells();

    /// The socket is not registered with the loop. The keeper may still hold a duplicate of it.
    void add(UniqueFd socket);
    [[nodiscard]] std::size_t size() const { return sockets_.size(); }

   private:
    struct Farewell final : Watcher, Deadline {
        Farewell(Farewells& all, UniqueFd fd) : owner(all), socket(std::move(fd)) {}
        void on_events(std::uint32_t events) override;
        void on_deadline() override { owner.close(*this); }

        Farewells& owner;
        UniqueFd socket;
        std::size_t discarded = 0;
        std::list<Farewell>::iterator self;
    };

    void close(Farewell& farewell);

    Loop& loop_;
    std::list<Farewell> sockets_;
};

}  // namespace keysluice
