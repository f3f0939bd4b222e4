#include "daemon/control/client.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/unique_fd.hpp"
#include "daemon/control/status.hpp"
#include "daemon/shared/endpoint.hpp"
#include "daemon/shared/sockets.hpp"

namespace keysluice::control {

Result<std::string> fetch_status(const std::string& runtime_directory) {
    const std::string path = runtime_path(runtime_directory, "status.sock");
    const auto address = to_socket_address(UnixEndpoint{path});
    const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval patience{.tv_sec = 5, .tv_usec = 0};
    setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (!address || connect(socket.get(), address->get(), address->length) != 0) {
        return fail("status-unreachable", fmt::format("{}: {}; is keysluiced running with this configuration?", path,
                                                      std::strerror(errno)));
    }
    std::string text;
    std::array<char, 4096> chunk{};
    ssize_t size = 0;
    while ((size = recv(socket.get(), chunk.data(), chunk.size(), 0)) > 0) {
        text.append(chunk.data(), static_cast<std::size_t>(size));
    }
    return text;
}

int print_status(const std::string& runtime_directory, bool as_json) {
    const auto text = fetch_status(runtime_directory);
    if (!text) {
        std::fprintf(stderr, "%s\n", text.error().sentence.c_str());
        return 1;
    }
    const auto table = to_table(*text);
    if (!table) {
        std::fprintf(stderr, "%s\n", table.error().sentence.c_str());
        return 1;
    }
    std::fputs(as_json ? text->c_str() : table->c_str(), stdout);
    return 0;
}

}  // namespace keysluice::control
