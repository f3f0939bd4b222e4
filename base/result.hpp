#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace keysluice {

/// Why something failed, for a person and for a program at once.
///
/// `reason` is a stable, lower-case code with dashes, one of base/reasons.cpp: counters, logs and scripts use it, so
/// a code never changes its meaning. It must have static storage. `sentence` says which peer or file, what was
/// expected, what came and what to do; it ends without a full stop so that it can stand in a log line.
struct Error {
    std::string_view reason;
    std::string sentence;
};

/// A failure is a value. Bugs abort, and outcomes that a caller must expect are enumerators inside `T`.
template <typename T>
using Result = std::expected<T, Error>;

/// The failure side of a Result: `return fail("no-route", fmt::format(...))`.
[[nodiscard]] inline std::unexpected<Error> fail(std::string_view reason, std::string sentence) {
    return std::unexpected(Error{reason, std::move(sentence)});
}

/// Passes the failure of one Result on as the failure of another type of Result.
template <typename T>
[[nodiscard]] std::unexpected<Error> pass_on(Result<T>&& failed) {
    return std::unexpected(std::move(failed).error());
}

}  // namespace keysluice
