#include "daemon/shared/journal.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cstdlib>
#include <iterator>
#include <string>

#include "daemon/shared/notify_address.hpp"
#include "daemon/shared/quoted.hpp"

namespace keysluice {

bool leads_into_journal(int descriptor) {
    const char* const stream = std::getenv("JOURNAL_STREAM");
    struct stat file{};
    return stream != nullptr && fstat(descriptor, &file) == 0 &&
           stream == fmt::format("{}:{}", file.st_dev, file.st_ino);
}

std::optional<Journal> Journal::connect(std::string_view path) {
    const auto address = NotifyAddress::parse(path);
    UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!address || !socket ||
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address->raw), address->length) != 0) {
        return std::nullopt;
    }
    return Journal(std::move(socket));
}

bool Journal::send(int priority, std::string_view program, std::string_view text, const LogDetails* details) const {
    std::string datagram = fmt::format("MESSAGE={}\nPRIORITY={}\nSYSLOG_IDENTIFIER={}\n", text, priority, program);
    if (details != nullptr) {
        const LogEventName& event = describe(details->event);
        fmt::format_to(std::back_inserter(datagram), "MESSAGE_ID={}\nKEYSLUICE_EVENT={}\n", event.message_id,
                       event.name);
        for (const LogField& field : details->fields) {
            fmt::format_to(std::back_inserter(datagram), "KEYSLUICE_{}={}\n", field.name, escaped(field.value));
        }
    }
    return ::send(socket_.get(), datagram.data(), datagram.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(datagram.size());
}

}  // namespace keysluice
