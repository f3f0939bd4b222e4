#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "daemon/shared/loop.hpp"

namespace keysluice {

/// Keeps descriptors of a child for the child that comes after it, as the service manager's descriptor store does:
/// with --all-in-one, where there is none.
class DescriptorShelf final : Watcher {
   public:
    /// More are not kept.
    static constexpr std::size_t kMost = 16;

    /// Listens at `path` to this user's processes. Error: "channel-bind-failed".
    [[nodiscard]] static Result<std::unique_ptr<DescriptorShelf>> create(Loop& loop, const std::string& path);
    ~DescriptorShelf() override;

    /// What is in the queue is taken in before a child can miss it.
    void read_all();
    /// In the child that is about to execute another program: puts the descriptors where it finds them, and sets
    /// $KEYSLUICE_DESCRIPTOR_STORE, $LISTEN_PID, $LISTEN_FDS and $LISTEN_FDNAMES.
    void hand_over() const;

    [[nodiscard]] const std::map<std::string, UniqueFd>& kept() const { return kept_; }

   private:
    DescriptorShelf(Loop& loop, std::string path, UniqueFd socket);
    void on_events(std::uint32_t events) override;
    [[nodiscard]] bool read_one();

    Loop& loop_;
    std::string path_;
    UniqueFd socket_;
    std::map<std::string, UniqueFd> kept_;
};

}  // namespace keysluice
