#include "daemon/control/state_key.hpp"

#include <fmt/format.h>
#include <linux/keyctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace keysluice::control {
namespace {

constexpr const char* kKind = "user";
/// Everything for whoever possesses it; view, read and search for this user, whose next process does not possess it.
constexpr unsigned long kPermissions = 0x3f0b0000;

template <typename... Arguments>
long keyctl(int operation, Arguments... arguments) {
    return syscall(SYS_keyctl, operation, arguments...);
}

}  // namespace

Result<StateFile::Key> StateKey::create(Random& random) const {
    destroy();
    StateFile::Key key;
    random.fill(key.writable(32));
    // Into the session's keyring first: one that goes straight into the user's may not be read.
    const long id =
        syscall(SYS_add_key, kKind, description_.c_str(), key.expose().data(), key.size(), KEY_SPEC_SESSION_KEYRING);
    if (id < 0 || keyctl(KEYCTL_SETPERM, id, kPermissions) < 0 ||
        keyctl(KEYCTL_LINK, id, KEY_SPEC_USER_KEYRING) < 0) {
        return fail("keyring-unavailable",
                    fmt::format("the kernel's keyring does not take a key: {}; IKE SAs do not outlive this process",
                                std::strerror(errno)));
    }
    return key;
}

Result<StateFile::Key> StateKey::find() const {
    const long id = keyctl(KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, kKind, description_.c_str(), 0);
    StateFile::Key key;
    const MutableBytes room = key.writable(32);
    if (id < 0 || keyctl(KEYCTL_READ, id, room.data(), room.size()) != static_cast<long>(room.size())) {
        return fail("state-key-missing",
                    fmt::format("the key of what the process before wrote is not in the kernel's keyring: {}",
                                std::strerror(errno)));
    }
    return key;
}

void StateKey::destroy() const {
    const long id = keyctl(KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, kKind, description_.c_str(), 0);
    if (id >= 0) {
        keyctl(KEYCTL_INVALIDATE, id);
    }
}

}  // namespace keysluice::control
