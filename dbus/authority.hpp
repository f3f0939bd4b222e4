#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "dbus/compat.hpp"

namespace keysluice::bus {

/// Whom the bus's callers are, and what they may: root and the user that the service runs as everything, and others
/// what polkit permits. Without polkit on the bus, that is nothing. It never waits: answers come later.
class Authority {
   public:
    /// Questions under way at a time; beyond that, callers are told to come back.
    static constexpr std::size_t kMost = 64;

    static constexpr const char* kControl = "org.keysluice1.control";
    static constexpr const char* kReload = "org.keysluice1.reload";
    static constexpr const char* kConfigure = "org.keysluice1.configure";

    explicit Authority(sdbus::IConnection& connection);

    using Verdict = std::move_only_function<void(Result<void>)>;
    /// Fails with "not-permitted", "password-needed" (it might with `interactive`) and "too-many-calls".
    void ask(const std::string& sender, const char* action, bool interactive, Verdict verdict);

   private:
    using Pending = std::shared_ptr<Verdict>;
    void ask_polkit(const std::string& sender, const char* action, bool interactive, const Pending& pending);
    void finish(const Pending& pending, Result<void> verdict);

    std::unique_ptr<sdbus::IProxy> bus_;
    std::unique_ptr<sdbus::IProxy> polkit_;
    std::size_t under_way_ = 0;
};

}  // namespace keysluice::bus
