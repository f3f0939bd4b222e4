#include "daemon/shared/connection_table.hpp"

#include <sys/stat.h>

namespace keysluice {

Result<ConnectionTable> ConnectionTable::create(std::size_t capacity) {
    return in(SealedMemory::create("keysluice-connections", capacity * sizeof(TableEntry)));
}

Result<ConnectionTable> ConnectionTable::open(UniqueFd file) {
    return in(SealedMemory::open(std::move(file)));
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
    return table;
}

}  // namespace keysluice
