#include "daemon/shared/secret_path.hpp"

#include <fmt/format.h>

#include <cstdlib>

namespace keysluice {

Result<std::string> secret_path(std::string_view reference) {
    if (!reference.starts_with(kCredentialPrefix)) {
        return std::string(reference);
    }
    const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
    if (directory == nullptr || *directory == '\0') {
        return fail("no-credentials",
                    fmt::format("{}: this process was given no credentials: start it as a systemd service with "
                                "LoadCredential= (keysluice-systemd(7)), or write \"file:/PATH\"",
                                reference));
    }
    return fmt::format("{}/{}", directory, reference.substr(kCredentialPrefix.size()));
}

}  // namespace keysluice
