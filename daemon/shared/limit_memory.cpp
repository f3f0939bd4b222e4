#include "daemon/shared/limit_memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <span>

#include "daemon/shared/service.hpp"

namespace keysluice {

namespace {

constexpr unsigned kCountBits = 27;
constexpr std::uint64_t kCount = (1ULL << kCountBits) - 1;
static_assert(kHighestLimit < kCount);
constexpr std::uint64_t kSecond = 1'000'000'000;

std::uint64_t nanoseconds(Instant time) {
    return static_cast<std::uint64_t>(time.time_since_epoch().count());
}

/// The finalizer of SplitMix64: every bit of the result depends on every bit of the value.
std::uint64_t mix(std::uint64_t value) {
    value = (value ^ (value >> 30U)) * 0xbf58476d1ce4e5b9;
    value = (value ^ (value >> 27U)) * 0x94d049bb133111eb;
    return value ^ (value >> 31U);
}

/// What a cell of this key has above its count: never 0.
std::uint64_t tag_of(std::uint64_t hash) {
    return std::max(hash & ~kCount, kCount + 1);
}

}  // namespace

Result<LimitMemory> LimitMemory::create(Random& random) {
    auto memory = SealedMemory::create("keysluice-limits", kSize);
    if (!memory) {
        return pass_on(std::move(memory));
    }
    LimitMemory limits;
    limits.memory_ = std::move(*memory);
    limits.header().salt = random.number<std::uint64_t>();
    return limits;
}

Result<LimitMemory> LimitMemory::open(UniqueFd file) {
    auto memory = SealedMemory::open(std::move(file));
    if (!memory) {
        return pass_on(std::move(memory));
    }
    if (const std::size_t size = memory->as<std::byte>().size(); size != kSize) {
        return fail("memory-file-failed",
                    fmt::format("the memory file of the limits has {} octets, expected are {}: it is of another "
                                "release",
                                size, kSize));
    }
    LimitMemory limits;
    limits.memory_ = std::move(*memory);
    return limits;
}

LimitMemory::Header& LimitMemory::header() const {
    return *reinterpret_cast<Header*>(memory_.as<std::byte>().subspan(kCells * sizeof(Place)).data());
}

std::uint64_t LimitMemory::hash(Key key) const {
    const std::uint64_t salt = header().salt;
    return mix(mix(key.origin + salt) + key.service.value + salt);
}

LimitMemory::Place& LimitMemory::place(Key key, std::uint64_t hash, std::size_t probe) const {
    const std::span<Place> all = memory_.as<Place>().first(kCells);
    const std::span<Place> cells = key.origin == 0 ? all.first(kServiceCells) : all.subspan(kServiceCells);
    return cells[(hash + probe) % cells.size()];
}

LimitMemory::Cell LimitMemory::number(const Place& place) const {
    return static_cast<Cell>(&place - memory_.as<Place>().data());
}

LimitMemory::Place* LimitMemory::find(Key key, std::uint64_t hash) const {
    for (std::size_t probe = 0; probe < kProbes; ++probe) {
        Place& there = place(key, hash, probe);
        if ((there.use.load() & ~kCount) == tag_of(hash)) {
            return &there;
        }
    }
    return nullptr;
}

LimitMemory::Place* LimitMemory::find_or_take(Key key, std::uint64_t hash, Instant now) {
    if (Place* const known = find(key, hash)) {
        return known;
    }
    for (std::size_t probe = 0; probe < kProbes; ++probe) {
        Place& there = place(key, hash, probe);
        std::uint64_t use = there.use.load();
        if ((use & kCount) == 0 && there.due.load() <= nanoseconds(now) &&
            there.use.compare_exchange_strong(use, tag_of(hash))) {
            return &there;
        }
    }
    return nullptr;
}

LimitMemory::Counted LimitMemory::begin(Key key, std::uint32_t most, Instant now) {
    const std::uint64_t hashed = hash(key);
    while (Place* const there = find_or_take(key, hashed, now)) {
        std::uint64_t use = there->use.load();
        while ((use & ~kCount) == tag_of(hashed)) {
            const std::uint64_t count = use & kCount;
            if (count == kCount || (most != 0 && count >= most)) {
                return {.outcome = Outcome::over_limit};
            }
            if (there->use.compare_exchange_weak(use, use + 1)) {
                return {.outcome = Outcome::counted, .cell = number(*there)};
            }
        }
        // Nobody was in it, and another key was quicker.
    }
    return {.outcome = Outcome::no_cell};
}

void LimitMemory::end(Cell cell) {
    if (cell < kCells) {
        std::atomic<std::uint64_t>& use = memory_.as<Place>()[cell].use;
        std::uint64_t value = use.load();
        while ((value & kCount) != 0 && !use.compare_exchange_weak(value, value - 1)) {
        }
    }
}

LimitMemory::Outcome LimitMemory::pass(Key key, std::uint32_t per_second, Instant now) {
    Place* const there = find_or_take(key, hash(key), now);
    if (there == nullptr) {
        return Outcome::no_cell;
    }
    const std::uint64_t time = nanoseconds(now);
    const std::uint64_t interval = kSecond / per_second;
    std::uint64_t due = there->due.load();
    while (true) {
        const std::uint64_t next = std::max(due, time) + interval;
        if (next > time + kSecond) {
            return Outcome::over_limit;
        }
        if (there->due.compare_exchange_weak(due, next)) {
            return Outcome::counted;
        }
    }
}

std::uint32_t LimitMemory::connections(Key key) const {
    const Place* const there = find(key, hash(key));
    return there == nullptr ? 0 : static_cast<std::uint32_t>(there->use.load() & kCount);
}

}  // namespace keysluice
