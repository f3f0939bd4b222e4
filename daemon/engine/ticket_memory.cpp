#include "daemon/engine/ticket_memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "daemon/shared/system_random.hpp"

namespace keysluice {

namespace {

/// So many places are looked at before a session goes without. Ids count up, so the first one is the longest taken.
constexpr std::size_t kProbes = 64;
constexpr std::uint64_t kUses = 0xffff'ffff;

std::uint64_t packed(std::uint64_t second, std::uint32_t uses) {
    return (second << 32U) | uses;
}

}  // namespace

Result<void> TicketMemory::create() {
    auto memory = SealedMemory::create("keysluice-tickets", kSize);
    if (!memory) {
        return pass_on(std::move(memory));
    }
    memory_ = std::move(*memory);
    return {};
}

Result<void> TicketMemory::use(UniqueFd file) {
    auto memory = SealedMemory::open(std::move(file));
    if (!memory) {
        return pass_on(std::move(memory));
    }
    if (const std::size_t size = memory->as<std::byte>().size(); size != kSize) {
        return fail("memory-file-failed",
                    fmt::format("the memory file of the tickets has {} octets, expected are {}: it is of another "
                                "release",
                                size, kSize));
    }
    memory_ = std::move(*memory);
    return {};
}

TicketMemory::Keys& TicketMemory::keys() const {
    return *reinterpret_cast<Keys*>(memory_.as<std::byte>().subspan(kPlaces * sizeof(Place)).data());
}

void TicketMemory::rotate(Random& random, Instant now) {
    Keys& all = keys();
    const std::uint64_t next = all.newest.load(std::memory_order_relaxed) + 1;
    Key& key = all.ring[next % all.ring.size()];
    key.made = static_cast<std::uint64_t>(now.time_since_epoch().count());
    random.fill(key.name);
    random.fill(key.encryption);
    random.fill(key.authentication);
    all.newest.store(next, std::memory_order_release);
    // Where the one after this will stand: until now that key could open.
    wipe(&all.ring[(next + 1) % all.ring.size()], sizeof(Key));
}

std::optional<Instant> TicketMemory::rotated() const {
    const std::uint64_t newest = ready() ? keys().newest.load(std::memory_order_acquire) : 0;
    if (newest == 0) {
        return std::nullopt;
    }
    return Instant(Duration(static_cast<Duration::rep>(keys().ring[newest % keys().ring.size()].made)));
}

tls::TicketKey TicketMemory::copy(const Key& key) {
    return {
        .name = key.name, .encryption = Secret<32>(key.encryption), .authentication = Secret<32>(key.authentication)};
}

std::optional<tls::TicketKey> TicketMemory::sealing_key() const {
    const std::uint64_t newest = ready() ? keys().newest.load(std::memory_order_acquire) : 0;
    return newest == 0 ? std::nullopt : std::optional(copy(keys().ring[newest % keys().ring.size()]));
}

std::optional<tls::TicketKey> TicketMemory::key_named(Bytes name) const {
    const std::uint64_t newest = ready() ? keys().newest.load(std::memory_order_acquire) : 0;
    for (std::uint64_t back = 0; back < std::min<std::uint64_t>(newest, kKeys); ++back) {
        const Key& key = keys().ring[(newest - back) % keys().ring.size()];
        if (std::ranges::equal(key.name, name)) {
            return copy(key);
        }
    }
    return std::nullopt;
}

void TicketMemory::randomize(MutableBytes bytes) {
    SystemRandom().fill(bytes);
}

tls::UseCount TicketMemory::begin_count(std::uint32_t most, Instant until, Instant now) {
    if (!ready()) {
        return {};
    }
    const auto places = memory_.as<Place>().first(kPlaces);
    const auto second =
        static_cast<std::uint64_t>(std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count());
    const auto last =
        static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::seconds>(until.time_since_epoch()).count());
    const std::uint64_t id = keys().last_id.fetch_add(1, std::memory_order_relaxed) + 1;
    for (std::uint64_t probe = id; probe < id + kProbes; ++probe) {
        const auto number = static_cast<std::uint32_t>(probe % kPlaces);
        Place& place = places[number];
        std::uint64_t left = place.left.load(std::memory_order_relaxed);
        if ((left >> 32U) <= second && place.left.compare_exchange_strong(left, packed(last, most))) {
            place.id.store(id, std::memory_order_release);
            return {.place = number, .id = id};
        }
    }
    return {};
}

bool TicketMemory::count(tls::UseCount of) {
    if (!ready() || of.id == 0 || of.place >= kPlaces) {
        return false;
    }
    Place& place = memory_.as<Place>()[of.place];
    std::uint64_t left = place.left.load(std::memory_order_acquire);
    // Its own count or none: a place that was given to another session has another id.
    while (place.id.load(std::memory_order_acquire) == of.id && (left & kUses) != 0) {
        if (place.left.compare_exchange_weak(left, left - 1)) {
            return true;
        }
    }
    return false;
}

}  // namespace keysluice
