#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace keysluice {

/// Descriptors that whoever started this process keeps for the next one: the service manager (sd_notify(3),
/// FDSTORE=1), or the parent with --all-in-one, which understands the same (DescriptorShelf).
class DescriptorStore {
   public:
    /// Where nobody keeps anything.
    DescriptorStore() = default;
    /// `manager`: its datagram socket, a path or a name in the abstract namespace behind an '@'.
    DescriptorStore(std::string manager, std::map<std::string, UniqueFd> inherited);

    /// Variable that the parent sets instead of $NOTIFY_SOCKET.
    static constexpr const char* kParentVariable = "KEYSLUICE_DESCRIPTOR_STORE";

    /// From $NOTIFY_SOCKET, where $FDSTORE says that descriptors are kept, $LISTEN_PID, $LISTEN_FDS and
    /// $LISTEN_FDNAMES. Once, before anything is opened, and while the process has one thread: see take_inherited().
    [[nodiscard]] static DescriptorStore from_environment();

    [[nodiscard]] bool available() const { return !manager_.empty(); }
    /// What an earlier process left under this name; once.
    [[nodiscard]] std::optional<UniqueFd> take(const std::string& name);
    /// All that is left of it, by name.
    [[nodiscard]] std::map<std::string, UniqueFd> take_all() { return std::exchange(inherited_, {}); }
    /// `name`: up to 255 characters, no colon. Error: "descriptor-not-kept".
    [[nodiscard]] Result<void> keep(const std::string& name, int descriptor);
    void forget(const std::string& name);

   private:
    [[nodiscard]] Result<void> say(const std::string& text, int descriptor) const;

    std::string manager_;
    UniqueFd socket_;  ///< open from the beginning: a process that confines itself later may make none
    std::map<std::string, UniqueFd> inherited_;
};

}  // namespace keysluice
