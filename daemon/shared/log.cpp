#include "daemon/shared/log.hpp"

#include <unistd.h>

#include <array>
#include <optional>

#include "daemon/shared/clock.hpp"
#include "daemon/shared/journal.hpp"
#include "daemon/shared/log_limit.hpp"

namespace keysluice {

namespace {

/// As syslog(3) numbers them.
constexpr std::array kPriorities{3, 4, 6, 7};

struct Sink {
    std::string program = "keysluice";
    LogLevel level = LogLevel::info;
    LogLimit peer_failures;
    bool into_journal = false;  ///< standard error
    std::optional<Journal> journal;
};

Sink& sink() {
    static Sink instance;
    return instance;
}

std::string printable(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    for (const char character : text) {
        const auto byte = static_cast<unsigned char>(character);
        if (byte < 0x20 || byte == 0x7f) {
            result += fmt::format("\\x{:02x}", byte);
        } else {
            result += character;
        }
    }
    return result;
}

}  // namespace

void open_log(std::string program, LogLevel level) {
    sink().program = std::move(program);
    sink().level = level;
    sink().into_journal = leads_into_journal(STDERR_FILENO);
    sink().journal.reset();
}

void open_journal() {
    if (sink().into_journal) {
        sink().journal = Journal::connect();
    }
}

void set_log_level(LogLevel level) {
    sink().level = level;
}

bool logs(LogLevel level) {
    return level <= sink().level;
}

void write_log(LogLevel level, std::string_view text, const LogDetails* details) {
    if (!logs(level)) {
        return;
    }
    const int priority = kPriorities.at(static_cast<std::size_t>(level));
    const std::string shown = printable(text);
    const std::optional<Journal>& journal = sink().journal;
    if (journal && journal->send(priority, sink().program, shown, details)) {
        return;
    }
    const std::string line = fmt::format("{}{}: {}: {}\n", sink().into_journal ? fmt::format("<{}>", priority) : "",
                                         sink().program, to_string(level), shown);
    // A log that can't be written must not stop the service.
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

void log_peer_failure(std::string_view subject, const Error& error, const LogDetails* details) {
    const LogLimit::Verdict verdict = sink().peer_failures.on_failure(error.reason, now());
    if (verdict.left_out > 0) {
        log_warning("{} more failures with the reason {} were not logged one by one", verdict.left_out, error.reason);
    }
    if (verdict.write) {
        write_log(LogLevel::warning, fmt::format("{}: {} ({})", subject, error.sentence, error.reason), details);
    }
}

}  // namespace keysluice
