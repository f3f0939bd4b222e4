#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "cli/doctor/look.hpp"
#include "crypto/credentials.hpp"

namespace keysluice::doctor {
namespace {

/// Whether the system user may read it by user, group or as anybody; true where there is no such user.
bool may_read(const std::string& name, const struct stat& status) {
    const passwd* user = getpwnam(name.c_str());
    if (user == nullptr) {
        return true;
    }
    const uid_t uid = user->pw_uid;
    std::array<gid_t, 64> groups{};
    int count = static_cast<int>(groups.size());
    if (getgrouplist(name.c_str(), user->pw_gid, groups.data(), &count) < 0) {
        count = static_cast<int>(groups.size());
    }
    const bool in_group =
        std::ranges::find(groups.begin(), groups.begin() + count, status.st_gid) != groups.begin() + count;
    return (status.st_uid == uid && (status.st_mode & S_IRUSR) != 0) ||
           (in_group && (status.st_mode & S_IRGRP) != 0) || (status.st_mode & S_IROTH) != 0;
}

bool hidden_from_us(int error) {
    return error == EACCES && geteuid() != 0;
}

}  // namespace

std::vector<CertificateFacts> look_at_certificates(const std::vector<Wants::File>& files,
                                                   std::chrono::system_clock::time_point now) {
    std::vector<CertificateFacts> found;
    for (const Wants::File& file : files) {
        CertificateFacts& facts = found.emplace_back(CertificateFacts{.of = file.of, .path = file.path, .error = {}});
        const bool readable = access(file.path.c_str(), R_OK) == 0;
        facts.hidden = !readable && hidden_from_us(errno);
        if (facts.hidden) {
            continue;
        }
        if (const auto chain = crypto::read_certificate_chain(file.path, now)) {
            facts.end = crypto::end_of(*chain);
        } else {
            facts.error = chain.error();
        }
    }
    return found;
}

std::vector<SecretFacts> look_at_secrets(const std::vector<Wants::File>& files) {
    std::vector<SecretFacts> found;
    for (const Wants::File& file : files) {
        SecretFacts& facts =
            found.emplace_back(SecretFacts{.of = file.of, .path = file.path, .user = file.user, .problem = {}});
        struct stat status{};
        if (stat(file.path.c_str(), &status) != 0) {
            facts.hidden = hidden_from_us(errno);
            facts.problem = std::strerror(errno);
            continue;
        }
        facts.by_all = (status.st_mode & S_IROTH) != 0;
        facts.changeable = (status.st_mode & (S_IWGRP | S_IWOTH)) != 0;
        facts.by_user = may_read(file.user, status);
    }
    return found;
}

}  // namespace keysluice::doctor
