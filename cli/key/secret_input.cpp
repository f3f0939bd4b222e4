#include "cli/key/secret_input.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/constant_time.hpp"
#include "base/unique_fd.hpp"
#include "daemon/control/private_file.hpp"

namespace keysluice::cli {
namespace {

void say(int terminal, std::string_view text) {
    static_cast<void>(::write(terminal, text.data(), text.size()) > 0);
}

void take_off_line_feed(SecretBuffer& secret) {
    if (!secret.empty() && secret.back() == '\n') {
        secret.pop_back();
    }
}

/// A terminal that does not show what is typed, for as long as this exists. Signals that would end or stop the
/// process wait meanwhile.
class SilentTerminal {
   public:
    SilentTerminal(int terminal, const termios& before) : terminal_(terminal), before_(before) {
        sigset_t wanted;
        sigemptyset(&wanted);
        for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP}) {
            sigaddset(&wanted, signal);
        }
        pthread_sigmask(SIG_BLOCK, &wanted, &mask_);
        signals_.reset(signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
        termios silent = before;
        silent.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHOE | ECHOK | ECHONL);
        tcsetattr(terminal_, TCSAFLUSH, &silent);
    }
    SilentTerminal(const SilentTerminal&) = delete;
    SilentTerminal& operator=(const SilentTerminal&) = delete;
    ~SilentTerminal() {
        tcsetattr(terminal_, TCSAFLUSH, &before_);
        say(terminal_, "\n");
        signals_.reset();
        pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
    }

    /// A line, or the signal that came before it ended.
    int read_line(SecretBuffer& line) const {
        std::array<pollfd, 2> watched{pollfd{.fd = terminal_, .events = POLLIN, .revents = 0},
                                      pollfd{.fd = signals_.get(), .events = POLLIN, .revents = 0}};
        signalfd_siginfo signal{};
        while (::poll(watched.data(), watched.size(), -1) < 0 && errno == EINTR) {
        }
        if (::read(signals_.get(), &signal, sizeof(signal)) == static_cast<ssize_t>(sizeof(signal))) {
            return static_cast<int>(signal.ssi_signo);
        }
        // A terminal gives a line at once.
        line.resize(control::kMostSecretOctets);
        const ssize_t size = ::read(terminal_, line.data(), line.size());
        line.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
        return 0;
    }

   private:
    int terminal_;
    termios before_;
    sigset_t mask_{};
    UniqueFd signals_;
};

}  // namespace

Result<SecretBuffer> ask_hidden(const std::string& question) {
    const UniqueFd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
    termios before{};
    if (!terminal || tcgetattr(terminal.get(), &before) != 0) {
        return fail("passphrase-unusable",
                    fmt::format("there is no terminal to ask on ({}): use --passphrase-file, or "
                                "standard input",
                                std::strerror(errno)));
    }
    SecretBuffer line;
    int signal = 0;
    do {
        {
            const SilentTerminal silent(terminal.get(), before);
            say(terminal.get(), question);
            signal = silent.read_line(line);
        }
        // Most end the process here. After a stop, or where it is ignored, it is asked again.
        if (signal != 0) {
            ::raise(signal);
        }
    } while (signal != 0);
    take_off_line_feed(line);
    if (line.empty()) {
        return fail("passphrase-unusable", "nothing was typed");
    }
    return line;
}

Result<SecretBuffer> secret_from_input(const std::string& question) {
    if (isatty(STDIN_FILENO) == 1) {
        return ask_hidden(question);
    }
    auto secret = control::read_secret(STDIN_FILENO, "standard input");
    if (secret) {
        take_off_line_feed(*secret);
    }
    return secret;
}

Result<SecretBuffer> read_passphrase(const std::string& file, bool twice) {
    if (!file.empty()) {
        auto secret = control::read_private_file(file, 0077);
        if (secret) {
            take_off_line_feed(*secret);
        }
        return secret;
    }
    auto typed = ask_hidden("passphrase (not shown): ");
    if (!typed || !twice) {
        return typed;
    }
    const auto again = ask_hidden("the same again: ");
    if (!again) {
        return std::unexpected(again.error());
    }
    if (!equal_in_constant_time(*typed, *again)) {
        return fail("passphrase-unusable", "the two passphrases that were typed differ");
    }
    return typed;
}

}  // namespace keysluice::cli
