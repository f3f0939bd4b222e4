#include "daemon/keeper/relay_share.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

namespace keysluice {

namespace {

ino_t inode_of(const UniqueFd& socket) {
    struct stat status{};
    return fstat(socket.get(), &status) == 0 ? status.st_ino : 0;
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

Result<RelayShare> RelayShare::bring(UniqueFd file, Channel& relay) {
    auto table = ConnectionTable::open(std::move(file));
    if (!table) {
        return pass_on(std::move(table));
    }
    const std::size_t slots = table->entries().size();
    if (slots == 0 || slots > kMostSlots) {
        return fail("memory-file-failed",
                    fmt::format("a relay brings a table of {} connections; expected 1 to {}", slots, kMostSlots));
    }
    RelayShare share(std::move(*table), slots);
    share.free_.clear();
    share.channel_ = &relay;
    share.incomplete_ = true;
    return share;
}

void RelayShare::restore(Slot slot, Descriptors sockets) {
    if (slot.value >= kept_.size() || sockets.empty()) {
        return;
    }
    Kept& kept = kept_[slot.value];
    const ino_t inode = inode_of(sockets[0]);
    kept = {.tls = std::move(sockets[0]), .plain = {}, .inode = inode, .told = true, .origin = {}};
    if (sockets.size() > 1) {
        kept.plain = std::move(sockets[1]);
    }
}

void RelayShare::complete() {
    incomplete_ = false;
    for (std::size_t slot = kept_.size(); slot-- > 0;) {
        const Slot each{static_cast<std::uint32_t>(slot)};
        if (!in_use(each)) {
            if (table_.at(each).used != 0) {  // else there are no secrets, and maybe no memory for them
                table_.clear(each);
            }
            table_.at(each) = {};
            free_.push_back(each);
        }
    }
}

void RelayShare::connect(Channel& channel) {
    channel_ = &channel;
    on_their_way_.clear();
    Descriptors file;
    file.push_back(duplicate_fd(table_.file()));
    static_cast<void>(channel.send(Table{}, std::move(file)));
    pipes_told_ = 0;
    untold_.clear();
    for (std::uint32_t slot = 0; slot < kept_.size(); ++slot) {
        kept_[slot].told = false;
        if (in_use({slot}) && table_.at({slot}).used == 0) {
            release({slot});  // the relay ended it, and could not say so any more
        } else if (in_use({slot})) {
            untold_.push_back({slot});
        }
    }
    go_on();
}

void RelayShare::go_on() {
    while (channel_ != nullptr && !incomplete_ && channel_->queued() < kAhead) {
        if (pipes_told_ < pipes_.size()) {
            if (!tell_pipe(pipes_told_)) {
                return;
            }
            ++pipes_told_;
        } else if (!untold_.empty()) {
            if (!tell_connection(untold_.front())) {
                return;
            }
            untold_.pop_front();
        } else {
            return;
        }
    }
}

bool RelayShare::tell_pipe(std::size_t index) {
    Descriptors ends;
    ends.push_back(duplicate_fd(pipes_[index].read_end));
    ends.push_back(duplicate_fd(pipes_[index].write_end));
    return channel_->send(Pipe{{static_cast<std::uint16_t>(index)}}, std::move(ends));
}

bool RelayShare::tell_connection(Slot slot) {
    Kept& kept = kept_[slot.value];
    // It may have been released while it waited here, and its slot may have been given to another one.
    if (!kept.tls || kept.told) {
        return true;
    }
    Descriptors sockets;
    sockets.push_back(duplicate_fd(kept.tls));
    if (kept.plain) {
        sockets.push_back(duplicate_fd(kept.plain));
    }
    const TableEntry& entry = table_.at(slot);
    const Adopt adopt{.slot = slot,
                      .connection = {.service = {entry.service},
                                     .tls13 = entry.tls13 != 0,
                                     .plaintext = entry.plaintext != 0,
                                     .origin = entry.origin,
                                     .since = entry.since}};
    kept.told = channel_->send(adopt, std::move(sockets));
    if (kept.told && kept.origin) {
        on_their_way_.push_back(slot);
    }
    return kept.told;
}

std::vector<RelayShare::Origin> RelayShare::take_heard() {
    // What is in the relay's socket, it reads even when we are gone.
    if (channel_ != nullptr && channel_->queued() == 0) {
        for (const Slot slot : std::exchange(on_their_way_, {})) {
            if (kept_[slot.value].told) {
                heard(slot);
            }
        }
    }
    return std::exchange(heard_, {});
}

void RelayShare::heard(Slot slot) {
    if (const auto origin = std::exchange(kept_[slot.value].origin, {})) {
        heard_.push_back(*origin);
    }
}

bool RelayShare::holds(const UniqueFd& tls) const {
    return std::ranges::any_of(kept_,
                               [inode = inode_of(tls)](const Kept& kept) { return kept.tls && kept.inode == inode; });
}

void RelayShare::take(const Carried& connection, Descriptors sockets, Origin origin, const TrafficSecrets* secrets) {
    const Slot slot = free_.back();
    free_.pop_back();
    kept_[slot.value].inode = inode_of(sockets[0]);
    kept_[slot.value].tls = std::move(sockets[0]);
    kept_[slot.value].origin = origin;
    if (sockets.size() > 1) {
        kept_[slot.value].plain = std::move(sockets[1]);
    }
    table_.at(slot) = TableEntry{.used = 1,
                                 .plaintext = static_cast<std::uint8_t>(connection.plaintext ? 1 : 0),
                                 .tls13 = static_cast<std::uint8_t>(connection.tls13 ? 1 : 0),
                                 .service = connection.service.value,
                                 .origin = connection.origin,
                                 .since = connection.since};
    if (secrets != nullptr) {
        table_.keep(slot, *secrets);
    }
    if (channel_ != nullptr) {
        untold_.push_back(slot);
        go_on();
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
        pipes_told_ = pipes_.size();
    }
}

void RelayShare::release(Slot slot) {
    if (in_use(slot)) {
        heard(slot);
        kept_[slot.value] = {};
        table_.clear(slot);
        if (incomplete_) {
            return;  // complete() finds the place
        }
        free_.push_back(slot);
        // Where there was no descriptor left for a duplicate, there is one now.
        go_on();
    }
}

}  // namespace keysluice
