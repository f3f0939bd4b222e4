#pragma once

#include <sys/types.h>

#include <list>
#include <string>
#include <vector>

#include "daemon/keeper/descriptor_shelf.hpp"
#include "daemon/shared/loop.hpp"

namespace keysluice {

/// A program that is to run as long as we do.
struct Program {
    std::string name;  ///< for the log: "engine 0"
    std::vector<std::string> arguments;
    bool essential = false;  ///< when it says that its configuration is wrong (kExitConfiguration), everything ends
    DescriptorShelf* shelf = nullptr;  ///< of descriptors that outlive it
    bool speaks = false;               ///< for all of us, to the service manager that started us ($NOTIFY_SOCKET)
};

/// The exit status of a program that would fail in the same way again: a mistake that only a person can mend.
inline constexpr int kExitConfiguration = 78;  // EX_CONFIG of sysexits.h

/// Starts programs, starts them again when they die, and ends them together. For --all-in-one, where no service
/// manager does it. Children die with this process, however it dies.
class Children final : Deadline {
   public:
    /// A program that lives shorter than this waits before its next start.
    static constexpr Duration kShortLife = std::chrono::seconds(1);
    static constexpr Duration kPause = std::chrono::milliseconds(500);
    /// How long they may take to end before they are killed.
    static constexpr Duration kGrace = std::chrono::seconds(3);

    explicit Children(Loop& loop) : loop_(loop) {}
    ~Children() override;

    void start(Program program);
    /// On SIGCHLD.
    void reap();
    /// Starts a successor beside the program of this name, which ends in its own time.
    void replace(const std::string& name);
    /// Passes a signal on to the program of this name.
    void signal(const std::string& name, int number);
    /// Asks all to end at once; the loop stops when they have.
    void stop();
    /// What the whole should exit with.
    [[nodiscard]] int status() const { return status_; }

   private:
    struct Child {
        Program program;
        pid_t pid = -1;
        Instant started{};
        Instant start_again{};
        bool retiring = false;
    };

    void spawn(Child& child);
    void start_later(Child& child);
    void arm_for_next_start();
    void on_exit(std::list<Child>::iterator child, int wait_status);
    void on_deadline() override;

    Loop& loop_;
    std::list<Child> children_;
    bool stopping_ = false;
    int status_ = 0;
};

}  // namespace keysluice
