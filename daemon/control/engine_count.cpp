#include "daemon/control/engine_count.hpp"

#include <fstream>

#include "daemon/shared/log.hpp"
#include "daemon/shared/sockets.hpp"

namespace keysluice::control {

void announce_engines(const std::string& runtime_directory, std::size_t engines) {
    const std::string path = runtime_path(runtime_directory, "engines");
    std::ofstream file(path, std::ios::trunc);
    file << engines << '\n';
    file.close();
    if (!file) {
        log_warning("{} can't be written: a service manager does not know how many engines to start", path);
    }
}

}  // namespace keysluice::control
