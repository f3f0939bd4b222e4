#include "daemon/shared/users.hpp"

#include <pwd.h>
#include <unistd.h>

#include <array>

namespace keysluice {

namespace {

std::uint32_t uid_of(const char* name) {
    passwd entry{};
    passwd* found = nullptr;
    std::array<char, 1024> space{};
    return getpwnam_r(name, &entry, space.data(), space.size(), &found) == 0 && found != nullptr ? found->pw_uid
                                                                                                 : Users::kNobody;
}

}  // namespace

Users Users::look_up() {
    const Users system{.own = geteuid(),
                       .control = uid_of("keysluice"),
                       .engine = uid_of("keysluice-engine"),
                       .relay = uid_of("keysluice-relay")};
    const bool one_of_them = system.own == system.control || system.own == system.engine ||
                             system.own == system.relay || system.own == uid_of("keysluice-keeper");
    return one_of_them ? system : Users{.own = system.own};
}

bool Users::may_call(std::uint32_t uid) const {
    return may_be(uid, ProcessKind::control) || may_be(uid, ProcessKind::engine) || may_be(uid, ProcessKind::relay);
}

bool Users::may_be(std::uint32_t uid, ProcessKind kind) const {
    if (uid == kNobody) {
        return false;
    }
    if (uid == own || uid == 0) {
        return true;
    }
    switch (kind) {
        case ProcessKind::control:
            return uid == control;
        case ProcessKind::engine:
            return uid == engine;
        case ProcessKind::relay:
            return uid == relay;
    }
    return false;
}

}  // namespace keysluice
