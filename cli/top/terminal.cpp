#include "cli/top/terminal.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <string_view>
#include <utility>

namespace keysluice::cli {
namespace {

// xterm's private modes, which all terminals of today have: 1049 is the other screen, 25 the cursor, 7 the wrapping.
constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l\x1b[?7l";
constexpr std::string_view kLeave = "\x1b[?7h\x1b[?25h\x1b[?1049l";

void write_out(std::string_view text) {
    while (!text.empty()) {
        const ssize_t size = ::write(STDOUT_FILENO, text.data(), text.size());
        if (size < 0 && errno != EINTR) {
            return;  // it is gone: wait() says so
        }
        text.remove_prefix(size < 0 ? 0 : static_cast<std::size_t>(size));
    }
}

}  // namespace

Result<std::unique_ptr<Terminal>> Terminal::open() {
    termios before{};
    if (isatty(STDOUT_FILENO) != 1 || tcgetattr(STDIN_FILENO, &before) != 0) {
        return fail("bad-argument",
                    "top is for a terminal; keysluice stats --watch 1 --json has its numbers for programs");
    }
    sigset_t wanted;
    sigset_t mask;
    sigemptyset(&wanted);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH}) {
        sigaddset(&wanted, signal);
    }
    pthread_sigmask(SIG_BLOCK, &wanted, &mask);
    UniqueFd signals(signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
    std::unique_ptr<Terminal> terminal(new Terminal(before, mask, std::move(signals)));
    termios raw = before;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    raw.c_cc[VSUSP] = _POSIX_VDISABLE;  // a shell would come back to this screen
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
    write_out(kEnter);
    return terminal;
}

Terminal::Terminal(const termios& before, const sigset_t& mask, UniqueFd signals)
    : before_(before), mask_(mask), signals_(std::move(signals)) {}

Terminal::~Terminal() {
    write_out(kLeave);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    signals_.reset();
    // What still waits has been obeyed: it must not end the process before its exit status does.
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
        ::signal(signal, SIG_IGN);
    }
    pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
}

Terminal::Size Terminal::size() {
    winsize found{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &found) != 0 || found.ws_col == 0 || found.ws_row == 0) {
        return {};
    }
    return {.width = found.ws_col, .height = found.ws_row};
}

void Terminal::draw(const std::vector<std::string>& lines) {
    std::string text = "\x1b[H";
    for (const std::string& line : lines) {
        text += line + (&line == &lines.back() ? "\x1b[J" : "\r\n");
    }
    write_out(text);
}

Terminal::Input Terminal::wait(Duration longest) const {
    std::array<pollfd, 2> watched{pollfd{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0},
                                  pollfd{.fd = signals_.get(), .events = POLLIN, .revents = 0}};
    const auto timeout = std::chrono::ceil<std::chrono::milliseconds>(std::max(longest, Duration::zero()));
    Input input;
    if (::poll(watched.data(), watched.size(), static_cast<int>(timeout.count())) <= 0) {
        return input;
    }
    if (watched[0].revents != 0) {
        std::array<char, 256> typed{};
        const ssize_t size = ::read(STDIN_FILENO, typed.data(), typed.size());
        input.typed.assign(typed.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
        input.ended = size <= 0 && errno != EINTR;
    }
    signalfd_siginfo signal{};
    while (::read(signals_.get(), &signal, sizeof(signal)) == static_cast<ssize_t>(sizeof(signal))) {
        input.ended = input.ended || signal.ssi_signo != SIGWINCH;
    }
    return input;
}

}  // namespace keysluice::cli
