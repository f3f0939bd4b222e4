#pragma once

#include <memory>
#include <string>

#include "daemon/control/databases.hpp"
#include "daemon/control/kernel_thread.hpp"
#include "daemon/control/translate.hpp"
#include "ike/events.hpp"

namespace keysluice::control {

/// Brings CHILD SAs into the kernel and out of it, and tells IKE what the kernel says about them.
class ChildInstaller {
   public:
    class Owner {
       public:
        Owner() = default;
        Owner(const Owner&) = delete;
        Owner& operator=(const Owner&) = delete;
        virtual ~Owner() = default;
        /// May come from inside perform().
        virtual void on_kernel(ike::Event event) = 0;
        /// A packet met what trap() installed for this child.
        virtual void on_wanted(const ike::ChildSaSpec& child, const xfrm::Selector& packet) = 0;
        /// Something was carried out.
        virtual void on_progress() = 0;
    };

    ChildInstaller(Loop& loop, std::unique_ptr<Databases> databases, Owner& owner);

    void perform(ike::InstallChild action);
    void perform(ike::InstallOutbound action);
    void perform(const ike::MoveChild& action);
    void perform(const ike::RemoveChild& action);
    void perform(const ike::RemoveOutbound& action);
    /// Makes packets for the child ask for it, instead of what it had before. `spec` has no SPIs yet.
    void trap(const ike::ChildSaSpec& spec);
    using ChildNames = Translator::ChildNames;
    /// Packets for other children no longer ask.
    void untrap_all_but(const ChildNames& kept);
    /// Takes everything out.
    void clear();

    void hear(const xfrm::Event& event);

    [[nodiscard]] bool idle() const { return kernel_.idle(); }

   private:
    void on(const xfrm::Acquire& event);
    void on(const xfrm::Expire& event);
    void on(const xfrm::MappingChange& event);
    void on(const xfrm::Lost& event);
    void compare(const Translator::Account& expected, const std::vector<xfrm::SaState>& found);
    [[nodiscard]] Result<void> room() const;
    /// Changes of which nobody waits for the result.
    void submit(xfrm::Transaction transaction, std::string what);

    Translator translator_;
    Owner& owner_;
    KernelThread kernel_;
};

}  // namespace keysluice::control
