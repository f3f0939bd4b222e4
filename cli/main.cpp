#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "cli/bus_service.hpp"
#include "cli/command_line.hpp"
#include "cli/documents.hpp"
#include "cli/printable.hpp"
#include "daemon/shared/clock.hpp"

using namespace keysluice;
using namespace keysluice::cli;

namespace {

void write_out(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

/// https://no-color.org: a NO_COLOR that is not empty forbids colours, whatever it says.
bool wants_colours() {
    const char* refusal = std::getenv("NO_COLOR");
    const char* terminal = std::getenv("TERM");
    return isatty(STDOUT_FILENO) == 1 && (refusal == nullptr || *refusal == '\0') &&
           (terminal == nullptr || std::strcmp(terminal, "dumb") != 0);
}

/// A failure with several mistakes has a line for each, which names its own reason.
ExitStatus complain(const Error& error, bool json) {
    if (json) {
        write_out(document({{"error", to_json(error)}}));
        return exit_status_of(error.reason);
    }
    std::istringstream lines(error.sentence);
    const bool one = error.sentence.find('\n') == std::string::npos;
    for (std::string line; std::getline(lines, line);) {
        const std::string reason = one ? fmt::format(" ({})", error.reason) : "";
        std::fprintf(stderr, "keysluice: %s%s\n", printable(line).c_str(), reason.c_str());
    }
    return exit_status_of(error.reason);
}

ExitStatus once(Context& context) {
    const auto outcome = context.line.command->run(context);
    if (!outcome) {
        return complain(outcome.error(), context.line.json());
    }
    write_out(outcome->text);
    return outcome->status;
}

[[noreturn]] void again_and_again(Context& context, std::chrono::milliseconds interval) {
    const bool screen = isatty(STDOUT_FILENO) == 1 && !context.line.json();
    while (true) {
        if (screen) {
            write_out("\x1b[H\x1b[2J");
        }
        once(context);
        std::this_thread::sleep_for(interval);
    }
}

ExitStatus perform(const Invocation& line) {
    if (line.has("help")) {
        write_out(help(line.command));
        return ExitStatus::done;
    }
    if (line.has("version")) {
        write_out("keysluice " KEYSLUICE_VERSION "\n");
        return ExitStatus::done;
    }
    const auto interval = watch_interval(line);
    if (!interval) {
        return complain(interval.error(), line.json());
    }
    BusService service(line.value("bus", "system"));
    Context context{.line = line, .service = service, .colours = wants_colours(), .now = now, .write = write_out};
    if (const auto& every = *interval; every) {
        again_and_again(context, *every);
    }
    return once(context);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        const auto line = read_command_line(std::vector<std::string>(argv + 1, argv + argc));
        const ExitStatus status = line ? perform(*line) : complain(line.error(), false);
        if (std::ferror(stdout) != 0) {
            std::fprintf(stderr, "keysluice: not all of it could be written to standard output\n");
            return static_cast<int>(ExitStatus::failed);
        }
        return static_cast<int>(status);
    } catch (const std::exception& problem) {
        std::fprintf(stderr, "keysluice: %s\n", problem.what());
        return static_cast<int>(ExitStatus::failed);
    }
}
