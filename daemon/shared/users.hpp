#pragma once

#include <cstdint>

#include "daemon/shared/messages.hpp"

namespace keysluice {

/// The system users that keysluice's processes run as, and what a process of a user may say that it is. An engine
/// that was taken over by a client can't pose as a relay, and so gets no connection but its own.
///
/// Where all run as one user (--all-in-one), that user and root may be anything, and nobody else is let in.
struct Users {
    static constexpr std::uint32_t kNobody = UINT32_MAX;

    std::uint32_t own = kNobody;
    std::uint32_t control = kNobody;
    std::uint32_t engine = kNobody;
    std::uint32_t relay = kNobody;

    /// As the user database knows them: keysluice, keysluice-engine, keysluice-relay and keysluice-keeper. A process
    /// that runs as none of these lets none of them in.
    [[nodiscard]] static Users look_up();

    [[nodiscard]] bool may_call(std::uint32_t uid) const;
    [[nodiscard]] bool may_be(std::uint32_t uid, ProcessKind kind) const;
};

}  // namespace keysluice
