#include "daemon/shared/connection_table.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace keysluice {

namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

auto failed(std::string_view step) {
    return fail("table-failed", fmt::format("the table of connections: {}: {}", step, std::strerror(errno)));
}

}  // namespace

Result<ConnectionTable> ConnectionTable::create(std::size_t capacity) {
    UniqueFd file(memfd_create("keysluice-connections", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    const auto size = static_cast<off_t>(capacity * sizeof(TableEntry));
    if (!file || ftruncate(file.get(), size) != 0 || fcntl(file.get(), F_ADD_SEALS, kSeals) != 0) {
        return failed("creating its memory file");
    }
    return open(std::move(file));
}

Result<ConnectionTable> ConnectionTable::open(UniqueFd file) {
    struct stat status{};
    // Without the seal, whoever holds the file could shorten it under us.
    if (fstat(file.get(), &status) != 0 || (fcntl(file.get(), F_GET_SEALS) & F_SEAL_SHRINK) == 0) {
        return failed("it is not a sealed memory file");
    }
    const auto size = static_cast<std::size_t>(status.st_size);
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (memory == MAP_FAILED) {
        return failed("mapping it");
    }
    ConnectionTable table;
    table.file_ = std::move(file);
    table.entries_ = {static_cast<TableEntry*>(memory), size / sizeof(TableEntry)};
    return table;
}

ConnectionTable::ConnectionTable(ConnectionTable&& other) noexcept
    : file_(std::move(other.file_)), entries_(std::exchange(other.entries_, {})) {}

ConnectionTable& ConnectionTable::operator=(ConnectionTable&& other) noexcept {
    std::swap(file_, other.file_);
    std::swap(entries_, other.entries_);
    return *this;
}

ConnectionTable::~ConnectionTable() {
    if (!entries_.empty()) {
        munmap(entries_.data(), entries_.size_bytes());
    }
}

}  // namespace keysluice
