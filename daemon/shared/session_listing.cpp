#include "daemon/shared/session_listing.hpp"

#include <sys/socket.h>

namespace keysluice {

TlsSessionId session_id_of(int fd) {
    TlsSessionId id;
    socklen_t size = sizeof(id.value);
    return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &id.value, &size) == 0 ? id : TlsSessionId{};
}

bool asks_for(const AskSessions& ask, TlsSessionId id, ServiceId service) {
    return id > ask.after && (ask.services.empty() || std::ranges::find(ask.services, service) != ask.services.end());
}

}  // namespace keysluice
