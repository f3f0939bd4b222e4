#include "daemon/shared/connection_table.hpp"

namespace keysluice {

Result<ConnectionTable> ConnectionTable::create(std::size_t capacity) {
    return in(SealedMemory::create("keysluice-connections", capacity * sizeof(TableEntry)));
}

Result<ConnectionTable> ConnectionTable::open(UniqueFd file) {
    return in(SealedMemory::open(std::move(file)));
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
