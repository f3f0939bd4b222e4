#include "daemon/control/all_in_one.hpp"

#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "daemon/shared/log.hpp"

namespace keysluice::control {

int become_keeper(const std::string& config_file, const Configuration& configuration, bool null_kernel) {
    const auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    const std::string keeper = folder / "keysluice-keeper";
    const std::string engines = std::to_string(configuration.daemon.engines);
    const std::string level(to_string(configuration.daemon.log_level));
    const std::string config = std::filesystem::absolute(config_file);
    execl(keeper.c_str(), keeper.c_str(), "--runtime-directory", configuration.daemon.runtime_directory.c_str(),
          "--log-level", level.c_str(), "--engines", engines.c_str(), "--all-in-one", config.c_str(),
          null_kernel ? "--null-kernel" : nullptr, nullptr);
    std::fprintf(stderr, "%s can't be started\n", keeper.c_str());
    return 1;
}

}  // namespace keysluice::control
