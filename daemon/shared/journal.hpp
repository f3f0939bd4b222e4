#pragma once

#include <optional>
#include <string_view>

#include "base/unique_fd.hpp"
#include "daemon/shared/log_events.hpp"

namespace keysluice {

/// Whether that descriptor leads into the journal: $JOURNAL_STREAM, as systemd.exec(5) has it.
[[nodiscard]] bool leads_into_journal(int descriptor);

/// The journal's own protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL), which has fields beside the text.
class Journal {
   public:
    /// Of the system. None where it does not listen.
    [[nodiscard]] static std::optional<Journal> connect(std::string_view path = "/run/systemd/journal/socket");

    /// `priority` as of syslog(3). `text` is one line without control characters; those of the fields are escaped.
    /// Returns whether the journal has taken it; never waits.
    [[nodiscard]] bool send(int priority, std::string_view program, std::string_view text,
                            const LogDetails* details) const;

   private:
    explicit Journal(UniqueFd socket) : socket_(std::move(socket)) {}

    UniqueFd socket_;
};

}  // namespace keysluice
