#include "daemon/control/record_heap.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

namespace keysluice::control {
namespace {

constexpr std::uint64_t kMagic = 0x6b65'7973'6c75'0001;
constexpr std::uint32_t kUnitMagic = 0x7265'6373;
constexpr std::size_t kMapped = RecordHeap::kUnit * RecordHeap::kMostUnits;
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_SEAL;  // else whoever holds the file could make us die of SIGBUS

/// Most IKE SAs with a CHILD SA or two take one of the first; the last ones share a unit as well as they can.
constexpr auto kSizes = std::to_array<std::size_t>(
    {256, 512, 768, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 4096, 5440, 8128, 10'880, 16'320, 32'704});

static_assert(sizeof(Record) == 48 && std::atomic<std::uint64_t>::is_always_lock_free);

std::unexpected<Error> failed(std::string_view step) {
    return fail("state-file-failed",
                fmt::format("the memory file with the state of IKE: {}: {}", step, std::strerror(errno)));
}

}  // namespace

struct RecordHeap::UnitHeader {
    std::uint32_t magic;
    std::uint32_t record_size;
    std::array<std::uint8_t, 56> unused;
};

RecordHeap::RecordHeap(RecordHeap&& other) noexcept
    : file_(std::move(other.file_)),
      memory_(std::exchange(other.memory_, nullptr)),
      units_(other.units_),
      free_(std::move(other.free_)),
      free_units_(std::move(other.free_units_)),
      used_(std::move(other.used_)),
      senseless_(other.senseless_) {}

RecordHeap::~RecordHeap() {
    if (memory_ != nullptr) {
        munmap(memory_, kMapped);
    }
}

Result<RecordHeap> RecordHeap::create() {
    UniqueFd file(memfd_create("keysluice-ike-state", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!file || ftruncate(file.get(), kUnit) != 0 || fcntl(file.get(), F_ADD_SEALS, kSeals) != 0) {
        return failed("creating it");
    }
    auto heap = map(std::move(file));
    if (heap) {
        heap->units_ = 1;
        std::construct_at(&heap->header())->magic = kMagic;
    }
    return heap;
}

Result<RecordHeap> RecordHeap::open(UniqueFd file) {
    const int seals = fcntl(file.get(), F_GET_SEALS);
    struct stat status{};
    if (seals < 0 || fstat(file.get(), &status) != 0) {
        return failed("looking at it");
    }
    const auto units = static_cast<std::size_t>(status.st_size) / kUnit;
    if ((seals & kSeals) != kSeals || units == 0 || units > kMostUnits) {
        errno = EINVAL;
        return failed("its size or seals are not as they were");
    }
    auto heap = map(std::move(file));
    if (heap && heap->header().magic != kMagic) {
        errno = EINVAL;
        return failed("its beginning is damaged, or of another release");
    }
    if (heap) {
        heap->units_ = units;
        heap->look_through();
    }
    return heap;
}

Result<RecordHeap> RecordHeap::map(UniqueFd file) {
    // All that it may grow to: what lies behind its end is never touched.
    void* memory = mmap(nullptr, kMapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file.get(), 0);
    if (memory == MAP_FAILED) {
        return failed("mapping it");
    }
    return RecordHeap(std::move(file), static_cast<std::uint8_t*>(memory));
}

RecordHeap::FileHeader& RecordHeap::header() const {
    return *reinterpret_cast<FileHeader*>(memory_);
}

RecordHeap::UnitHeader& RecordHeap::unit(std::size_t number) const {
    return *reinterpret_cast<UnitHeader*>(memory_ + number * kUnit);
}

std::size_t RecordHeap::record_size_for(std::size_t contents) {
    const std::size_t needed = sizeof(Record) + contents;
    const auto* const fitting = std::ranges::lower_bound(kSizes, needed);
    if (fitting != kSizes.end()) {
        return *fitting;
    }
    const std::size_t units = (sizeof(UnitHeader) + needed + kUnit - 1) / kUnit;
    return units * kUnit - sizeof(UnitHeader);
}

/// That a record of this size needs.
std::size_t RecordHeap::units_of(std::size_t record_size) const {
    return (sizeof(UnitHeader) + record_size + kUnit - 1) / kUnit;
}

bool RecordHeap::plausible(std::size_t number) const {
    const UnitHeader& header = unit(number);
    const std::size_t size = header.record_size;
    return header.magic == kUnitMagic && size > sizeof(Record) && size <= sizeof(Record) + kLargestContents + kUnit &&
           size == record_size_for(size - sizeof(Record)) && number + units_of(size) <= units_;
}

std::vector<Record*> RecordHeap::records_in(std::size_t number) const {
    const std::size_t size = unit(number).record_size;
    std::uint8_t* const first = memory_ + number * kUnit + sizeof(UnitHeader);
    const std::size_t count = std::max<std::size_t>((kUnit - sizeof(UnitHeader)) / size, 1);
    std::vector<Record*> records;
    records.reserve(count);
    for (std::size_t each = 0; each < count; ++each) {
        records.push_back(reinterpret_cast<Record*>(first + each * size));
    }
    return records;
}

void RecordHeap::look_through() {
    for (std::size_t number = 1; number < units_;) {
        if (!plausible(number)) {
            free_units_.push_back(number++);
            ++senseless_;
            continue;
        }
        const std::size_t size = unit(number).record_size;
        for (Record* const record : records_in(number)) {
            if (record->batch.load(std::memory_order_acquire) == 0 || record->length > size - sizeof(Record)) {
                record->batch.store(0, std::memory_order_relaxed);
                free_[size].push_back(record);
            } else {
                used_.push_back(record);
            }
        }
        number += units_of(size);
    }
}

bool RecordHeap::grow(std::size_t record_size) {
    std::size_t number = units_;
    const std::size_t count = units_of(record_size);
    if (count == 1 && !free_units_.empty()) {
        number = free_units_.back();
        free_units_.pop_back();
    } else if (units_ + count > kMostUnits || fallocate(file_.get(), 0, static_cast<off_t>(units_ * kUnit),
                                                        static_cast<off_t>(count * kUnit)) != 0) {
        return false;  // and no page fault later finds the machine's memory full
    } else {
        units_ += count;
    }
    unit(number).record_size = static_cast<std::uint32_t>(record_size);
    for (Record* const record : records_in(number)) {
        free_[record_size].push_back(std::construct_at(record));
    }
    std::atomic_thread_fence(std::memory_order_release);
    unit(number).magic = kUnitMagic;
    return true;
}

Record* RecordHeap::allocate(std::size_t contents) {
    if (contents > kLargestContents) {
        return nullptr;
    }
    const std::size_t size = record_size_for(contents);
    std::vector<Record*>& free = free_[size];
    if (free.empty() && !grow(size)) {
        return nullptr;
    }
    Record* const record = free.back();
    free.pop_back();
    return record;
}

void RecordHeap::release(Record& record) {
    record.batch.store(0, std::memory_order_release);
    const auto number = static_cast<std::size_t>(reinterpret_cast<std::uint8_t*>(&record) - memory_) / kUnit;
    free_[unit(number).record_size].push_back(&record);
}

MutableBytes RecordHeap::contents(Record& record) {
    return {reinterpret_cast<std::uint8_t*>(&record) + sizeof(Record), record.length};
}

std::uint64_t RecordHeap::offset(const Record& record) const {
    return static_cast<std::uint64_t>(reinterpret_cast<const std::uint8_t*>(&record) - memory_);
}

}  // namespace keysluice::control
