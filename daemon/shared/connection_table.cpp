#include "daemon/shared/connection_table.hpp"

#include <sys/stat.h>

#include <algorithm>

namespace keysluice {

namespace {

// First all entries, which are looked through, then all secrets, of which only those pages exist that are used.
static_assert(sizeof(TableEntry) % alignof(KeptSecrets) == 0);
constexpr std::size_t kEach = sizeof(TableEntry) + sizeof(KeptSecrets);

}  // namespace

Result<ConnectionTable> ConnectionTable::create(std::size_t capacity) {
    return in(SealedMemory::create("keysluice-connections", capacity * kEach));
}

Result<ConnectionTable> ConnectionTable::open(UniqueFd file) {
    return in(SealedMemory::open(std::move(file)));
}

std::size_t ConnectionTable::capacity() const {
    return memory_.as<std::byte>().size() / kEach;
}

KeptSecrets& ConnectionTable::place_of_secrets(Slot slot) {
    std::byte* const all = memory_.as<std::byte>().data() + capacity() * sizeof(TableEntry);
    return reinterpret_cast<KeptSecrets*>(all)[slot.value];
}

KeptSecrets* ConnectionTable::secrets(Slot slot) {
    return locked_ ? &place_of_secrets(slot) : nullptr;
}

void ConnectionTable::keep(Slot slot, const TrafficSecrets& secrets) {
    KeptSecrets* const kept = this->secrets(slot);
    if (kept == nullptr) {
        return;
    }
    *kept = {};
    std::ranges::copy(secrets.receive.expose(), kept->receive.secrets[0].begin());
    std::ranges::copy(secrets.send.expose(), kept->send.secrets[0].begin());
    kept->size = static_cast<std::uint8_t>(secrets.receive.size());
}

void ConnectionTable::end(Slot slot) {
    at(slot).used = 0;
    // Another process may have been allowed to keep what we are not.
    if (KeptSecrets& kept = place_of_secrets(slot); kept.size != 0) {
        wipe(&kept, sizeof(kept));
    }
}

void ConnectionTable::clear(Slot slot) {
    end(slot);
    at(slot) = {};
}

bool ConnectionTable::is(const UniqueFd& file) const {
    struct stat ours{};
    struct stat theirs{};
    return fstat(memory_.file(), &ours) == 0 && fstat(file.get(), &theirs) == 0 && ours.st_dev == theirs.st_dev &&
           ours.st_ino == theirs.st_ino;
}

Result<ConnectionTable> ConnectionTable::in(Result<SealedMemory> memory) {
    if (!memory) {
        return pass_on(std::move(memory));
    }
    ConnectionTable table;
    table.memory_ = std::move(*memory);
    table.locked_ = table.memory_.lock(table.capacity() * sizeof(TableEntry));
    return table;
}

}  // namespace keysluice
