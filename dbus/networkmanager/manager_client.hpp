#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/unique_fd.hpp"
#include "dbus/common/row_types.hpp"
#include "dbus/networkmanager/profile.hpp"
#include "dbus/networkmanager/tunnel.hpp"

namespace keysluice::networkmanager {

/// org.keysluice1.Manager, for one connection: questions go out, and answers come back as events, as does what it
/// tells by itself. No answer comes for a question to a keysluiced that has gone.
class ManagerClient {
   public:
    using OnEvent = std::function<void(Event)>;

    ManagerClient(sdbus::IConnection& connection, OnEvent on_event);

    /// What add() is to add from now on. Its secrets are kept in memory files, so that a second keysluiced can have
    /// them too. Error: `memory-file-failed`.
    [[nodiscard]] Result<void> use(Profile profile, GivenSecrets secrets);

    void add();
    void begin();
    void look();
    void remove();

   private:
    using Reply = std::function<void(Result<void>)>;
    void close(Reply then);
    void on_owner(const std::string& owner);
    void on_events(std::uint64_t first, const std::vector<bus::EventRow>& rows);
    [[nodiscard]] bool gone(bus::ReplyError error) const;
    [[nodiscard]] std::function<void(bus::ReplyError, std::uint32_t)> answered(Reply reply);

    sdbus::IConnection& connection_;
    OnEvent on_event_;
    std::unique_ptr<sdbus::IProxy> manager_;
    std::optional<sdbus::Slot> owners_;
    Profile profile_;
    UniqueFd psk_;
    UniqueFd password_;
    UniqueFd private_key_;
    bool there_ = false;          ///< as far as we know
    std::uint64_t absences_ = 0;  ///< an answer of before one of them is none any more
    std::uint64_t next_event_ = 0;
};

}  // namespace keysluice::networkmanager
