#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace keysluice::control {

/// What stands before the contents of each record of a RecordHeap. A StateFile says what the fields mean.
struct Record {
    std::atomic<std::uint64_t> batch;  ///< 0: free
    std::uint64_t name;
    std::uint32_t length;  ///< of the contents
    std::uint32_t index;
    std::uint32_t attempts;
    std::uint32_t unused;
    std::array<std::uint8_t, 16> salt;
};

/// Records of different sizes in a memory file, which one process writes and whichever comes after it finds.
///
/// The file is made of units of 64 KiB. A unit has records of one size; a record that is larger than a unit has
/// several. Whatever stands in the file is looked at with suspicion: a unit that makes no sense counts as free.
class RecordHeap {
   public:
    static constexpr std::size_t kUnit = 1U << 16U;
    static constexpr std::size_t kMostUnits = 1U << 14U;  ///< 1 GiB
    static constexpr std::size_t kLargestContents = 1U << 20U;

    /// At the beginning of the file.
    struct FileHeader {
        std::uint64_t magic;
        std::atomic<std::uint64_t> committed;
        std::atomic<std::uint64_t> adopting;  ///< where a record is, or 0
    };

    /// Error: "state-file-failed".
    [[nodiscard]] static Result<RecordHeap> create();
    /// Takes a file of create() over. Error: "state-file-failed", also where it is not such a file.
    [[nodiscard]] static Result<RecordHeap> open(UniqueFd file);

    RecordHeap(RecordHeap&& other) noexcept;
    RecordHeap& operator=(RecordHeap&&) = delete;
    RecordHeap(const RecordHeap&) = delete;
    RecordHeap& operator=(const RecordHeap&) = delete;
    ~RecordHeap();

    [[nodiscard]] int file() const { return file_.get(); }
    [[nodiscard]] FileHeader& header() const;

    /// A free record with room for as many bytes; null where the file or the machine is full. Its batch is 0.
    [[nodiscard]] Record* allocate(std::size_t contents);
    void release(Record& record);
    /// How many units of an opened file made no sense.
    [[nodiscard]] std::size_t senseless() const { return senseless_; }
    /// All records of an opened file whose batch is not 0 and whose length fits; once.
    [[nodiscard]] std::vector<Record*> take_used() { return std::exchange(used_, {}); }

    [[nodiscard]] static MutableBytes contents(Record& record);
    /// Where it is in the file.
    [[nodiscard]] std::uint64_t offset(const Record& record) const;

   private:
    struct UnitHeader;

    RecordHeap(UniqueFd file, std::uint8_t* memory) : file_(std::move(file)), memory_(memory) {}
    [[nodiscard]] static Result<RecordHeap> map(UniqueFd file);
    [[nodiscard]] static std::size_t record_size_for(std::size_t contents);
    [[nodiscard]] UnitHeader& unit(std::size_t number) const;
    [[nodiscard]] bool plausible(std::size_t number) const;
    [[nodiscard]] std::size_t units_of(std::size_t record_size) const;
    [[nodiscard]] std::vector<Record*> records_in(std::size_t number) const;
    [[nodiscard]] bool grow(std::size_t record_size);
    void look_through();

    UniqueFd file_;
    std::uint8_t* memory_ = nullptr;
    std::size_t units_ = 0;
    std::map<std::size_t, std::vector<Record*>> free_;  ///< by record size
    std::vector<std::size_t> free_units_;
    std::vector<Record*> used_;
    std::size_t senseless_ = 0;
};

}  // namespace keysluice::control
