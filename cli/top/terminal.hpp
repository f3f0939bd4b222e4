#pragma once

#include <signal.h>
#include <termios.h>

#include <memory>
#include <string>
#include <vector>

#include "base/instant.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace keysluice::cli {

/// The terminal as a screen, with keys as they are pressed. It is as it was when this goes, which SIGINT, SIGTERM,
/// SIGHUP and SIGQUIT wait for: they are blocked meanwhile, and end wait().
class Terminal {
   public:
    /// Error: `bad-argument`, where standard input and output are no terminal.
    [[nodiscard]] static Result<std::unique_ptr<Terminal>> open();
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;
    ~Terminal();

    struct Size {
        std::size_t width = 80;
        std::size_t height = 24;
    };
    [[nodiscard]] static Size size();
    static void draw(const std::vector<std::string>& lines);

    struct Input {
        std::string typed;
        bool ended = false;  ///< a signal wants the end, or the terminal is gone
    };
    /// Until something is typed, the terminal gets another size, or `longest` is over.
    [[nodiscard]] Input wait(Duration longest) const;

   private:
    Terminal(const termios& before, const sigset_t& mask, UniqueFd signals);

    termios before_;
    sigset_t mask_;
    UniqueFd signals_;
};

}  // namespace keysluice::cli
