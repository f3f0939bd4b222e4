#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "dbus/objects.hpp"
#include "dbus/resolver.hpp"

namespace keysluice::bus {

/// The objects below the ObjectManager, up to a limit: its GetManagedObjects has all of them in one message, and a
/// bus cuts off who sends too large a one.
class Tree {
   public:
    static constexpr std::size_t kMostSas = 4096;
    /// Of GetManagedObjects, about: the IKE SAs' part of 16 MiB.
    static constexpr std::size_t kMostOctets = 8U << 20U;

    /// `resolver` hears of each IKE SA that comes, changes or goes.
    Tree(sdbus::IConnection& connection, Commands& commands, Inquiries& inquiries, Resolver& resolver)
        : connection_(connection), commands_(commands), inquiries_(inquiries), resolver_(resolver) {}

    /// From now on, coming and going is announced.
    void go_public() { public_ = true; }

    /// What is the same stays.
    void put(const control::Setup& setup);
    /// The one that a connection uses.
    void put_gateway(const std::string& connection, const std::string& gateway);
    /// Adds it where there is room.
    void put(control::IkeSaView view);
    void remove(ike::IkeSpi spi);
    /// There was none for some, and is again: time for a walk.
    [[nodiscard]] bool has_room_again() const;

    /// All that are not put between these two go.
    void begin_walk();
    void end_walk();

   private:
    struct SaEntry {
        std::unique_ptr<IkeSaObject> object;
        std::size_t size = 0;
        std::uint64_t walk = 0;
    };
    using SaEntries = std::map<ike::IkeSpi, SaEntry>;
    SaEntries::iterator erase(SaEntries::iterator entry);

    sdbus::IConnection& connection_;
    Commands& commands_;
    Inquiries& inquiries_;
    Resolver& resolver_;
    bool public_ = false;
    std::map<std::string, std::unique_ptr<ConnectionObject>> connections_;
    std::map<std::string, std::unique_ptr<TlsServiceObject>> services_;
    SaEntries sas_;
    std::size_t octets_ = 0;
    std::uint64_t walk_ = 0;
    bool left_out_ = false;  ///< some, since the last walk began
};

}  // namespace keysluice::bus
