#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/instant.hpp"
#include "base/result.hpp"
#include "cli/exit_status.hpp"
#include "cli/service.hpp"

namespace keysluice::cli {

struct Invocation;

/// What shells complete a value with; `keysluice completion` prints all but the first two for them.
enum class Completes {
    nothing,
    file,
    shells,    ///< the words that `keysluice completion` takes
    names,     ///< connections and groups
    targets,   ///< connections, groups, SPIs of IKE SAs
    sessions,  ///< connections, TLS services, SPIs of IKE SAs
    children,  ///< of any connection
};

struct Argument {
    std::string_view name;  ///< in capitals
    Completes completes = Completes::nothing;
    bool optional = false;
    bool many = false;            ///< of the last one: any number of them
    std::string_view words = {};  ///< what it may be, in place of `completes`: with blanks between them
};

struct Option {
    std::string_view name;        ///< without the dashes
    std::string_view value = {};  ///< its name in capitals; empty: it is a flag
    std::string_view help;        ///< half a sentence
    Completes completes = Completes::nothing;
};

/// What a command is given.
struct Context {
    const Invocation& line;
    Service& service;
    bool colours = false;                              ///< in text for a person
    std::function<Instant()> now;                      ///< the monotonic clock
    std::function<void(std::string_view)> write = {};  ///< to standard output at once, for commands that go on
};

/// What it says, and with what it ends. `text` is a person's, or the document where --json was asked for.
struct Outcome {
    std::string text;
    ExitStatus status = ExitStatus::done;
};

using Run = Result<Outcome> (*)(Context& context);

/// A row of the table that everything comes from: --help, what is read, completions, keysluice(1)'s synopsis.
struct Command {
    std::string_view name;
    std::span<const Argument> arguments;
    std::span<const Option> options;
    std::string_view help;   ///< one sentence, without its full stop
    bool watchable = false;  ///< --watch makes sense
    Run run = nullptr;
};

/// In the order of --help. A new command is a function of the type Run, declared in the header of its file, and a row
/// here; a test wants it in man/keysluice.1 too.
[[nodiscard]] std::span<const Command> commands();
[[nodiscard]] const Command* find_command(std::string_view name);
/// What every command takes.
[[nodiscard]] std::span<const Option> common_options();
/// The words that `keysluice completion` takes.
[[nodiscard]] std::span<const std::string_view> completion_words();

}  // namespace keysluice::cli
