#include "daemon/control/owned_connections.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "daemon/shared/log.hpp"
#include "daemon/shared/system_random.hpp"

namespace keysluice::control {
namespace {

constexpr const char* kName = "owned-connections";
/// In front of the file; a process that keeps them in another way has another number.
constexpr std::uint32_t kVersion = 1;
/// Octets of a Place and the version.
constexpr std::size_t kHeader = 20;
/// Of all texts together, and more than that many can have.
constexpr std::size_t kMost = std::size_t{ConnectionChange::kMostOfOneRun} * (ConnectionChange::kLongestText + 1024);

std::string get(Reader& from) {
    return std::string(as_text(from.prefixed<std::uint32_t>()));
}

/// Letters: a password is text.
GivenSecrets unknown_secrets() {
    constexpr std::size_t kSize = 32;
    constexpr std::uint8_t kLetters = 16;
    std::array<std::uint8_t, kSize> octets{};
    SystemRandom().fill(octets);
    for (std::uint8_t& octet : octets) {
        octet = static_cast<std::uint8_t>('a' + octet % kLetters);
    }
    return {.psk = std::make_shared<const ike::SharedKey>(Bytes(octets)),
            .eap_password = std::make_shared<const eap::Password>(Bytes(octets)),
            .private_key = std::make_shared<const UniqueFd>()};
}

bool write_all(int file, Bytes bytes, std::uint64_t offset) {
    while (!bytes.empty()) {
        const ssize_t size = pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (size < 0) {
            return false;
        }
        bytes = bytes.subspan(static_cast<std::size_t>(size));
        offset += static_cast<std::uint64_t>(size);
    }
    return true;
}

bool read_all(int file, MutableBytes bytes, std::uint64_t offset) {
    return pread(file, bytes.data(), bytes.size(), static_cast<off_t>(offset)) == static_cast<ssize_t>(bytes.size());
}

}  // namespace

OwnedConnections::OwnedConnections(DescriptorStore& store) {
    if (auto inherited = store.take(kName)) {
        file_ = *std::move(inherited);
        return;
    }
    if (!store.available()) {
        return;
    }
    file_ = UniqueFd(memfd_create("keysluice-owned-connections", MFD_CLOEXEC));
    if (!file_) {
        log_warning("connections of programs on the bus do not outlive this process: {} (memory-file-failed)",
                    std::strerror(errno));
    } else if (const auto kept = store.keep(kName, file_.get()); !kept) {
        log_warning("connections of programs on the bus do not outlive this process: {} ({})", kept.error().sentence,
                    kept.error().reason);
        file_ = {};
    }
}

OwnedConnections::Place OwnedConnections::place() const {
    std::array<std::uint8_t, kHeader> header{};
    if (!read_all(file_.get(), header, 0)) {
        return {};
    }
    Reader reader(header);
    const bool known = reader.be<std::uint32_t>() == kVersion;
    const auto offset = reader.be<std::uint64_t>();
    const auto size = reader.be<std::uint64_t>();
    return known && size <= kMost ? Place{offset, size} : Place{};
}

AddedTexts OwnedConnections::inherited() const {
    const Place where = file_ ? place() : Place{};
    std::vector<std::uint8_t> contents(where.size);
    if (!read_all(file_.get(), contents, where.offset)) {
        return {};
    }
    AddedTexts inherited;
    Reader reader(contents);
    while (reader.ok() && !reader.finished()) {
        std::string name = get(reader);
        std::string owner = get(reader);
        std::string text = get(reader);
        inherited.try_emplace(
            std::move(name),
            AddedText{
                .text = std::move(text), .given = unknown_secrets(), .owner = std::move(owner), .awaited = true});
    }
    return reader.ok() ? inherited : AddedTexts();
}

/// Beside what counts now. The header follows in one write, which happens as a whole or not at all.
OwnedConnections::Place OwnedConnections::write(Bytes contents) const {
    const Place now = place();
    const bool in_front = now.size == 0 || kHeader + contents.size() <= now.offset;
    const Place fresh{in_front ? kHeader : now.offset + now.size, contents.size()};
    return write_all(file_.get(), contents, fresh.offset) ? fresh : Place{};
}

void OwnedConnections::save(const AddedTexts& all) {
    if (!file_) {
        return;
    }
    Writer contents;
    for (const auto& [name, added] : all) {
        if (!added.owner.empty()) {
            contents.prefixed<std::uint32_t>(as_bytes(name))
                .prefixed<std::uint32_t>(as_bytes(added.owner))
                .prefixed<std::uint32_t>(as_bytes(added.text));
        }
    }
    const Place fresh = write(contents.view());
    Writer header;
    header.be(kVersion).be(fresh.offset).be(fresh.size);
    if (!write_all(file_.get(), header.view(), 0) || fresh.size != contents.view().size()) {
        log_warning("connections of programs on the bus do not outlive this process: {} (memory-file-failed)",
                    std::strerror(errno));
    }
}

}  // namespace keysluice::control
