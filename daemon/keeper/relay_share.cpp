#include "daemon/keeper/relay_share.hpp"

#include <fcntl.h>

#include "daemon/shared/sockets.hpp"

namespace keysluice {

namespace {

UniqueFd duplicate_fd(const UniqueFd& fd) {
    return UniqueFd(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
}

}  // namespace

Result<RelayShare> RelayShare::create(std::size_t slots) {
    auto table = ConnectionTable::create(slots);
    if (!table) {
        return pass_on(std::move(table));
    }
    return RelayShare(std::move(*table), slots);
}

RelayShare::RelayShare(ConnectionTable table, std::size_t slots) : table_(std::move(table)), kept_(slots) {
    // The lowest numbers are used first and again, so that only those pages of the table exist that are needed.
    for (std::size_t slot = slots; slot-- > 0;) {
        free_.push_back({static_cast<std::uint32_t>(slot)});
    }
}

void RelayShare::connect(Channel& channel) {
    channel_ = &channel;
    Descriptors file;
    file.emplace_back(fcntl(table_.file(), F_DUPFD_CLOEXEC, 0));
    static_cast<void>(channel.send(Table{}, std::move(file)));
    for (std::size_t i = 0; i < pipes_.size(); ++i) {
        Descriptors ends;
        ends.push_back(duplicate_fd(pipes_[i].read_end));
        ends.push_back(duplicate_fd(pipes_[i].write_end));
        static_cast<void>(channel.send(Pipe{{static_cast<std::uint16_t>(i)}}, std::move(ends)));
    }
    for (std::uint32_t slot = 0; slot < kept_.size(); ++slot) {
        if (kept_[slot].tls) {
            tell({slot});
        }
    }
}

void RelayShare::take(const Handover& connection, Descriptors sockets) {
    const Slot slot = free_.back();
    free_.pop_back();
    kept_[slot.value].tls = std::move(sockets[0]);
    if (sockets.size() > 1) {
        kept_[slot.value].plain = std::move(sockets[1]);
    }
    table_.at(slot) = TableEntry{
        .used = 1, .service = connection.service.value, .tls13 = static_cast<std::uint8_t>(connection.tls13 ? 1 : 0)};
    if (channel_ != nullptr) {
        tell(slot);
    }
}

void RelayShare::tell(Slot slot) {
    const TableEntry& entry = table_.at(slot);
    const Kept& kept = kept_[slot.value];
    Descriptors sockets;
    sockets.push_back(duplicate_fd(kept.tls));
    if (kept.plain) {
        sockets.push_back(duplicate_fd(kept.plain));
    }
    const Adopt adopt{.slot = slot, .connection = {.service = {entry.service}, .tls13 = entry.tls13 != 0}};
    if (!channel_->send(adopt, std::move(sockets))) {
        // A relay that lets so much pile up is not coming back to it.
        reset_on_close(kept.tls.get());
        release(slot);
    }
}

void RelayShare::attach(Slot slot, UniqueFd plain) {
    if (in_use(slot)) {
        kept_[slot.value].plain = std::move(plain);
    }
}

void RelayShare::keep_pipe(PipeId pipe, Descriptors ends) {
    if (pipe.value == pipes_.size() && ends.size() == 2) {
        pipes_.push_back({std::move(ends[0]), std::move(ends[1])});
    }
}

void RelayShare::release(Slot slot) {
    if (in_use(slot)) {
        kept_[slot.value] = {};
        table_.at(slot) = {};
        free_.push_back(slot);
    }
}

}  // namespace keysluice
