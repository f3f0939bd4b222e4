#pragma once

#include <array>
#include <map>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/random.hpp"
#include "base/secret.hpp"
#include "base/secret_buffer.hpp"
#include "crypto/aead.hpp"
#include "daemon/control/record_heap.hpp"

namespace keysluice::control {

/// Named secrets that outlive the process, in a memory file that somebody else keeps a duplicate of.
///
/// Each record is sealed with AES-256-GCM under a key that is not in the file. A batch of changes is there as a whole
/// or not at all, wherever the process is killed: records are written beside those that they replace, and one store
/// of the batch's number makes all of them count. What is damaged is told from what is whole, and never used.
class StateFile {
   public:
    using Key = Secret<32>;
    using Name = std::uint64_t;
    using Salt = std::array<std::uint8_t, 16>;
    /// How often a process may die while it adopts a record.
    static constexpr std::uint32_t kMostAttempts = 3;

    struct Change {
        Name name = 0;
        SecretBuffer contents;  ///< empty: there is no such name any more
    };

    /// Errors: "state-file-failed", "crypto-unavailable".
    [[nodiscard]] static Result<StateFile> create(const Key& key, Random& random);
    [[nodiscard]] static Result<StateFile> open(UniqueFd file, const Key& key, Random& random);

    /// Where this fails with "state-file-full", nothing of the names that did not fit is left, rather than what is no
    /// longer true.
    [[nodiscard]] Result<void> write(std::span<const Change> changes);

    /// What an earlier process left.
    [[nodiscard]] std::vector<Name> names() const;
    /// How many pieces of it were discarded unread: half written when the process died, or damaged.
    [[nodiscard]] std::size_t discarded() const { return discarded_; }
    /// Errors: "state-damaged", and "state-set-aside" where earlier processes died of it.
    [[nodiscard]] Result<SecretBuffer> read(Name name);
    /// A process that dies between these two died of this record. They may come several times, for several steps.
    void begin_adoption(Name name);
    void end_adoption();
    /// After the last step: nobody died of it, and who did before died of something else.
    void forgive(Name name);
    void forget(Name name);

    [[nodiscard]] int file() const { return heap_.file(); }

   private:
    StateFile(RecordHeap heap, const Key& key, const Salt& salt, crypto::Aead sealer);
    [[nodiscard]] static Result<crypto::Aead> cipher(const Key& key, const Salt& salt);
    [[nodiscard]] static Result<StateFile> over(RecordHeap heap, const Key& key, Random& random);
    [[nodiscard]] Record* seal(const Change& change, std::uint32_t index, std::uint64_t batch);
    void sort_out();

    RecordHeap heap_;
    Key key_;
    Salt salt_;
    crypto::Aead sealer_;
    std::map<Salt, crypto::Aead> openers_;
    std::unordered_map<Name, Record*> records_;
    std::size_t discarded_ = 0;
};

}  // namespace keysluice::control
